//! From dry run to live: what must be true of a rule's record before two people can make it live.

use serde::Serialize;

use crate::domain::access::Principal;
use crate::domain::time::Timestamp;

/// Days in dry run that are enough.
pub const DAYS: i64 = 14;
/// Events in dry run that are enough, in place of days.
pub const EVENTS: i64 = 100;

/// What is known of a rule's dry run, of the text that it has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Since when it has this text.
    pub since: Timestamp,
    /// Events that were held against it.
    pub events: i64,
    /// What it would have done.
    pub would: i64,
    /// How much of that somebody found right.
    pub right: i64,
    /// How much of that somebody found wrong.
    pub wrong: i64,
    /// Who saved this text.
    pub author: String,
    /// Who asked for the promotion.
    pub asked_by: Option<Principal>,
}

/// A condition and whether it is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ticked {
    /// A short name.
    pub condition: &'static str,
    /// Whether it is met.
    pub met: bool,
    /// Where it stands, in a sentence.
    pub detail: String,
}

/// The conditions on the record. All of them must be met before anybody can ask for the promotion.
#[must_use]
pub fn conditions(trial: &Trial, now: Timestamp) -> Vec<Ticked> {
    let days = (now - trial.since).num_days();
    let unmarked = trial.would - trial.right - trial.wrong;
    vec![
        Ticked {
            condition: "tried",
            met: days >= DAYS || trial.events >= EVENTS,
            detail: format!("{days} of {DAYS} days in dry run, or {} of {EVENTS} events.", trial.events),
        },
        Ticked {
            condition: "marked",
            met: trial.right > 0 && unmarked == 0,
            detail: format!(
                "{} of {} would-have-done looked at, at least one.",
                trial.right + trial.wrong,
                trial.would
            ),
        },
        Ticked {
            condition: "right",
            met: trial.wrong == 0 && trial.right > 0,
            detail: format!("{} marked wrong.", trial.wrong),
        },
    ]
}

/// Why somebody may not confirm the promotion; nothing where they may.
#[must_use]
pub fn why_not_confirm(trial: &Trial, confirms: &Principal, now: Timestamp) -> Option<String> {
    if let Some(unmet) = conditions(trial, now).into_iter().find(|c| !c.met) {
        return Some(format!("The dry run is not over: {}", unmet.detail));
    }
    match &trial.asked_by {
        None => Some("Nobody has asked for the promotion yet.".to_owned()),
        Some(asked) if asked == confirms => {
            Some("You asked for this promotion, so somebody else has to confirm it.".to_owned())
        }
        Some(_) if trial.author == confirms.to_string() => {
            Some("You wrote this text of the rule, so somebody else has to confirm it.".to_owned())
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn user(name: &str) -> Principal {
        Principal::parse(&format!("user:{name}")).unwrap()
    }

    fn trial() -> Trial {
        Trial {
            since: now() - chrono::TimeDelta::days(14),
            events: 3,
            would: 2,
            right: 2,
            wrong: 0,
            author: "user:ann".to_owned(),
            asked_by: Some(user("bob")),
        }
    }

    #[test]
    fn every_condition_counts() {
        let good = trial();
        assert_eq!(why_not_confirm(&good, &user("cleo"), now()), None);
        for bad in [
            Trial { since: now() - chrono::TimeDelta::hours(14 * 24 - 1), ..good.clone() },
            Trial { right: 1, ..good.clone() },
            Trial { right: 1, wrong: 1, ..good.clone() },
            Trial { would: 0, right: 0, ..good.clone() },
            Trial { asked_by: None, ..good.clone() },
        ] {
            assert!(why_not_confirm(&bad, &user("cleo"), now()).is_some(), "{bad:?}");
        }
        let many = Trial { since: now(), events: 100, ..good.clone() };
        assert_eq!(why_not_confirm(&many, &user("cleo"), now()), None);
        assert!(why_not_confirm(&good, &user("bob"), now()).is_some(), "who asked");
        assert!(why_not_confirm(&good, &user("ann"), now()).is_some(), "who wrote it");
    }
}
