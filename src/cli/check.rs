//! `interlock check DIR`: every mistake, without a server.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Done, Failure, Format, Global, folder, out};
use crate::spec;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// A project's folder, or a folder of projects
    dir: PathBuf,
}

pub(super) fn run(global: &Global, options: &Options) -> Done {
    let mut all = Vec::new();
    for project in folder::read(&options.dir)? {
        let (_, diagnostics) = spec::check_folder(&project.project, &project.files);
        for mut one in diagnostics {
            one.file = project.path.join(&one.file).display().to_string();
            all.push(one);
        }
    }
    let errors = all.iter().filter(|d| d.is_error()).count();
    match global.format {
        Format::Json => out::json(&json!({ "errors": errors, "diagnostics": all })),
        Format::Text => {
            out::raw(spec::render(&all).as_bytes());
            if all.is_empty() {
                out::note("no mistakes");
            } else {
                out::note(&format!("{errors} errors, {} warnings", all.len() - errors));
            }
        }
    }
    if errors > 0 { Err(Failure::Failed) } else { Ok(()) }
}
