//! The circuit breaker: stops a rule that fires too often or whose runs fail, calls people once, and lets a single probe
//! through after a while.

use serde::{Deserialize, Serialize};

use super::{Breaker, GuardResult};
use crate::domain::time::Timestamp;

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Actions pass.
    Closed,
    /// Nothing passes.
    Open,
    /// One probe is under way; nothing else passes.
    HalfOpen,
}

/// A breaker's state with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// How a probe went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// There is none, or it has not ended.
    UnderWay,
    /// It succeeded.
    Good,
    /// It failed.
    Bad,
}

/// What happened in the breaker's window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Actions in all.
    pub in_all: u32,
    /// Actions for this event's key.
    pub by_key: u32,
    /// Runs that ended.
    pub ended: u32,
    /// Of those, runs that did not succeed.
    pub failed: u32,
}

/// Runs that must have ended before their failures are a share of anything.
const FEWEST: u32 = 2;

/// What becomes of the breaker, and whether the action passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands from now on.
    pub to: State,
    /// Whether the action passes; as the probe, where `to` is half open.
    pub result: GuardResult,
    /// Whether it has just opened: people are called then, and only then.
    pub opened: bool,
}

/// Decides for one action. `settings` is nothing where only the rate limit may open the breaker.
#[must_use]
pub fn step(settings: Option<&Breaker>, standing: Standing, probe: Probe, counts: &Counts, now: Timestamp) -> Step {
    match standing.state {
        State::Closed => closed(settings, counts),
        State::Open => {
            let cool_down = settings.and_then(|s| s.cool_down);
            match (cool_down, standing.since) {
                (Some(cool_down), Some(since)) if now >= since + cool_down.to_delta() => Step {
                    to: State::HalfOpen,
                    result: GuardResult::new(
                        "breaker",
                        true,
                        "It was open and has cooled down: this is the single probe.",
                    ),
                    opened: false,
                },
                (Some(cool_down), _) => held(State::Open, format!("It is open, and cools down for {cool_down}.")),
                (None, _) => held(State::Open, "It is open until somebody closes it."),
            }
        }
        State::HalfOpen => match probe {
            Probe::UnderWay => held(State::HalfOpen, "It is half open, and its probe has not ended."),
            Probe::Bad => Step { opened: false, ..held(State::Open, "Its probe failed, so it is open again.") },
            Probe::Good => closed(settings, &Counts::default()),
        },
    }
}

/// Opens a breaker because the rate limit was passed.
#[must_use]
pub fn tripped_by_rate(detail: &str) -> Step {
    Step {
        to: State::Open,
        result: GuardResult::new("breaker", false, format!("The rate limit opened it: {detail}")),
        opened: true,
    }
}

fn held(to: State, detail: impl Into<String>) -> Step {
    Step { to, result: GuardResult::new("breaker", false, detail), opened: false }
}

fn closed(settings: Option<&Breaker>, counts: &Counts) -> Step {
    let reason = settings.and_then(|s| why_open(s, counts));
    match reason {
        Some(reason) => Step { opened: true, ..held(State::Open, reason) },
        None => Step { to: State::Closed, result: GuardResult::new("breaker", true, "It is closed."), opened: false },
    }
}

fn why_open(settings: &Breaker, counts: &Counts) -> Option<String> {
    let window = settings.window;
    if let Some(most) = settings.count.filter(|most| counts.in_all >= *most) {
        return Some(format!("{} actions in {window}, of at most {most}, opened it.", counts.in_all));
    }
    if let Some(most) = settings.count_by_key.filter(|most| counts.by_key >= *most) {
        return Some(format!("{} actions for the same key in {window}, of at most {most}, opened it.", counts.by_key));
    }
    let share = settings.failures_percent?;
    let over = u64::from(counts.failed) * 100 >= u64::from(share) * u64::from(counts.ended);
    (counts.ended >= FEWEST && over).then(|| {
        format!("{} of {} runs failed in {window}, at least {share} %: that opened it.", counts.failed, counts.ended)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Seconds;

    fn settings() -> Breaker {
        Breaker {
            count: Some(5),
            count_by_key: Some(3),
            by: None,
            failures_percent: Some(50),
            window: Seconds::new(600),
            cool_down: Some(Seconds::new(60)),
            escalate: None,
            demote: false,
        }
    }

    fn now() -> Timestamp {
        chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn at(state: State) -> Standing {
        Standing { state, since: Some(now()) }
    }

    #[test]
    fn it_opens_once_for_each_reason() {
        let counts = |in_all, by_key, ended, failed| Counts { in_all, by_key, ended, failed };
        for (counts, opens) in [
            (counts(4, 2, 9, 4), false),
            (counts(5, 0, 0, 0), true),
            (counts(0, 3, 0, 0), true),
            (counts(0, 0, 4, 2), true),
            (counts(0, 0, 1, 1), false),
        ] {
            let step = step(Some(&settings()), at(State::Closed), Probe::UnderWay, &counts, now());
            assert_eq!((step.opened, step.result.passed, step.to == State::Open), (opens, !opens, opens), "{counts:?}");
        }
    }

    #[test]
    fn an_open_one_lets_a_single_probe_through_after_its_time() {
        let step = |standing, probe, seconds| {
            step(
                Some(&settings()),
                standing,
                probe,
                &Counts { in_all: 99, ..Counts::default() },
                now() + chrono::TimeDelta::seconds(seconds),
            )
        };
        let early = step(at(State::Open), Probe::UnderWay, 59);
        assert_eq!((early.to, early.result.passed, early.opened), (State::Open, false, false));
        let probe = step(at(State::Open), Probe::UnderWay, 60);
        assert_eq!((probe.to, probe.result.passed), (State::HalfOpen, true));
        assert!(!step(at(State::HalfOpen), Probe::UnderWay, 999).result.passed);
        let bad = step(at(State::HalfOpen), Probe::Bad, 999);
        assert_eq!((bad.to, bad.result.passed, bad.opened), (State::Open, false, false), "people were called already");
        let good = step(at(State::HalfOpen), Probe::Good, 999);
        assert_eq!((good.to, good.result.passed), (State::Closed, true));
    }

    #[test]
    fn without_a_cool_down_somebody_has_to_close_it() {
        let mut settings = settings();
        settings.cool_down = None;
        let later = now() + chrono::TimeDelta::days(300);
        let counts = Counts::default();
        assert!(!step(Some(&settings), at(State::Open), Probe::UnderWay, &counts, later).result.passed);
        assert!(!step(None, at(State::Open), Probe::UnderWay, &counts, later).result.passed);
        let unknown = Standing { state: State::Open, since: None };
        assert!(!step(Some(&self::settings()), unknown, Probe::UnderWay, &counts, later).result.passed);
    }
}
