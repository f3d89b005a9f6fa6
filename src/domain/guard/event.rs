//! The guards that need the event and the time only.

use chrono::{Datelike, TimeDelta, Timelike};
use serde_json::Value;

use super::{Below, ConfidenceFloor, GuardResult, Maintenance};
use crate::domain::criteria::Field;
use crate::domain::time::Timestamp;

/// The most runs that may stand between an event and the world outside.
pub const DEEPEST: u32 = 3;

/// Whether a chain of events and runs ends here.
#[must_use]
pub fn depth(depth: u32) -> GuardResult {
    let detail = match depth {
        0 => "The event came from outside.".to_owned(),
        n if n <= DEEPEST => format!("The event follows from {n} run(s), of at most {DEEPEST}."),
        n => format!("The event follows from a chain of {n} runs; a loop ends after {DEEPEST}."),
    };
    GuardResult::new("loop", depth <= DEEPEST, detail)
}

/// Whether the rule is silent now.
#[must_use]
pub fn maintenance(windows: &[Maintenance], now: Timestamp) -> Option<GuardResult> {
    if windows.is_empty() {
        return None;
    }
    let open = windows.iter().find(|w| covers(w, now));
    Some(match open {
        Some(w) => {
            let from = format!("{:02}:{:02}", w.from_minute / 60, w.from_minute % 60);
            GuardResult::new(
                "maintenance",
                false,
                format!("It is the maintenance window from {from} UTC for {}.", w.lasts),
            )
        }
        None => GuardResult::new("maintenance", true, "It is outside of every maintenance window."),
    })
}

/// Whether a window that began today, or up to a week ago, still lasts.
fn covers(window: &Maintenance, now: Timestamp) -> bool {
    (0..=7).any(|days_ago| {
        let day = now - TimeDelta::days(days_ago);
        if !window.days.is_empty() && !window.days.contains(&day.weekday()) {
            return false;
        }
        let midnight = day - TimeDelta::seconds(i64::from(day.num_seconds_from_midnight()));
        let begin = midnight - TimeDelta::nanoseconds(i64::from(day.nanosecond()))
            + TimeDelta::minutes(i64::from(window.from_minute));
        begin <= now && now < begin + window.lasts.to_delta()
    })
}

/// Whether the event has every strict field.
#[must_use]
pub fn strict(fields: &[String], scope: &Value) -> Option<GuardResult> {
    if fields.is_empty() {
        return None;
    }
    let missing = fields.iter().find(|f| Field::parse(f).and_then(|p| p.find(scope).map(|_| ())).is_none());
    Some(match missing {
        Some(field) => GuardResult::new("strict", false, format!("The event has no `{field}`, which is strict.")),
        None => GuardResult::new("strict", true, "The event has every strict field."),
    })
}

/// What a label's confidence allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sureness {
    /// It is enough, or not asked for.
    Enough,
    /// People are told, and nothing runs.
    NotifyOnly,
    /// It runs only where a signature is asked for.
    IfSigned,
    /// Nothing happens.
    Drop,
}

/// Holds a confidence against its floor. One that is missing, not a number, or outside of 0 to 1 counts as 0.
#[must_use]
pub fn confidence(floor: Option<&ConfidenceFloor>, scope: &Value) -> (Option<GuardResult>, Sureness) {
    let Some(floor) = floor else { return (None, Sureness::Enough) };
    let value = Field::parse(&floor.field).and_then(|f| f.find(scope).cloned());
    let number = value.as_ref().and_then(Value::as_f64).filter(|n| (0.0..=1.0).contains(n));
    if let Some(sure) = number.filter(|n| *n >= floor.at_least) {
        let detail = format!("`{}` is {sure}, at least {}.", floor.field, floor.at_least);
        return (Some(GuardResult::new("confidence", true, detail)), Sureness::Enough);
    }
    let seen = match (&value, number) {
        (_, Some(n)) => format!("is {n}, below {}", floor.at_least),
        (Some(_), None) => "is no number from 0 to 1".to_owned(),
        (None, _) => "is missing".to_owned(),
    };
    let (sureness, then) = match floor.below {
        Below::Notify => (Sureness::NotifyOnly, "people are told and nothing runs"),
        Below::Approval => (Sureness::IfSigned, "it runs only after a signature"),
        Below::Drop => (Sureness::Drop, "nothing happens"),
    };
    (Some(GuardResult::new("confidence", false, format!("`{}` {seen}: {then}.", floor.field))), sureness)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::time::Seconds;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_chain_ends_after_three_runs() {
        assert_eq!([0, 1, 3, 4, u32::MAX].map(|d| depth(d).passed), [true, true, true, false, false]);
    }

    #[test]
    fn a_window_lasts_past_midnight_and_begins_on_its_days() {
        // 2026-11-28 is a Saturday.
        let window =
            Maintenance { days: vec![chrono::Weekday::Sat], from_minute: 22 * 60, lasts: Seconds::new(4 * 3_600) };
        let silent = |text: &str| !maintenance(std::slice::from_ref(&window), at(text)).unwrap().passed;
        assert!(!silent("2026-11-28T21:59:59Z"));
        assert!(silent("2026-11-28T22:00:00Z"));
        assert!(silent("2026-11-29T01:59:59.5Z"));
        assert!(!silent("2026-11-29T02:00:00Z"));
        assert!(!silent("2026-11-29T22:30:00Z"));
        let daily = Maintenance { days: Vec::new(), from_minute: 0, lasts: Seconds::new(60) };
        assert!(!maintenance(&[window, daily], at("2026-12-01T00:00:30Z")).unwrap().passed);
        assert_eq!(maintenance(&[], at("2026-12-01T00:00:30Z")), None);
    }

    #[test]
    fn a_strict_field_that_is_missing_or_null_holds_back() {
        let fields = ["trigger.a".to_owned(), "trigger.b".to_owned()];
        let passed = |scope: Value| strict(&fields, &scope).unwrap().passed;
        assert!(passed(json!({"trigger": {"a": 1, "b": false}})));
        assert!(!passed(json!({"trigger": {"a": 1}})));
        assert!(!passed(json!({"trigger": {"a": 1, "b": null}})));
        assert!(!strict(&["..".to_owned()], &json!({})).unwrap().passed);
    }

    #[test]
    fn a_confidence_that_is_no_confidence_is_none() {
        let floor = ConfidenceFloor {
            field: "trigger.ai_confidence".to_owned(),
            at_least: 0.9,
            below: Below::Notify,
            notify: None,
        };
        let sure = |value: Value| confidence(Some(&floor), &json!({"trigger": {"ai_confidence": value}})).1;
        for good in [json!(0.9), json!(1), json!(0.95)] {
            assert_eq!(sure(good), Sureness::Enough);
        }
        for bad in [json!(0.89), json!(1.7), json!(-1), json!("0.99"), json!(null), json!([1]), json!(true)] {
            assert_eq!(sure(bad.clone()), Sureness::NotifyOnly, "{bad}");
        }
        assert_eq!(confidence(Some(&floor), &json!({})).1, Sureness::NotifyOnly);
        for (below, expected) in [(Below::Approval, Sureness::IfSigned), (Below::Drop, Sureness::Drop)] {
            assert_eq!(confidence(Some(&ConfidenceFloor { below, ..floor.clone() }), &json!({})).1, expected);
        }
        assert_eq!(confidence(None, &json!({})), (None, Sureness::Enough));
    }
}
