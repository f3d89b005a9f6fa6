//! The order in which rules act on events that are looked at at the same time: for each rule the order in which the events
//! came, so that of two alike the first one acts and the second one is held back.

use std::collections::HashMap;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, ready};
use tokio::sync::oneshot;

use crate::domain::ids::ProjectName;

/// Comes true when an event and all before it are done with a rule.
type Done = Shared<BoxFuture<'static, ()>>;

/// The lines of events, one a rule.
#[derive(Default)]
pub(super) struct Turns {
    last: HashMap<(ProjectName, usize), Done>,
}

/// An event's place in a rule's line. It is done with the rule when this is dropped.
pub(in crate::app) struct Turn {
    before: Done,
    /// Held, not used: those behind wait for its end.
    _mine: oneshot::Sender<()>,
}

impl Turns {
    /// The next place in the line of a rule, which is known by its project and its place there.
    pub(super) fn next(&mut self, (project, rule): (&ProjectName, usize)) -> Turn {
        let last = self.last.entry((project.clone(), rule)).or_insert_with(|| ready(()).boxed().shared());
        let before = last.clone();
        let (mine, end) = oneshot::channel();
        let those_before = before.clone();
        *last = async move {
            those_before.await;
            // Nobody ever sends; the other end goes away.
            drop(end.await);
        }
        .boxed()
        .shared();
        Turn { before, _mine: mine }
    }
}

impl Turn {
    /// Waits until those before it are done with the rule.
    async fn come(&self) {
        self.before.clone().await;
    }
}

/// The turn once it has come, for whoever writes to let go of. None where it was had before.
pub(super) async fn come(turn: &mut Option<Turn>) -> Option<Turn> {
    let turn = turn.take()?;
    turn.come().await;
    Some(turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_come(turn: &Turn) -> bool {
        turn.come().now_or_never().is_some()
    }

    #[test]
    fn each_waits_for_those_before_it_at_its_own_rule_only() {
        let project = ProjectName::parse("ops").unwrap();
        let mut turns = Turns::default();
        let [first, second, third] = [0, 0, 0].map(|rule| turns.next((&project, rule)));
        let elsewhere = turns.next((&project, 1));
        assert!(has_come(&first) && has_come(&elsewhere));
        assert!(!has_come(&second) && !has_come(&third));
        drop(second);
        assert!(!has_come(&third), "the first one is still before it");
        drop(first);
        assert!(has_come(&third));
    }
}
