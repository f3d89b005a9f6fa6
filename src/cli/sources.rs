//! What a server lets sources reach, as it is named on the command line.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::server;
use crate::feed::{Feed, Machine};

/// Options of a server that fetches for sources.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// A folder below which sources may read log files; may be given several times. Without it they read none
    #[arg(long, value_name = "FOLDER")]
    source_logs: Vec<PathBuf>,
    /// Let sources ask private addresses, and without https
    #[arg(long)]
    sources_private: bool,
}

impl Options {
    /// What fetches.
    pub(super) fn feed(&self) -> Result<Feed, Failure> {
        if let Some(folder) = self.source_logs.iter().find(|folder| !folder.is_absolute() || !folder.is_dir()) {
            let message =
                format!("--source-logs {} is not the whole path of a folder; name one that is there", folder.display());
            return Err(Failure::Usage(message));
        }
        let (id, host) = server::machine();
        Ok(Feed::new(self.sources_private, &self.source_logs, Machine { id, host }))
    }
}
