//! Timers: which moments are due, and what becomes of those that were missed.

use serde_json::{Map, Value, json};

use crate::domain::cron::Cron;
use crate::domain::time::{Seconds, Timestamp};
use crate::domain::zone::Zone;

/// How late a firing may be and still count as in time.
pub const LATE: Seconds = Seconds::new(60);
/// The most missed firings that are made up for.
pub const MOST_MISSED: usize = 100;

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// When it fires.
    pub schedule: Schedule,
    /// What becomes of firings that nobody was there for.
    pub missed: Missed,
}

/// When a timer fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// By a cron pattern in a time zone.
    Cron(Cron, Zone),
    /// Over and over, so long after the last time.
    Every(Seconds),
    /// Once.
    At(Timestamp),
}

/// What becomes of firings that are more than [`LATE`] late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last of them makes one event.
    One,
    /// Each makes an event, the last [`MOST_MISSED`] at most.
    All,
}

impl Missed {
    /// The words, with what they mean.
    pub const WORDS: [(&'static str, Self); 3] = [("skip", Self::Skip), ("one", Self::One), ("all", Self::All)];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::One => "one",
            Self::All => "all",
        }
    }
}

impl Schedule {
    /// As the canonical form has it.
    #[must_use]
    pub fn settings(&self) -> Value {
        match self {
            Self::Cron(cron, zone) => json!({ "cron": cron.pattern(), "time_zone": zone.name() }),
            Self::Every(every) => json!({ "every": every }),
            Self::At(at) => json!({ "at": at.to_rfc3339() }),
        }
    }

    /// When a timer that is new at this moment fires first.
    #[must_use]
    pub fn first(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(*at),
            Self::Cron(..) | Self::Every(_) => self.after(now, now),
        }
    }

    /// The first moment after `now`, counted on from `from`, which is one of its moments.
    fn after(&self, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => cron.next_after(*zone, now),
            Self::Every(every) => {
                let step = i64::try_from(every.get().max(1)).unwrap_or(i64::MAX);
                let passed = (now - from).num_seconds().max(0) / step;
                from.checked_add_signed(chrono::TimeDelta::try_seconds((passed + 1).checked_mul(step)?)?)
            }
            Self::At(_) => None,
        }
    }

    /// Its moments from `from`, which is one of them, until `now`: the latest ones, in the order of time.
    fn latest(&self, from: Timestamp, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found = Vec::new();
        match self {
            Self::Cron(cron, zone) => {
                let mut at = cron.last_until(*zone, now);
                while let Some(moment) = at.filter(|at| *at > from && found.len() < most) {
                    found.push(moment);
                    at = cron.last_before(*zone, moment);
                }
                if found.len() < most {
                    found.push(from);
                }
            }
            Self::Every(every) => {
                let step = i64::try_from(every.get().max(1)).unwrap_or(i64::MAX);
                let last = (now - from).num_seconds().max(0) / step;
                let count = i64::try_from(most).unwrap_or(i64::MAX).min(last.saturating_add(1));
                found.extend((0..count).map(|back| from + chrono::TimeDelta::seconds((last - back) * step)));
            }
            Self::At(_) => found.push(from),
        }
        found.reverse();
        found
    }
}

/// What is to be done about a timer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The moments that make events, in their order.
    pub fires: Vec<Timestamp>,
    /// The next moment; `None` when there is no other one.
    pub next: Option<Timestamp>,
}

impl Timer {
    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        let mut settings = self.schedule.settings();
        if let Some(fields) = settings.as_object_mut() {
            fields.insert("missed".to_owned(), json!(self.missed.as_str()));
        }
        settings
    }

    /// What a timer whose next moment is `next` does now. `None` before that moment.
    #[must_use]
    pub fn due(&self, next: Timestamp, now: Timestamp) -> Option<Due> {
        if now < next {
            return None;
        }
        let mut fires = self.schedule.latest(next, now, MOST_MISSED);
        let in_time = |at: &Timestamp| now - *at <= LATE.to_delta();
        match self.missed {
            Missed::Skip => fires.retain(in_time),
            Missed::One => {
                let last_late = fires.iter().rposition(|at| !in_time(at));
                // What is in time shows already that the timer is back.
                let keep = last_late.map_or(0, |at| if at + 1 < fires.len() { at + 1 } else { at });
                fires.drain(..keep);
            }
            Missed::All => {}
        }
        Some(Due { fires, next: self.schedule.after(next, now) })
    }
}

