//! Signals inside one server: work is there, a run changed, its log grew. They only wake; the truth is in the store, and
//! every listener also looks by itself from time to time, as a command or a server that is not heard may have changed it.
//!
//! Where servers share a database, what is signalled here also leaves through [`Live::outgoing`], and what the others
//! signal comes in through [`Live::heard`]; see [`super::wakes`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast};

use crate::domain::ids::RunNumber;
use crate::domain::wake::Wake;

/// The signals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    work: Arc<Notify>,
    events: Arc<Notify>,
    /// When the engine of this process last waited for work, which it does after each look for it.
    looked: Arc<Mutex<Option<Instant>>>,
    runs: broadcast::Sender<RunNumber>,
    cancels: broadcast::Sender<RunNumber>,
    outgoing: Arc<Outgoing>,
}

/// What is still to be told to other servers, each thing once.
#[derive(Debug, Default)]
struct Outgoing {
    /// Whether somebody takes it away.
    open: AtomicBool,
    wakes: Mutex<BTreeSet<Wake>>,
    there: Notify,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            work: Arc::new(Notify::new()),
            events: Arc::new(Notify::new()),
            looked: Arc::default(),
            runs: broadcast::channel(1_024).0,
            cancels: broadcast::channel(64).0,
            outgoing: Arc::default(),
        }
    }
}

impl Live {
    /// Something may be ready to start, stop or expire.
    pub fn work_is_there(&self) {
        self.signal(Wake::Work);
    }

    /// Waits for [`Live::work_is_there`]; a signal that came before is not lost.
    pub async fn work(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.work.notified().await;
    }

    /// As [`Live::work`], for who lets rules look at events.
    pub async fn events(&self) {
        self.events.notified().await;
    }

    /// How long ago the engine of this process last looked for work.
    #[must_use]
    pub fn engine_looked(&self) -> Option<Duration> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// The run's state or log changed.
    pub fn run_changed(&self, run: RunNumber) {
        self.signal(Wake::Changed(run));
    }

    /// Somebody wants the run stopped.
    pub fn cancel_asked(&self, run: RunNumber) {
        self.signal(Wake::Cancel(run));
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

    /// Wakes who waits in this process, for what happened in another one.
    pub fn heard(&self, wake: Wake) {
        // Nobody may be listening to a run, or working on it here.
        match wake {
            Wake::Work => {
                self.work.notify_one();
                self.events.notify_one();
            }
            Wake::Cancel(run) => drop(self.cancels.send(run)),
            Wake::Changed(run) => drop(self.runs.send(run)),
        }
    }

    fn signal(&self, wake: Wake) {
        self.heard(wake);
        if self.outgoing.open.load(Ordering::Relaxed) {
            self.outgoing.wakes.lock().unwrap_or_else(PoisonError::into_inner).insert(wake);
            self.outgoing.there.notify_one();
        }
    }

    /// Waits until something is to be told to other servers, and takes it away. From the first call on it is kept for
    /// whoever calls next.
    pub async fn outgoing(&self) -> BTreeSet<Wake> {
        self.outgoing.open.store(true, Ordering::Relaxed);
        loop {
            let taken = std::mem::take(&mut *self.outgoing.wakes.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.outgoing.there.notified().await;
        }
    }
}
