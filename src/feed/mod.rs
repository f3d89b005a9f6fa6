//! Fetches what sources watch: answers of addresses, lines of files. Knows what it was sent for and nothing else.

mod file;
mod poll;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::source::errand::{Catch, Errand};

/// What a server lets sources reach.
#[derive(Debug, Clone)]
pub struct Feed {
    private: bool,
    logs: Arc<[PathBuf]>,
    machine: Arc<Machine>,
}

/// The machine that files are read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What tells it from others for good.
    pub id: String,
    /// What people call it.
    pub host: String,
}

impl Feed {
    /// One that asks private addresses and plain HTTP only where `private` says so, and reads files only below `logs`.
    #[must_use]
    pub fn new(private: bool, logs: &[PathBuf], machine: Machine) -> Self {
        Self { private, logs: logs.into(), machine: Arc::new(machine) }
    }

    /// The machine that files are read on.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Fetches. What it says of a failure holds no secret.
    ///
    /// # Errors
    /// Why nothing was brought back, in a sentence.
    pub async fn fetch(&self, errand: Errand) -> Result<Catch, String> {
        let this = self.clone();
        let fetched = tokio::task::spawn_blocking(move || match &errand {
            Errand::Ask(question) => poll::ask(question, this.private).map(Catch::Answer),
            Errand::Read(reading) => file::read(reading, &this.logs).map(Catch::Lines),
        });
        fetched.await.unwrap_or_else(|_| Err("Fetching broke off.".to_owned()))
    }
}
