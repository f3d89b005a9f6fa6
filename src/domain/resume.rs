//! Where a run stands that another server began: what is over, what may be under way on a node, what comes next.

use std::time::Duration;

use super::ids::Ticket;
use super::run::StepState;
use super::time::{Seconds, Timestamp};

/// What is stored about one try of a step on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Counts the tries of all attempts, from 1.
    pub number: u32,
    /// Where it stood last.
    pub state: StepState,
    /// Names its files on the node.
    pub ticket: Option<Ticket>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Whether the node said that it had begun it.
    pub begun: bool,
}

/// What there is to do about a step on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was begun in this attempt.
    Fresh,
    /// A try, from 0, was sent to the node or about to be.
    UnderWay {
        /// The try within the attempt, from 0.
        one: u32,
        /// Names its files on the node.
        ticket: Ticket,
        /// When it was about to be sent.
        since: Option<Timestamp>,
        /// Whether the node said that it had begun it.
        begun: bool,
    },
    /// This try, from 0, comes next.
    Again(u32),
    /// It ended so.
    Over(StepState),
}

/// Whether what ended so may be tried again without anybody's word: only what is known to have failed, or what its author
/// calls idempotent.
#[must_use]
pub fn may_try_again(state: StepState, idempotent: bool) -> bool {
    state == StepState::Failed || (state == StepState::Unknown && idempotent)
}

/// The number of a try in the count over all attempts.
#[must_use]
pub fn number(attempt: u32, tries: u32, one: u32) -> u32 {
    (attempt.max(1) - 1) * tries + one + 1
}

/// How far the clocks of servers are apart where they are set well.
const APART: Seconds = Seconds::new(5);

/// How long ago something was sent that another server sent then, by its clock; `None` where that is not known, as it would
/// be in the future.
#[must_use]
pub fn sent_ago(since: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let ago = now - since?;
    (ago >= -APART.to_delta()).then(|| ago.to_std().unwrap_or_default())
}

/// Reads from what is stored how one step on one node stands in an attempt, each of which has so many tries.
#[must_use]
pub fn standing(traces: &[Trace], attempt: u32, tries: u32, idempotent: bool) -> Standing {
    let first = number(attempt, tries, 0);
    let of_attempt = traces.iter().filter(|t| t.number >= first && t.number < first + tries);
    let Some(last) = of_attempt.max_by_key(|t| t.number) else { return Standing::Fresh };
    let one = last.number - first;
    match (last.state, &last.ticket) {
        (StepState::Running, Some(ticket)) => {
            Standing::UnderWay { one, ticket: ticket.clone(), since: last.started_at, begun: last.begun }
        }
        // Without a ticket nothing was sent.
        (StepState::Running | StepState::Waiting, _) => Standing::Again(one),
        (state, _) if may_try_again(state, idempotent) && one + 1 < tries => Standing::Again(one + 1),
        (state, _) => Standing::Over(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u32, state: StepState) -> Trace {
        Trace {
            number,
            state,
            ticket: Ticket::parse(&format!("{number:032x}")).ok(),
            started_at: None,
            begun: number == 3,
        }
    }

    #[test]
    fn what_was_sent_in_the_future_was_sent_nobody_knows_when() {
        let at = |second: i64| Timestamp::from_timestamp(1_700_000_000 + second, 0).unwrap();
        let ago = |since, now| sent_ago(Some(at(since)), at(now));
        assert_eq!(ago(0, 90), Some(Duration::from_secs(90)));
        assert_eq!((ago(5, 0), ago(6, 0), sent_ago(None, at(0))), (Some(Duration::ZERO), None, None));
    }

    #[test]
    fn each_step_goes_on_where_it_stood() {
        use StepState::{Failed, Running, Skipped, Succeeded, Unknown};
        let stands = |traces: &[(u32, StepState)], attempt, idempotent| {
            let traces: Vec<Trace> = traces.iter().map(|(n, s)| trace(*n, *s)).collect();
            standing(&traces, attempt, 2, idempotent)
        };
        let under_way = |one, number: u32| Standing::UnderWay {
            one,
            ticket: Ticket::parse(&format!("{number:032x}")).unwrap(),
            since: None,
            begun: number == 3,
        };
        assert_eq!(stands(&[], 1, false), Standing::Fresh);
        assert_eq!(stands(&[(1, Running)], 1, false), under_way(0, 1));
        assert_eq!(stands(&[(1, Failed)], 1, false), Standing::Again(1));
        assert_eq!(stands(&[(1, Failed), (2, Running)], 1, false), under_way(1, 2));
        assert_eq!(stands(&[(2, Failed), (1, Failed)], 1, false), Standing::Over(Failed));
        assert_eq!(stands(&[(1, Failed), (2, Failed)], 2, false), Standing::Fresh);
        assert_eq!(stands(&[(1, Failed), (2, Failed), (3, Running)], 2, false), under_way(0, 3));
        assert_eq!(stands(&[(1, Unknown)], 1, false), Standing::Over(Unknown));
        assert_eq!(stands(&[(1, Unknown)], 1, true), Standing::Again(1));
        assert_eq!(stands(&[(1, Succeeded)], 1, true), Standing::Over(Succeeded));
        assert_eq!(stands(&[(1, Skipped)], 1, true), Standing::Over(Skipped));
        let unsent = Trace { ticket: None, ..trace(1, Running) };
        assert_eq!(standing(&[unsent], 1, 2, false), Standing::Again(0));
    }
}
