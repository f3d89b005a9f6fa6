//! Cron patterns: when the next moment comes, across the hours that a clock change leaves out or repeats.
//!
//! A pattern with a fixed hour and minute that falls into a left-out hour comes at the first moment after it, and in a
//! repeated hour it comes once, the first time. A pattern with `*` or steps in hour or minute follows the wall clock: it
//! leaves out what does not exist and comes in both passes of a repeated hour.

use std::fmt;
use std::sync::Arc;

use croner::parser::{CronParser, Seconds, Year};
use serde::Serialize;

use super::time::Timestamp;
use super::zone::Zone;

/// A cron pattern of five fields, read once.
#[derive(Clone)]
pub struct Cron {
    pattern: String,
    read: Arc<croner::Cron>,
}

/// A text that is no cron pattern: what is wrong with it, as a part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCron(String);

impl Cron {
    /// Reads minute, hour, day of the month, month and day of the week.
    ///
    /// # Errors
    /// [`BadCron`].
    pub fn parse(text: &str) -> Result<Self, BadCron> {
        let pattern = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let fields = pattern.split(' ').count();
        if fields != 5 {
            return Err(BadCron(format!("it has {fields} fields instead of five")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let read = parser.parse(&pattern).map_err(|e| BadCron(told(&e.to_string())))?;
        Ok(Self { pattern, read: Arc::new(read) })
    }

    /// The pattern, with one space between its fields.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The first moment after this one; `None` where the pattern never comes again (30 February).
    #[must_use]
    pub fn next_after(&self, zone: Zone, after: Timestamp) -> Option<Timestamp> {
        self.read.find_next_occurrence(&zone.clock(after), false).ok().map(|at| at.to_utc())
    }

    /// The last moment before this one, or at it.
    #[must_use]
    pub fn last_until(&self, zone: Zone, until: Timestamp) -> Option<Timestamp> {
        self.read.find_previous_occurrence(&zone.clock(until), true).ok().map(|at| at.to_utc())
    }

    /// The last moment before this one.
    #[must_use]
    pub fn last_before(&self, zone: Zone, before: Timestamp) -> Option<Timestamp> {
        self.read.find_previous_occurrence(&zone.clock(before), false).ok().map(|at| at.to_utc())
    }
}

/// What the parser says, as a part of a sentence.
fn told(text: &str) -> String {
    let text = text.rsplit(": ").next().unwrap_or(text);
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.pattern)
    }
}

impl Serialize for Cron {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(pattern: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
        let (cron, zone) = (Cron::parse(pattern).unwrap(), Zone::parse(zone_name).unwrap());
        let mut at: Timestamp = after.parse().unwrap();
        let mut out = Vec::new();
        for _ in 0..count {
            at = cron.next_after(zone, at).unwrap();
            out.push(at.format("%m-%dT%H:%MZ").to_string());
        }
        out
    }

    #[test]
    fn a_pattern_follows_the_wall_clock_of_its_zone() {
        // Berlin is one hour before UTC in winter, two in summer.
        assert_eq!(times("30 7 * * *", "Europe/Berlin", "2026-01-10T00:00:00Z", 1), ["01-10T06:30Z"]);
        assert_eq!(times("30 7 * * *", "Europe/Berlin", "2026-07-10T00:00:00Z", 1), ["07-10T05:30Z"]);
        assert_eq!(times("*/15 9-10 * * mon", "UTC", "2026-11-25T00:00:00Z", 2), ["11-30T09:00Z", "11-30T09:15Z"]);
    }

    #[test]
    fn what_falls_into_an_hour_that_is_left_out_comes_right_after_it() {
        // On 2026-03-29 Berlin goes from 02:00 to 03:00, which is 01:00 UTC.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["03-28T01:30Z", "03-29T01:00Z", "03-30T00:30Z"]
        );
        // Steps leave the hour out.
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
            ["03-29T00:30Z", "03-29T01:00Z", "03-29T01:30Z"]
        );
    }

    #[test]
    fn what_falls_into_an_hour_that_comes_twice_comes_once() {
        // On 2026-10-25 Berlin goes from 03:00 back to 02:00, which is 01:00 UTC.
        assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), ["10-25T00:30Z", "10-26T01:30Z"]);
        // Steps come in both passes.
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 4),
            ["10-25T00:00Z", "10-25T00:30Z", "10-25T01:00Z", "10-25T01:30Z"]
        );
    }

    #[test]
    fn the_last_one_is_found_backwards() {
        let cron = Cron::parse("0 6 * * *").unwrap();
        let six: Timestamp = "2026-11-25T06:00:00Z".parse().unwrap();
        assert_eq!(cron.last_until(Zone::UTC, six), Some(six));
        assert_eq!(cron.last_before(Zone::UTC, six), Some("2026-11-24T06:00:00Z".parse().unwrap()));
    }

    #[test]
    fn what_is_no_pattern_is_said_so() {
        for good in ["0 18 * * fri", "*/5 0-6 1,15 * *", "0 0 L * *"] {
            assert!(Cron::parse(good).is_ok(), "{good}");
        }
        for wrong in ["", "* * * *", "* * * * * *", "61 * * * *", "@daily", "a b c d e"] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
        let never = Cron::parse("0 0 30 2 *").unwrap();
        assert_eq!(never.next_after(Zone::UTC, "2026-01-01T00:00:00Z".parse().unwrap()), None);
    }
}
