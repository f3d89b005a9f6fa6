//! What a server lets enrichers ask, as it is named on the command line.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::enrich::Asker;

/// Options of a server that asks for labels.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// A folder whose programs enrichers may run; may be given several times. Without it they run none
    #[arg(long, value_name = "FOLDER")]
    enricher_programs: Vec<PathBuf>,
    /// Let enrichers ask private addresses, and without https
    #[arg(long)]
    enrichers_private: bool,
}

impl Options {
    /// What asks.
    pub(super) fn asker(&self) -> Result<Asker, Failure> {
        if let Some(folder) = self.enricher_programs.iter().find(|folder| !folder.is_absolute() || !folder.is_dir()) {
            let message = format!(
                "--enricher-programs {} is not the whole path of a folder; name one that is there",
                folder.display()
            );
            return Err(Failure::Usage(message));
        }
        Ok(Asker::new(self.enrichers_private, &self.enricher_programs))
    }
}
