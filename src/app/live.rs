//! Signals inside one server: work is there, a run changed, its log grew. They only wake; the truth is in the store, and
//! every listener also looks by itself from time to time, as another server or a command may have changed it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast};

use crate::domain::ids::RunNumber;

/// The signals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    work: Arc<Notify>,
    /// When the engine of this process last waited for work, which it does after each look for it.
    looked: Arc<Mutex<Option<Instant>>>,
    runs: broadcast::Sender<RunNumber>,
    cancels: broadcast::Sender<RunNumber>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            work: Arc::new(Notify::new()),
            looked: Arc::default(),
            runs: broadcast::channel(1_024).0,
            cancels: broadcast::channel(64).0,
        }
    }
}

impl Live {
    /// Something may be ready to start, stop or expire.
    pub fn work_is_there(&self) {
        self.work.notify_one();
    }

    /// Waits for [`Live::work_is_there`]; a signal that came before is not lost.
    pub async fn work(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.work.notified().await;
    }

    /// How long ago the engine of this process last looked for work.
    #[must_use]
    pub fn engine_looked(&self) -> Option<Duration> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// The run's state or log changed.
    pub fn run_changed(&self, run: RunNumber) {
        // Nobody may be listening.
        let _ = self.runs.send(run);
    }

    /// Somebody wants the run stopped.
    pub fn cancel_asked(&self, run: RunNumber) {
        // Nobody may be working on it here.
        let _ = self.cancels.send(run);
    }

    /// Hears of every run that is to be stopped.
    #[must_use]
    pub fn cancels(&self) -> broadcast::Receiver<RunNumber> {
        self.cancels.subscribe()
    }

    /// Hears of every run that changes.
    #[must_use]
    pub fn runs(&self) -> broadcast::Receiver<RunNumber> {
        self.runs.subscribe()
    }
}
