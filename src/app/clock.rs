//! The clock: the one place that reads the time. Tests set it by hand.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;

/// A handle on the time, cheap to clone.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's time.
    #[default]
    System,
    /// A time that only moves when told to.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands at this time.
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(at)))
    }

    /// The time now, in UTC, to the microsecond (what the databases keep).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "this is the clock")]
                let now = chrono::Utc::now();
                chrono::SubsecRound::trunc_subsecs(now, 6)
            }
            Self::Manual(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// How long this clock runs, from a moment of its own: it goes on evenly when somebody sets the time.
    #[must_use]
    pub fn running(&self) -> Duration {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => BEGAN.elapsed(),
            Self::Manual(_) => (self.now() - Timestamp::UNIX_EPOCH).to_std().unwrap_or_default(),
        }
    }

    /// Moves a manual clock forward. The system's clock does not listen.
    pub fn advance(&self, by: chrono::TimeDelta) {
        if let Self::Manual(at) = self {
            let mut at = at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *at += by;
        }
    }
}
