//! When a node is told that the server has all of a step. Nobody waits for that, and the node has work with it: it waits
//! for a quiet moment, unless the node is wanted again or the connection is to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::exec::crowd;

/// How long after a step's end: most steps of a run follow each other sooner.
const PAUSE: Duration = Duration::from_millis(100);
/// A quiet moment is not waited for longer than this.
const LONGEST: Duration = Duration::from_secs(3);

/// The receipts of one connection that are still to be given.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    open: watch::Sender<usize>,
    /// By how many that want the connection for something else.
    wanted: watch::Sender<usize>,
}

impl Receipts {
    /// One more is to be given, until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open { of: Arc::clone(self), wanted: self.wanted.subscribe() }
    }

    /// None waits for a quiet moment until what this returns is dropped.
    pub(super) fn hurry(self: &Arc<Self>) -> Hurry {
        self.wanted.send_modify(|wanted| *wanted += 1);
        Hurry(Arc::clone(self))
    }

    /// Has all of them given, and waits for that.
    pub(super) async fn give_all(self: &Arc<Self>) {
        let _hurry = self.hurry();
        // It cannot fail: the sender is here.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

/// Somebody wants the connection.
pub(super) struct Hurry(Arc<Receipts>);

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.wanted.send_modify(|wanted| *wanted -= 1);
    }
}

/// A receipt that is to be given.
pub(super) struct Open {
    of: Arc<Receipts>,
    wanted: watch::Receiver<usize>,
}

impl Open {
    /// Waits until it is time to give it; that is now where too many wait already.
    pub(super) async fn time(&mut self) {
        let Some(_spare) = crowd::Spare::begin() else { return };
        let quiet = async {
            crowd::passed().await;
            tokio::time::sleep(PAUSE).await;
        };
        let wanted = async {
            // Also by somebody who has it already again.
            if *self.wanted.borrow() == 0 {
                let _ = self.wanted.changed().await;
            }
        };
        tokio::select! {
            () = wanted => {}
            _ = tokio::time::timeout(LONGEST, quiet) => {}
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.of.open.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_receipt_waits_for_a_quiet_moment_but_not_for_ever_and_not_when_the_node_is_wanted() {
        let receipts = Arc::new(Receipts::default());
        let waited = |mut open: Open| async move {
            let began = tokio::time::Instant::now();
            open.time().await;
            began.elapsed()
        };
        assert_eq!(waited(receipts.begin()).await.as_millis() / 10, PAUSE.as_millis() / 10);

        let crowd: Vec<crowd::UnderWay> = (0..40).map(|_| crowd::UnderWay::begin()).collect();
        assert_eq!(waited(receipts.begin()).await.as_millis() / 10, LONGEST.as_millis() / 10);
        // Also when that was before it began to wait.
        let early = receipts.begin();
        drop(receipts.hurry());
        assert!(waited(early).await < PAUSE);
        // And when somebody stands in line for the connection.
        let line = receipts.hurry();
        assert!(waited(receipts.begin()).await < PAUSE);
        drop((crowd, line));

        let late = tokio::spawn(waited(receipts.begin()));
        receipts.give_all().await;
        assert!(late.await.unwrap() < PAUSE);
    }
}
