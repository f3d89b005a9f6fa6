//! How many steps are under way in this process. Where there are many, whatever nobody waits for would only be in their
//! way: it waits until the crowd has passed.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// More steps at once than these leave no processor time to spare.
const FEW: usize = 8;

static STEPS: AtomicUsize = AtomicUsize::new(0);
/// The most steps at once since there were few.
static MOST: AtomicUsize = AtomicUsize::new(0);
static LINGERING: AtomicUsize = AtomicUsize::new(0);
static PASSED: Notify = Notify::const_new();

/// Counts a step as under way as long as it lives.
pub(super) struct UnderWay(());

impl UnderWay {
    pub(super) fn begin() -> Self {
        MOST.fetch_max(STEPS.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if STEPS.fetch_sub(1, Ordering::Relaxed) == FEW + 1 {
            MOST.store(FEW, Ordering::Relaxed);
            PASSED.notify_waiters();
        }
    }
}

/// Counts a session that outlives its step.
pub(super) struct Lingering(());

impl Lingering {
    /// As long as there are no more of them and of steps together than there were steps: where the open files were enough
    /// for those, they are enough for these.
    pub(super) fn begin() -> Option<Self> {
        let room = || MOST.load(Ordering::Relaxed).checked_sub(STEPS.load(Ordering::Relaxed));
        let one_more = |now: usize| room().is_some_and(|room| now < room).then_some(now + 1);
        LINGERING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self(()))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
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
    fn no_more_linger_than_steps_have_ended() {
        let mut steps: Vec<UnderWay> = (0..FEW + 8).map(|_| UnderWay::begin()).collect();
        assert!(Lingering::begin().is_none());
        steps.truncate(FEW + 6);
        let mut lingering: Vec<Lingering> = std::iter::from_fn(Lingering::begin).collect();
        assert_eq!(lingering.len(), 2);
        // A step that begins meanwhile takes the place of one.
        steps.push(UnderWay::begin());
        lingering.pop();
        assert!(Lingering::begin().is_none());
    }
}
