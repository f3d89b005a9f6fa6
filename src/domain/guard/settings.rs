//! What a rule's `guard:` says.

use chrono::NaiveTime;

use crate::domain::change_freeze::{Day, Window};
use crate::domain::expression::Text;
use crate::domain::ids::Environment;
use crate::domain::notice::Audience;
use crate::domain::time::{Seconds, Timestamp};
use crate::domain::zone::Zone;

/// Everything that may hold a rule back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guards {
    /// The environments whose nodes it may reach; empty leaves that to the project.
    pub environments: Vec<Environment>,
    /// How sure a label must be.
    pub confidence: Option<ConfidenceFloor>,
    /// Fields that a criterion must test and an event must have.
    pub strict: Vec<String>,
    /// One action for the same thing in a time.
    pub dedupe: Option<Dedupe>,
    /// So many actions in a time.
    pub rate: Option<Rate>,
    /// Stops the rule when too much happens or goes wrong.
    pub breaker: Option<Breaker>,
    /// When it stays silent.
    pub maintenance: Vec<Maintenance>,
    /// How many nodes it may touch in a time.
    pub blast_radius: Option<BlastRadius>,
}

/// The least confidence that a label needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidenceFloor {
    /// The field with the confidence, a number from 0 to 1, as a path from `trigger`.
    pub field: String,
    /// The floor.
    pub at_least: f64,
    /// What happens below it.
    pub below: Below,
    /// The channel that is told below it; whoever the project names for its rules without one.
    pub notify: Option<String>,
}

/// What happens to an event whose label is not sure enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// People are told, and nothing runs.
    Notify,
    /// The run waits for a signature.
    Approval,
    /// Nothing happens.
    Drop,
}

impl Below {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Approval => "approval",
            Self::Drop => "drop",
        }
    }
}

/// One action for each key in a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Dedupe {
    /// What makes two events the same.
    pub key: Text,
    /// How long the first one counts.
    pub window: Seconds,
}

/// At most so many actions in a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// How many.
    pub limit: u32,
    /// In how long.
    pub window: Seconds,
    /// For each of these by itself; in all without it.
    pub key: Option<Text>,
    /// Whether going over it opens the breaker and calls people, or only this event is held.
    pub opens_breaker: bool,
}

/// Stops a rule that fires too often or whose runs fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Breaker {
    /// So many actions in the window open it.
    pub count: Option<u32>,
    /// So many actions for one key in the window open it.
    pub count_by_key: Option<u32>,
    /// What the key is.
    pub by: Option<Text>,
    /// So many percent of failed runs in the window open it.
    pub failures_percent: Option<u32>,
    /// The window.
    pub window: Seconds,
    /// How long it stays open before a single probe; `None` until somebody closes it.
    pub cool_down: Option<Seconds>,
    /// The channel, or the role of the project, that is told once when it opens.
    pub escalate: Option<Audience>,
    /// Whether the rule goes back to dry run when it opens.
    pub demote: bool,
}

/// A time of silence: on these days, from a time on a zone's clock on, for so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// The days on which it begins; every day when empty.
    pub days: Vec<Day>,
    /// The minute of the day that it begins at; where the clock leaves it out, the end of the gap; where the clock shows it
    /// twice, the first one.
    pub from_minute: u32,
    /// How long it lasts, in time that passes.
    pub lasts: Seconds,
    /// The clock that people there look at.
    pub time_zone: Zone,
}

impl Maintenance {
    /// Where it is on, until when: the end of what follows without a break.
    #[must_use]
    pub fn on_until(&self, at: Timestamp) -> Option<Timestamp> {
        let days = if self.days.is_empty() { Day::ALL.to_vec() } else { self.days.clone() };
        let from = NaiveTime::from_num_seconds_from_midnight_opt(self.from_minute * 60, 0)?;
        Window::Weekly { days, from, lasts: self.lasts }.on_until(self.time_zone, at)
    }

    /// When it begins, as its author wrote it: `22:00 Europe/Berlin`.
    #[must_use]
    pub fn from_words(&self) -> String {
        format!("{:02}:{:02} {}", self.from_minute / 60, self.from_minute % 60, self.time_zone)
    }
}

/// At most so many nodes in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlastRadius {
    /// How many nodes.
    pub nodes: Option<u32>,
    /// Or how many percent of the inventory, rounded down.
    pub percent: Option<u32>,
    /// In how long.
    pub window: Seconds,
}
