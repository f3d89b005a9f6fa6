//! Time zones, from the database that is built in: a server without one of its own reads the same clock.

use std::fmt;

use chrono::{LocalResult, NaiveDateTime, TimeDelta, TimeZone};
use serde::{Deserialize, Serialize};

use super::ids::BadId;
use super::time::Timestamp;

/// A time zone of the IANA database: `Europe/Berlin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(chrono_tz::Tz);

/// The longest gap that any zone's clock ever had: Samoa left out the 30th of December 2011.
const LONGEST_GAP_MINUTES: i64 = 26 * 60;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(chrono_tz::Tz::UTC);

    /// Reads a name as it stands in the IANA database.
    ///
    /// # Errors
    /// [`BadId`] for a name that is not there.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let rule = "write a name of the IANA database, such as `Europe/Berlin`, `America/New_York` or `UTC`";
        text.parse().map(Self).map_err(|_| BadId { what: "time zone", given: text.chars().take(80).collect(), rule })
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The instant on this zone's clock.
    #[must_use]
    pub fn clock(self, at: Timestamp) -> chrono::DateTime<chrono_tz::Tz> {
        at.with_timezone(&self.0)
    }

    /// The first instant at which the clock shows this or, where the clock leaves it out, anything later.
    #[must_use]
    pub fn first(self, local: NaiveDateTime) -> Timestamp {
        self.instant(local, false)
    }

    /// As [`Zone::first`], but the second of the two instants at which the clock shows it when it was put back.
    #[must_use]
    pub fn last(self, local: NaiveDateTime) -> Timestamp {
        self.instant(local, true)
    }

    fn instant(self, local: NaiveDateTime, second: bool) -> Timestamp {
        for minutes in 0..=LONGEST_GAP_MINUTES {
            match self.0.from_local_datetime(&(local + TimeDelta::minutes(minutes))) {
                LocalResult::Single(at) => return at.to_utc(),
                LocalResult::Ambiguous(first, last) => return if second { last } else { first }.to_utc(),
                LocalResult::None => {}
            }
        }
        local.and_utc()
    }

    /// The instant as people in the zone write it: `2027-01-04 00:00 Europe/Berlin`.
    #[must_use]
    pub fn words(self, at: Timestamp) -> String {
        format!("{} {}", self.clock(at).format("%Y-%m-%d %H:%M"), self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn utc(text: &str) -> Timestamp {
        local(text).and_utc()
    }

    #[test]
    fn what_the_clock_leaves_out_is_the_end_of_the_gap() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(berlin.first(local("2027-03-28 02:30")), utc("2027-03-28 01:00"));
        assert_eq!(berlin.last(local("2027-03-28 02:30")), utc("2027-03-28 01:00"));
        let apia = Zone::parse("Pacific/Apia").unwrap();
        assert_eq!(apia.first(local("2011-12-30 12:00")), apia.first(local("2011-12-31 00:00")));
    }

    #[test]
    fn what_the_clock_shows_twice_has_a_first_and_a_last_time() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(berlin.first(local("2027-10-31 02:30")), utc("2027-10-31 00:30"));
        assert_eq!(berlin.last(local("2027-10-31 02:30")), utc("2027-10-31 01:30"));
        assert_eq!(berlin.words(utc("2027-10-31 01:30")), "2027-10-31 02:30 Europe/Berlin");
    }

    #[test]
    fn unknown_names_are_refused() {
        for text in ["", "Berlin", "europe/berlin", "CEST", "+02:00"] {
            assert!(Zone::parse(text).is_err(), "{text}");
        }
    }
}
