//! Which events an address asks for, on the page, in the API and for an export.

use crate::app::error::AppResult;
use crate::app::events::{EventFilter, WantedOutcome};
use crate::domain::ids::ProjectName;
use crate::domain::time::Timestamp;
use crate::web::address;
use crate::web::api::wire::bad_query;
use crate::web::call::Call;

/// What the address asks for.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Of one project, or of all.
    pub project: Option<ProjectName>,
    /// The rest.
    pub filter: EventFilter,
}

/// What may stand for `outcome`, with its words.
pub const OUTCOMES: [(&str, &str); 9] = [
    ("ran", "ran"),
    ("dry_run", "dry run"),
    ("not_matched", "no match"),
    ("refused", "refused"),
    ("pending", "being decided"),
    ("held", "held back by a rule"),
    ("would", "a rule would have acted"),
    ("notified", "a rule told people"),
    ("nothing", "a rule did nothing"),
];

/// Reads `project`, `source`, `type`, `rule`, `outcome`, `since` and `until`; a time, or how long ago.
///
/// # Errors
/// `bad_query` with the first that cannot be read.
pub fn read(call: &Call) -> AppResult<EventQuery> {
    let text = |name: &str| call.query(name).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let project =
        text("project").map(|p| ProjectName::parse(&p)).transpose().map_err(|e| bad_query(format!("{e}.")))?;
    let rule = text("rule");
    let outcome = match text("outcome") {
        None => None,
        Some(word) => Some(WantedOutcome::parse(&word, rule.is_some()).ok_or_else(|| {
            let all: Vec<&str> = OUTCOMES.iter().map(|(word, _)| *word).collect();
            let not = if rule.is_some() { " (of a rule neither `dry_run` nor `pending`)" } else { "" };
            bad_query(format!("`outcome` has to be one of {}{not}.", all.join(", ")))
        })?),
    };
    let now = call.app.clock().now();
    let filter = EventFilter {
        source: text("source"),
        event_type: text("type"),
        rule,
        outcome,
        since: text("since").map(|t| moment("since", &t, now)).transpose()?,
        until: text("until").map(|t| moment("until", &t, now)).transpose()?,
    };
    Ok(EventQuery { project, filter })
}

fn moment(name: &str, text: &str, now: Timestamp) -> AppResult<Timestamp> {
    let wrong = || bad_query(format!("`{name}` has to be a time, a day, or how long ago: 2026-11-28, 14d."));
    address::moment(text, now).ok_or_else(wrong)
}
