//! What time does to a request. None of it ever approves.

use super::{ApprovalPolicy, latest_start};
use crate::domain::time::Timestamp;

/// A timer of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// It expires undecided.
    Expire,
    /// Who can sign is told once more.
    Remind,
    /// Somebody else is told that nobody answers.
    Escalate,
    /// The time to start it in is over.
    StartWindow,
}

impl TimerKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Expire, Self::Remind, Self::Escalate, Self::StartWindow];

    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::Remind => "remind",
            Self::Escalate => "escalate",
            Self::StartWindow => "start_window",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// The timers of a request that is made now.
#[must_use]
pub fn timers_of_request(policy: &ApprovalPolicy, now: Timestamp) -> Vec<(TimerKind, Timestamp)> {
    let expires = now + policy.expires.to_delta();
    let mut timers = vec![(TimerKind::Expire, expires)];
    // What would come with the expiry or after it says nothing to anybody.
    let before = |at: Timestamp| Some(at).filter(|at| *at < expires);
    if let Some(at) = policy.remind.and_then(|every| before(now + every.to_delta())) {
        timers.push((TimerKind::Remind, at));
    }
    if let Some(at) = policy.escalate.as_ref().and_then(|e| before(now + e.after.to_delta())) {
        timers.push((TimerKind::Escalate, at));
    }
    timers
}

/// The timer of a request that is approved now.
#[must_use]
pub fn timer_of_approval(
    policy: &ApprovalPolicy,
    now: Timestamp,
    start_at: Option<Timestamp>,
) -> Option<(TimerKind, Timestamp)> {
    // The last moment is still within.
    let over = |within| latest_start(within, now, start_at) + chrono::TimeDelta::seconds(1);
    policy.start_within.map(|within| (TimerKind::StartWindow, over(within)))
}

/// When a reminder is due again: in its own steps from when it was due, but not for times that went by meanwhile.
#[must_use]
pub fn next_reminder(policy: &ApprovalPolicy, due: Timestamp, expires: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let every = policy.remind?.to_delta();
    let mut at = due + every;
    if at <= now {
        at = now + every;
    }
    Some(at).filter(|at| *at < expires)
}
