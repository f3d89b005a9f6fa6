//! Equal questions, asked once: of a storm of equal alerts one asks, and the others wait for what it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::domain::digest::Digest;
use crate::domain::enricher::label::Label;

/// Questions that are being asked just now, by what is asked of whom.
#[derive(Debug, Default)]
pub struct Together(Mutex<HashMap<Digest, Weak<Turn<Option<Label>>>>>);

/// The right to ask, with what was told to those who waited for it before.
pub(super) type Asking = OwnedMutexGuard<Option<Label>>;

impl Together {
    /// How many ask just now, or wait for what an equal question is told.
    pub(super) fn joined(&self) -> usize {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().map(Weak::strong_count).sum()
    }

    /// Waits until nobody else asks the same.
    pub(super) async fn join(&self, question: Digest) -> Asking {
        let turn = {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|_, turn| turn.strong_count() > 0);
            let known = open.get(&question).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let fresh = Arc::new(Turn::new(None));
                open.insert(question, Arc::downgrade(&fresh));
                fresh
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_asks_and_those_who_waited_hear_what_it_was_told() {
        let (together, question) = (Together::default(), Digest::of(b"disk full"));
        let mut first = together.join(question).await;
        assert!(together.join(Digest::of(b"other")).now_or_never().is_some());
        let second = together.join(question);
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(together.joined(), 2, "who asks and who waits; the other question is over");
        *first = Some(Label::none("nobody is there".to_owned()));
        drop(first);
        assert_eq!(*second.await, Some(Label::none("nobody is there".to_owned())));
        // Whoever comes later asks anew, as does who waited for somebody that broke off.
        let third = together.join(question).await;
        assert_eq!(*third, None);
        drop(third);
        assert_eq!(*together.join(question).await, None);
    }
}
