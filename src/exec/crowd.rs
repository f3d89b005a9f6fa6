//! How many steps are under way in this process. Where there are many, whatever nobody waits for would only be in their
//! way: it waits until the crowd has passed.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

/// More steps at once than these leave no processor time to spare.
const FEW: usize = 8;
/// Open files that a session takes while no step uses it: three streams, and the connection to the master.
const FILES: usize = 4;

static STEPS: AtomicUsize = AtomicUsize::new(0);
static SPARE: AtomicUsize = AtomicUsize::new(0);
static PASSED: Notify = Notify::const_new();

/// Counts a step as under way as long as it lives.
pub(super) struct UnderWay(());

impl UnderWay {
    pub(super) fn begin() -> Self {
        STEPS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if STEPS.fetch_sub(1, Ordering::Relaxed) == FEW + 1 {
            PASSED.notify_waiters();
        }
    }
}

/// Counts a session that no step uses: one that outlives its step, or waits for one.
pub(super) struct Spare(());

impl Spare {
    /// As long as all of them together have an eighth of the files that this process may open, at most.
    pub(super) fn begin() -> Option<Self> {
        let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
        Self::among(files.unwrap_or(usize::MAX))
    }

    fn among(files: usize) -> Option<Self> {
        let one_more = |now: usize| (now < files / 8 / FILES).then_some(now + 1);
        SPARE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self(()))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        SPARE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether there is a crowd.
pub(super) fn is_here() -> bool {
    STEPS.load(Ordering::Relaxed) > FEW
}

/// Waits until there is none.
pub(super) async fn passed() {
    loop {
        // It counts from before the question, so that none is missed between the two.
        let passed = PASSED.notified();
        if !is_here() {
            return;
        }
        passed.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_goes_on_when_few_are_left() {
        passed().await;
        let mut steps: Vec<UnderWay> = (0..FEW + 3).map(|_| UnderWay::begin()).collect();
        let waiting = tokio::spawn(passed());
        tokio::task::yield_now().await;
        assert!(is_here() && !waiting.is_finished());
        steps.truncate(FEW);
        waiting.await.unwrap();
        assert!(!is_here());
    }

    #[test]
    fn spare_sessions_leave_files_to_others() {
        let mut spare: Vec<Spare> = std::iter::from_fn(|| Spare::among(1_024)).collect();
        assert_eq!(spare.len(), 32);
        spare.pop();
        assert!(Spare::among(1_024).is_some_and(|_one| Spare::among(1_024).is_none()));
    }
}
