//! The guards that need the event and the time only.

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
    let open = windows.iter().find_map(|w| Some((w, w.on_until(now)?)));
    Some(match open {
        Some((w, until)) => {
            let (from, until) = (w.from_words(), w.time_zone.words(until));
            let detail = format!("It is the maintenance window from {from} for {}, until {until}.", w.lasts);
            GuardResult::new("maintenance", false, detail)
        }
        None => GuardResult::new("maintenance", true, "It is outside of every maintenance window."),
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
    use crate::domain::change_freeze::Day;
    use crate::domain::time::Seconds;
    use crate::domain::zone::Zone;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(days: &[Day], from_minute: u32, lasts: u64, zone: &str) -> Maintenance {
        let time_zone = Zone::parse(zone).unwrap();
        Maintenance { days: days.to_vec(), from_minute, lasts: Seconds::new(lasts), time_zone }
    }

    #[test]
    fn a_chain_ends_after_three_runs() {
        assert_eq!([0, 1, 3, 4, u32::MAX].map(|d| depth(d).passed), [true, true, true, false, false]);
    }

    #[test]
    fn a_window_lasts_past_midnight_and_begins_on_its_days() {
        // 2026-11-28 is a Saturday.
        let window = window(&[Day::Sat], 22 * 60, 4 * 3_600, "UTC");
        let silent = |text: &str| !maintenance(std::slice::from_ref(&window), at(text)).unwrap().passed;
        assert!(!silent("2026-11-28T21:59:59Z"));
        assert!(silent("2026-11-28T22:00:00Z"));
        assert!(silent("2026-11-29T01:59:59.5Z"));
        assert!(!silent("2026-11-29T02:00:00Z"));
        assert!(!silent("2026-11-29T22:30:00Z"));
        let daily = self::window(&[], 0, 60, "UTC");
        assert!(!maintenance(&[window, daily], at("2026-12-01T00:00:30Z")).unwrap().passed);
        assert_eq!(maintenance(&[], at("2026-12-01T00:00:30Z")), None);
    }

    #[test]
    fn a_window_follows_the_clock_of_its_zone_over_both_changes() {
        let silent =
            |window: &Maintenance, text: &str| !maintenance(std::slice::from_ref(window), at(text)).unwrap().passed;
        let night = window(&[Day::Sun], 30, 4 * 3_600, "Europe/Berlin");
        for (begins, ends) in [
            // Winter; the night that is an hour short; summer; the night that is an hour longer: four hours pass in each.
            ("2027-01-09T23:30:00Z", "2027-01-10T03:30:00Z"),
            ("2027-03-27T23:30:00Z", "2027-03-28T03:30:00Z"),
            ("2027-07-03T22:30:00Z", "2027-07-04T02:30:00Z"),
            ("2027-10-30T22:30:00Z", "2027-10-31T02:30:00Z"),
        ] {
            let second = chrono::TimeDelta::seconds(1);
            assert!(silent(&night, begins) && silent(&night, &(at(ends) - second).to_rfc3339()), "{begins}");
            assert!(!silent(&night, ends) && !silent(&night, &(at(begins) - second).to_rfc3339()), "{begins}");
        }
        // A beginning that the clock leaves out, and one that it shows twice.
        let half_past_two = window(&[], 2 * 60 + 30, 1_800, "Europe/Berlin");
        assert!(!silent(&half_past_two, "2027-03-28T00:59:59Z") && silent(&half_past_two, "2027-03-28T01:00:00Z"));
        assert!(silent(&half_past_two, "2027-10-31T00:30:00Z") && !silent(&half_past_two, "2027-10-31T01:30:00Z"));
        let told = maintenance(&[night], at("2027-07-03T23:00:00Z")).unwrap().detail;
        let expected =
            "It is the maintenance window from 00:30 Europe/Berlin for 4h, until 2027-07-04 04:30 Europe/Berlin.";
        assert_eq!(told, expected);
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
