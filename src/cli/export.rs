//! `interlock export DIR`: the stored definitions as folders.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};
use crate::domain::ids::ProjectName;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to; each project becomes a folder in it
    dir: PathBuf,
    /// Only this project
    #[arg(long)]
    project: Option<String>,
}

pub(super) async fn run(global: &Global, options: Options) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let only = options.project.as_deref().map(ProjectName::parse).transpose()?;
    let catalogue = app.catalogue().await?;
    if let Some(name) = only.as_ref().filter(|o| !catalogue.projects.contains_key(*o)) {
        return Err(Failure::Usage(format!("there is no project {name}")));
    }
    let mut exported = Vec::new();
    for name in catalogue.projects.keys().filter(|n| only.as_ref().is_none_or(|o| o == *n)) {
        let root = options.dir.join(name.as_str());
        let files = app.export(&start::operator(), name).await?;
        let names: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        for (relative, text) in files {
            let path = root.join(&relative);
            let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
            written.map_err(|e| Failure::Broken(format!("{} cannot be written: {e}", path.display())))?;
        }
        if global.format == Format::Text {
            out::line(&format!("{name}: {} files in {}", names.len(), root.display()));
        }
        exported.push(json!({ "project": name, "folder": root, "files": names }));
    }
    if global.format == Format::Json {
        out::json(&json!({ "projects": exported }));
    }
    Ok(())
}