/// What an event of a timer says.
#[must_use]
pub fn payload(name: &str, scheduled_at: Timestamp, fired_at: Timestamp) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(name));
    fields.insert("scheduled_at".to_owned(), json!(moment(scheduled_at)));
    fields.insert("fired_at".to_owned(), json!(moment(fired_at)));
    Value::Object(fields)
}

/// What makes a second firing of the same moment the same event.
#[must_use]
pub fn delivery_key(scheduled_at: Timestamp) -> String {
    moment(scheduled_at)
}

fn moment(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-25T{text}Z").parse().unwrap()
    }

    fn hourly(missed: Missed) -> Timer {
        Timer { schedule: Schedule::Cron(Cron::parse("0 * * * *").unwrap(), Zone::UTC), missed }
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        assert_eq!(hourly(Missed::All).due(at("10:00:00"), at("09:59:59")), None);
    }

    #[test]
    fn one_that_is_in_time_fires_whatever_becomes_of_the_missed() {
        for missed in [Missed::Skip, Missed::One, Missed::All] {
            let due = hourly(missed).due(at("10:00:00"), at("10:00:30")).unwrap();
            assert_eq!(due, Due { fires: vec![at("10:00:00")], next: Some(at("11:00:00")) });
        }
    }

    #[test]
    fn missed_firings_go_as_the_author_says() {
        let after = |missed| hourly(missed).due(at("10:00:00"), at("13:30:00")).unwrap();
        assert!(after(Missed::Skip).fires.is_empty());
        assert_eq!(after(Missed::One).fires, [at("13:00:00")]);
        assert_eq!(after(Missed::All).fires, [at("10:00:00"), at("11:00:00"), at("12:00:00"), at("13:00:00")]);
        for missed in [Missed::Skip, Missed::One, Missed::All] {
            assert_eq!(after(missed).next, Some(at("14:00:00")));
        }
        // With one that is in time there is nothing to make up for.
        assert_eq!(hourly(Missed::One).due(at("10:00:00"), at("13:00:05")).unwrap().fires, [at("13:00:00")]);
    }

    #[test]
    fn a_long_absence_is_bounded() {
        let minutes = Cron::parse("* * * * *").unwrap();
        for schedule in [Schedule::Cron(minutes, Zone::UTC), Schedule::Every(Seconds::new(60))] {
            let timer = Timer { schedule, missed: Missed::All };
            let due = timer.due("2025-11-25T00:00:00Z".parse().unwrap(), at("13:30:00")).unwrap();
            assert_eq!(due.fires.len(), MOST_MISSED);
            assert_eq!(due.fires.last(), Some(&at("13:30:00")));
            assert_eq!(due.next, Some(at("13:31:00")));
            assert!(due.fires.is_sorted());
        }
    }

    #[test]
    fn an_interval_keeps_its_step() {
        let timer = Timer { schedule: Schedule::Every(Seconds::new(900)), missed: Missed::One };
        assert_eq!(timer.schedule.first(at("10:00:07")), Some(at("10:15:07")));
        let due = timer.due(at("10:15:07"), at("10:15:09")).unwrap();
        assert_eq!(due, Due { fires: vec![at("10:15:07")], next: Some(at("10:30:07")) });
        assert_eq!(timer.due(at("10:15:07"), at("11:20:00")).unwrap().next, Some(at("11:30:07")));
    }

    #[test]
    fn a_date_fires_once() {
        let timer = Timer { schedule: Schedule::At(at("10:00:00")), missed: Missed::One };
        assert_eq!(timer.schedule.first(at("12:00:00")), Some(at("10:00:00")));
        assert_eq!(timer.due(at("10:00:00"), at("12:00:00")).unwrap(), Due { fires: vec![at("10:00:00")], next: None });
        let skips = Timer { missed: Missed::Skip, ..timer };
        assert_eq!(skips.due(at("10:00:00"), at("12:00:00")).unwrap(), Due { fires: vec![], next: None });
    }
}
