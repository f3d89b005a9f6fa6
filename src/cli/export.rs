//! `interlock export DIR`: the stored definitions as folders.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::{Done, Failure, Global, out, start};
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
    for name in catalogue.projects.keys().filter(|n| only.as_ref().is_none_or(|o| o == *n)) {
        let root = options.dir.join(name.as_str());
        let files = app.export(&start::operator(), name).await?;
        let count = files.len();
        for (relative, text) in files {
            let path = root.join(&relative);
            let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
            written.map_err(|e| Failure::Broken(format!("{} cannot be written: {e}", path.display())))?;
        }
        out::line(&format!("{name}: {count} files in {}", root.display()));
    }
    Ok(())
}
