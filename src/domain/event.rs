//! Events: what came in, from where, and what makes two of them the same.

use serde::{Deserialize, Serialize};

use super::ids::{EventId, ProjectName, RunNumber};
use super::time::Timestamp;

/// What was decided about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventVerdict {
    /// It asked for a run, and the run was made.
    Ran,
    /// It would have run a job, but the webhook is in dry run.
    DryRun,
    /// Its conditions did not hold.
    NotMatched,
    /// It was understood but the job could not be asked for; the detail says why.
    Refused,
    /// Accepted and not yet decided.
    Pending,
}

/// The source of events that were posted.
pub const POSTED: &str = "api";
/// The source of events that runs make when they end.
pub const RUNS: &str = "run";
/// The type of those events.
pub const RUN_FINISHED: &str = "interlock.run.finished";

/// Whether a text can be an event's type: `prometheus.alert`.
#[must_use]
pub fn is_event_type(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && text.len() <= 128 && bytes.all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

/// One stored event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id, ordered by time.
    pub id: EventId,
    /// The project that it belongs to.
    pub project: ProjectName,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// `webhook:NAME` or `api`.
    pub source: String,
    /// Such as `webhook.pagerduty-incident`.
    pub event_type: String,
    /// The body, redacted by rule.
    pub payload: String,
    /// What makes a second delivery the same one.
    pub dedupe_key: String,
    /// What was decided.
    pub verdict: EventVerdict,
    /// Why, in a sentence.
    pub detail: String,
    /// The run that it made.
    pub run: Option<RunNumber>,
    /// How many runs stand between it and the world outside.
    pub depth: u32,
    /// Whether rules still have to look at it.
    pub awaits_rules: bool,
}

impl Event {
    /// The webhook whose delivery it is. Not that of an event which only came of one, as each alert of a group does.
    #[must_use]
    pub fn webhook(&self) -> Option<&str> {
        let name = self.source.strip_prefix("webhook:")?;
        (self.event_type.strip_prefix("webhook.") == Some(name)).then_some(name)
    }
}
