//! Which runs this server carries out just now.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::RunNumber;

/// The runs, shared with those who carry them.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried(Arc<Mutex<BTreeSet<RunNumber>>>);

/// A run is carried as long as this lives, also when what carries it breaks off.
pub(super) struct Carrying {
    all: Carried,
    run: RunNumber,
}

impl Carried {
    pub(super) fn begin(&self, run: RunNumber) -> Carrying {
        self.with(|all| all.insert(run));
        Carrying { all: self.clone(), run }
    }

    pub(super) fn runs(&self) -> BTreeSet<RunNumber> {
        self.with(|all| all.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeSet<RunNumber>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Carrying {
    fn drop(&mut self) {
        self.all.with(|all| all.remove(&self.run));
    }
}
