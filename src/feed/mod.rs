//! Fetches what sources watch: answers of addresses, lines of files, messages of queues. Knows what it was sent for and nothing else.

mod file;
mod poll;
mod queue;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::source::errand::{Catch, Errand, Receipts};
use queue::Queues;

/// What a server lets sources reach.
#[derive(Debug, Clone)]
pub struct Feed {
    private: bool,
    logs: Arc<[PathBuf]>,
    machine: Arc<Machine>,
    queues: Queues,
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
        Self { private, logs: logs.into(), machine: Arc::new(machine), queues: Queues::default() }
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
        if let Errand::Pull(pulling) = &errand {
            return self.queues.pull(pulling, self.private).await.map(Catch::Messages);
        }
        let this = self.clone();
        let fetched = tokio::task::spawn_blocking(move || match &errand {
            Errand::Ask(question) => poll::ask(question, this.private).map(Catch::Answer),
            Errand::Read(reading) => file::read(reading, &this.logs).map(Catch::Lines),
            Errand::Pull(_) => Err("Fetching broke off.".to_owned()),
        });
        fetched.await.unwrap_or_else(|_| Err("Fetching broke off.".to_owned()))
    }

    /// Acknowledges what was brought back and is stored by now. What is lost on the way is brought once more.
    pub async fn acknowledge(&self, receipts: &Receipts) {
        self.queues.acknowledge(receipts).await;
    }
}
