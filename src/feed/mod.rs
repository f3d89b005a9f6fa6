//! Fetches what sources watch: answers of addresses, lines of files, entries of
//! journals, messages of queues. Knows what it was sent for and nothing else.

mod file;
mod journal;
mod poll;
mod queue;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::source::errand::{Catch, Errand, Receipts};
pub use journal::JournalAt;
use queue::Queues;

/// What a server lets sources reach.
#[derive(Debug, Clone)]
pub struct Feed {
    private: bool,
    logs: Arc<[PathBuf]>,
    journal: Option<JournalAt>,
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
        Self { private, logs: logs.into(), journal: None, machine: Arc::new(machine), queues: Queues::default() }
    }

    /// One that reads this journal as well.
    #[must_use]
    pub fn with_journal(self, journal: Option<JournalAt>) -> Self {
        Self { journal, ..self }
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
        match &errand {
            Errand::Pull(pulling) => return self.queues.pull(pulling, self.private).await.map(Catch::Messages),
            Errand::Follow(following) => {
                return journal::read(following, self.journal.as_ref()).await.map(Catch::Entries);
            }
            Errand::Ask(_) | Errand::Read(_) => {}
        }
        let this = self.clone();
        let fetched = tokio::task::spawn_blocking(move || match &errand {
            Errand::Ask(question) => poll::ask(question, this.private).map(Catch::Answer),
            Errand::Read(reading) => file::read(reading, &this.logs).map(Catch::Lines),
            Errand::Pull(_) | Errand::Follow(_) => Err("Fetching broke off.".to_owned()),
        });
        fetched.await.unwrap_or_else(|_| Err("Fetching broke off.".to_owned()))
    }

    /// Lets go of connections that nobody has used for a while.
    pub fn close_idle(&self) {
        self.queues.close_idle();
    }

    /// Acknowledges what was brought back and is stored by now. What is lost on the way is brought once more.
    pub async fn acknowledge(&self, receipts: &Receipts) {
        self.queues.acknowledge(receipts).await;
    }
}
