//! How many steps are under way in this process. Where there are many, whatever nobody waits for would only be in their
//! way: it waits until the crowd has passed.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// More steps at once than these leave no processor time to spare.
const FEW: usize = 8;

static STEPS: AtomicUsize = AtomicUsize::new(0);
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
}
