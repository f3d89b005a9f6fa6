//! Loops beside the main one. One that breaks off is begun again, as nobody would notice that it is missing.

use std::time::Duration;

use tokio::task::JoinSet;

/// How long after it broke off.
const PAUSE: Duration = Duration::from_secs(1);

/// The loops. They end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Beside(JoinSet<()>);

impl Beside {
    /// Begins a loop, and begins it again whenever it breaks off. `what` is a part of a sentence.
    pub(super) fn keep<F>(&mut self, what: &'static str, begin: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(async move {
            loop {
                // Of its own, so that it ends with this.
                let mut one = JoinSet::new();
                one.spawn(begin());
                if let Some(Err(error)) = one.join_next().await {
                    tracing::error!(error.cause = %error, "the loop that {what} broke off; it is begun again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Ends all of them.
    pub(super) async fn shutdown(mut self) {
        self.0.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_loop_that_breaks_off_is_begun_again_and_ends_with_the_others() {
        let begun = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<()>(1);
        let mut beside = Beside::default();
        let count = Arc::clone(&begun);
        beside.keep("is tried", move || {
            let (count, sender) = (Arc::clone(&count), sender.clone());
            async move {
                if count.fetch_add(1, Ordering::Relaxed) == 0 {
                    panic!("on purpose");
                }
                sender.send(()).await.unwrap();
                std::future::pending::<()>().await;
            }
        });
        assert_eq!(receiver.recv().await, Some(()));
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        beside.shutdown().await;
        assert_eq!(receiver.recv().await, None, "nothing of it is left");
    }
}
