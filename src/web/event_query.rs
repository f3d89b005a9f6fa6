//! Which events an address asks for, on the page, in the API and for an export.

use crate::app::error::AppResult;
use crate::app::events::{EventFilter, WantedOutcome};
use crate::domain::ids::ProjectName;
use crate::domain::time::{Seconds, Timestamp};
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

/// `7d` before now, a time, or the beginning of a day.
fn moment(name: &str, text: &str, now: Timestamp) -> AppResult<Timestamp> {
    if let Ok(ago) = Seconds::parse(text) {
        return now.checked_sub_signed(ago.to_delta()).ok_or_else(|| bad_query(format!("`{name}` is too long ago.")));
    }
    let time = chrono::DateTime::parse_from_rfc3339(text).map(|t| t.to_utc()).ok();
    let day = || Some(text.parse::<chrono::NaiveDate>().ok()?.and_time(chrono::NaiveTime::MIN).and_utc());
    time.or_else(day)
        .ok_or_else(|| bad_query(format!("`{name}` has to be a time, a day, or how long ago: 2026-11-28, 14d.")))
}

/// The address of the same list with other words.
#[must_use]
pub fn address(call: &Call, path: &str, without: &[&str], with: &[(&str, &str)]) -> String {
    let kept =
        call.query_pairs().into_iter().filter(|(key, value)| !without.contains(&key.as_str()) && !value.is_empty());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept);
    query.extend_pairs(with);
    format!("{path}?{}", query.finish())
}
