//! When a freeze is on: once, on days of the week, or by a cron expression.

use chrono::{Datelike, Days, NaiveTime, Weekday};
use serde::Serialize;

use crate::domain::cron::Cron;
use crate::domain::time::{Seconds, Timestamp};
use crate::domain::words::words;
use crate::domain::zone::Zone;

/// The longest that one turn of a repeated freeze may last.
pub const LONGEST: Seconds = Seconds::new(31 * 86_400);
/// Turns that follow each other without a break and are told as one. With more, the end that is told is not the last one.
const IN_A_ROW: usize = 400;

words! {
    /// A day of the week.
    Day {
        /// Monday.
        Mon => "mon",
        /// Tuesday.
        Tue => "tue",
        /// Wednesday.
        Wed => "wed",
        /// Thursday.
        Thu => "thu",
        /// Friday.
        Fri => "fri",
        /// Saturday.
        Sat => "sat",
        /// Sunday.
        Sun => "sun",
    }
}

impl Day {
    const fn of(day: Weekday) -> Self {
        match day {
            Weekday::Mon => Self::Mon,
            Weekday::Tue => Self::Tue,
            Weekday::Wed => Self::Wed,
            Weekday::Thu => Self::Thu,
            Weekday::Fri => Self::Fri,
            Weekday::Sat => Self::Sat,
            Weekday::Sun => Self::Sun,
        }
    }
}

/// When a freeze is on. The start is within, the end is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Window {
    /// Once.
    Once {
        /// When it begins.
        from: Timestamp,
        /// When it is over.
        until: Timestamp,
    },
    /// Every week.
    Weekly {
        /// On these days.
        days: Vec<Day>,
        /// From this time on the zone's clock; where the clock leaves it out, from the end of the gap; where the clock
        /// shows it twice, from the first.
        from: NaiveTime,
        /// For so long, in time that passes.
        lasts: Seconds,
    },
    /// Whenever a cron expression says so on the zone's clock.
    Cron {
        /// The expression.
        expression: Cron,
        /// For so long, in time that passes.
        lasts: Seconds,
    },
}

impl Window {
    /// Where it is on, until when: the end of what follows without a break.
    #[must_use]
    pub fn on_until(&self, zone: Zone, at: Timestamp) -> Option<Timestamp> {
        let lasts = match self {
            Self::Once { from, until } => return Some(*until).filter(|_| *from <= at && at < *until),
            Self::Weekly { lasts, .. } | Self::Cron { lasts, .. } => lasts.to_delta(),
        };
        let mut begun = self.begun(zone, at).filter(|begun| at < *begun + lasts)?;
        for _ in 0..IN_A_ROW {
            match self.next(zone, begun) {
                Some(next) if next <= begun + lasts => begun = next,
                _ => break,
            }
        }
        Some(begun + lasts)
    }

    /// When it last began, at this instant or before.
    fn begun(&self, zone: Zone, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, .. } => Some(*from).filter(|from| *from <= at),
            Self::Cron { expression, .. } => expression.last_until(zone, at),
            Self::Weekly { days, from, .. } => {
                // A day later: the clock may have left out a day.
                let latest = zone.clock(at).date_naive() + Days::new(1);
                let back = (0..=9).map(|back| latest - Days::new(back));
                let on = back.filter(|date| days.contains(&Day::of(date.weekday())));
                on.map(|date| zone.first(date.and_time(*from))).find(|begun| *begun <= at)
            }
        }
    }

    /// When it next begins after an instant.
    fn next(&self, zone: Zone, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, .. } => Some(*from).filter(|from| *from > after),
            Self::Cron { expression, .. } => expression.next_after(zone, after),
            Self::Weekly { days, from, .. } => {
                let earliest = zone.clock(after).date_naive() - Days::new(1);
                let ahead = (0..=9).map(|ahead| earliest + Days::new(ahead));
                let on = ahead.filter(|date| days.contains(&Day::of(date.weekday())));
                on.map(|date| zone.first(date.and_time(*from))).find(|begins| *begins > after)
            }
        }
    }
}
