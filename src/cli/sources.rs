//! What a server lets sources reach, as it is named on the command line.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::server;
use crate::feed::{Feed, JournalAt, Machine};

/// Options of a server that fetches for sources.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// A folder below which sources may read log files; may be given several times. Without it they read none
    #[arg(long, value_name = "FOLDER")]
    source_logs: Vec<PathBuf>,
    /// Let sources read systemd's journal: the machine's own, or the one in this folder
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    source_journal: Option<Option<PathBuf>>,
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
        let journal = match &self.source_journal {
            Some(Some(folder)) if !folder.is_absolute() || !folder.is_dir() => {
                let message = format!(
                    "--source-journal {} is not the whole path of a folder; name one that is there, or none for the machine's own",
                    folder.display()
                );
                return Err(Failure::Usage(message));
            }
            Some(Some(folder)) => Some(JournalAt::Folder(folder.clone())),
            Some(None) => Some(JournalAt::Machine),
            None => None,
        };
        let (id, host) = server::machine();
        Ok(Feed::new(self.sources_private, &self.source_logs, Machine { id, host }).with_journal(journal))
    }
}
