//! What came in, from the newest on, by where it came from, what it is, and what was made of it.

use diesel::dsl::exists;
use diesel::prelude::*;

use super::Row;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::time::Timestamp;
use crate::store::column::{event_verdict_word, stamp};
use crate::store::connection::Conn;
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::rules::verdicts::Outcome;
use crate::store::schema::{events, verdicts};

/// Which events are wanted; all of them where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this source.
    pub source: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// That a rule of this name looked at.
    pub rule: Option<String>,
    /// Of which this was made.
    pub outcome: Option<Wanted>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// What was made of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// By everybody together.
    InAll(EventVerdict),
    /// By the rule that is named, or by any rule.
    ByRule(Outcome),
}

impl Wanted {
    /// Reads a word. Where a rule is named it says what that rule made of it; otherwise what came of the event, or what any
    /// rule made of it where there is no such word for events.
    #[must_use]
    pub fn parse(word: &str, of_rule: bool) -> Option<Self> {
        use EventVerdict::{DryRun, NotMatched, Pending, Ran, Refused};
        let of_event = [Ran, DryRun, NotMatched, Refused, Pending].into_iter().find(|v| event_verdict_word(*v) == word);
        let by_rule = Outcome::parse(word).map(Self::ByRule);
        let in_all = of_event.map(Self::InAll);
        if of_rule { by_rule } else { in_all.or(by_rule) }
    }
}

/// Events of a project from the newest on, after the last one of the page before.
///
/// # Errors
/// Those of the database.
pub fn list(
    c: &mut Conn,
    project: &ProjectName,
    filter: &Filter,
    after: Option<(Timestamp, EventId)>,
    wanted: u32,
) -> Result<Vec<Event>, StoreError> {
    let mut query = events::table.filter(events::project.eq(project.as_str())).into_boxed();
    if let Some(source) = &filter.source {
        query = query.filter(events::source.eq(source));
    }
    if let Some(kind) = &filter.event_type {
        query = query.filter(events::event_type.eq(kind));
    }
    let by_rule = match filter.outcome {
        Some(Wanted::InAll(verdict)) => {
            query = query.filter(events::verdict.eq(event_verdict_word(verdict)));
            None
        }
        Some(Wanted::ByRule(outcome)) => Some(outcome),
        None => None,
    };
    let looked = || verdicts::table.filter(verdicts::event_id.eq(events::id));
    query = match (&filter.rule, by_rule.map(Outcome::as_str)) {
        (None, None) => query,
        (Some(rule), None) => query.filter(exists(looked().filter(verdicts::rule.eq(rule)))),
        (None, Some(outcome)) => query.filter(exists(looked().filter(verdicts::outcome.eq(outcome)))),
        (Some(rule), Some(outcome)) => {
            let by_it = looked().filter(verdicts::rule.eq(rule)).filter(verdicts::outcome.eq(outcome));
            query.filter(exists(by_it))
        }
    };
    if let Some(since) = filter.since {
        query = query.filter(events::received_at.ge(stamp(since)));
    }
    if let Some(until) = filter.until {
        query = query.filter(events::received_at.lt(stamp(until)));
    }
    if let Some((at, id)) = after {
        let at = stamp(at);
        query = query
            .filter(events::received_at.le(at))
            .filter(events::received_at.lt(at).or(events::id.lt(id.to_string())));
    }
    let newest = query.order((events::received_at.desc(), events::id.desc()));
    let rows: Vec<Row> = newest.limit(limit(wanted)).select(Row::as_select()).load(c)?;
    Ok(rows.into_iter().map(Event::from).collect())
}
