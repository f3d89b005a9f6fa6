//! Events: each delivery once, with what was decided about it.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::domain::access::{Permit, Resource};
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, ProjectName, RunNumber};
use crate::domain::time::Timestamp;

pub mod history;
mod tallies;
mod unmatched;

pub use history::list;
pub use tallies::{Tally, prune, tallies};
pub use unmatched::{
    any_unlabelled, any_unmatched, await_labels, claim_unlabelled, claim_unmatched, keep, labelled, matched,
};

use super::column::{Json, Stamp, event_verdict_word, json, stamp};
use super::connection::{Conn, MultiBackend, on_each};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::events;

#[derive(Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(MultiBackend))]
struct Row {
    id: EventId,
    project: ProjectName,
    #[diesel(deserialize_as = Stamp)]
    received_at: Timestamp,
    source: String,
    event_type: String,
    payload: String,
    dedupe_key: String,
    verdict: EventVerdict,
    detail: String,
    run: Option<RunNumber>,
    depth: i32,
    matched: bool,
}

impl From<Row> for Event {
    fn from(row: Row) -> Self {
        let Row { id, project, received_at, source, event_type, payload, dedupe_key, verdict, detail, run, .. } = row;
        // What cannot be a depth counts as too deep.
        let (depth, awaits_rules) = (u32::try_from(row.depth).unwrap_or(u32::MAX), !row.matched);
        Self {
            id,
            project,
            received_at,
            source,
            event_type,
            payload,
            dedupe_key,
            verdict,
            detail,
            run,
            depth,
            awaits_rules,
        }
    }
}

/// What became of an event that was to be stored.
#[derive(Debug, Clone)]
pub enum Stored {
    /// It is new.
    Inserted,
    /// One with the same key is there.
    Duplicate(Box<Event>),
}

/// A webhook's events may be written by who has the webhook; all others need the project's events.
fn check(permit: &Permit, project: &ProjectName, source: &str) -> Result<(), StoreError> {
    if let (Resource::Webhook { project: p, name }, Some(webhook)) =
        (permit.resource(), source.strip_prefix("webhook:"))
        && p == project
        && name == webhook
    {
        return Ok(());
    }
    permit::exactly(permit, &Resource::Events { project: project.clone() })
}

/// Stores an event unless one with its project, source and key is there. Of many that come at once one is stored.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the webhook or the project's events; those of the database.
pub fn insert_event_once(
    c: &mut Conn,
    permit: &Permit,
    event: &Event,
    headers: &BTreeMap<String, String>,
) -> Result<Stored, StoreError> {
    check(permit, &event.project, &event.source)?;
    if insert(c, event, headers)? {
        return Ok(Stored::Inserted);
    }
    let there: Row = events::table
        .filter(events::project.eq(event.project.as_str()))
        .filter(events::source.eq(&event.source))
        .filter(events::dedupe_key.eq(&event.dedupe_key))
        .select(Row::as_select())
        .first(c)?;
    Ok(Stored::Duplicate(Box::new(there.into())))
}

/// Stores those of these events that are not there yet, each as [`insert_event_once`] does; how many.
///
/// Who stores some of the same events at the same time has to do so in the same order.
///
/// # Errors
/// As [`insert_event_once`].
pub fn insert_events_once(c: &mut Conn, permit: &Permit, new: &[Event]) -> Result<usize, StoreError> {
    let no_headers = BTreeMap::new();
    let mut count = 0;
    for event in new {
        check(permit, &event.project, &event.source)?;
        count += usize::from(insert(c, event, &no_headers)?);
    }
    Ok(count)
}

/// Whether it was not there yet.
fn insert(c: &mut Conn, event: &Event, headers: &BTreeMap<String, String>) -> Result<bool, StoreError> {
    let row = (
        events::id.eq(event.id.to_string()),
        events::project.eq(event.project.as_str()),
        events::source.eq(&event.source),
        events::event_type.eq(&event.event_type),
        events::payload.eq(&event.payload),
        events::headers.eq(json(headers)?),
        events::dedupe_key.eq(&event.dedupe_key),
        events::received_at.eq(stamp(event.received_at)),
        events::verdict.eq(event_verdict_word(event.verdict)),
        events::detail.eq(&event.detail),
        events::run.eq(event.run.map(RunNumber::get)),
        events::depth.eq(i32::try_from(event.depth).unwrap_or(i32::MAX)),
        events::matched.eq(!event.awaits_rules),
    );
    let once = (events::project, events::source, events::dedupe_key);
    let rows = on_each!(c, c => diesel::insert_into(events::table)
        .values(row)
        .on_conflict(once)
        .do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}

/// Writes what was decided.
///
/// # Errors
/// [`StoreError::NotFound`]; otherwise as [`insert_event_once`].
pub fn set_verdict(
    c: &mut Conn,
    permit: &Permit,
    id: EventId,
    verdict: EventVerdict,
    detail: &str,
    run: Option<RunNumber>,
) -> Result<(), StoreError> {
    let event = get(c, id)?;
    check(permit, &event.project, &event.source)?;
    let change = (
        events::verdict.eq(event_verdict_word(verdict)),
        events::detail.eq(detail),
        events::run.eq(run.map(RunNumber::get)),
    );
    diesel::update(events::table.find(id.to_string())).set(change).execute(c)?;
    Ok(())
}

/// As [`set_verdict`], but only for an event that nobody has decided yet.
///
/// # Errors
/// [`StoreError::Conflict`] when it is decided; otherwise as [`set_verdict`].
pub fn decide_pending(
    c: &mut Conn,
    permit: &Permit,
    id: EventId,
    verdict: EventVerdict,
    detail: &str,
    run: Option<RunNumber>,
) -> Result<(), StoreError> {
    let there = get(c, id)?;
    check(permit, &there.project, &there.source)?;
    // In the statement itself: of two that decide at once on PostgreSQL the second one waits here and finds it decided.
    let undecided =
        events::table.find(id.to_string()).filter(events::verdict.eq(event_verdict_word(EventVerdict::Pending)));
    let change = (
        events::verdict.eq(event_verdict_word(verdict)),
        events::detail.eq(detail),
        events::run.eq(run.map(RunNumber::get)),
    );
    match diesel::update(undecided).set(change).execute(c)? {
        1 => Ok(()),
        _ => Err(StoreError::conflict(format!("event {id} was decided already"))),
    }
}

/// The event of this id.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get(c: &mut Conn, id: EventId) -> Result<Event, StoreError> {
    let row: Option<Row> = events::table.find(id.to_string()).select(Row::as_select()).first(c).optional()?;
    row.map(Event::from).ok_or_else(|| StoreError::not_found(format!("event {id}")))
}

/// The headers that were kept of the delivery.
///
/// # Errors
/// As [`get`].
pub fn headers(c: &mut Conn, id: EventId) -> Result<BTreeMap<String, String>, StoreError> {
    let found = events::table.find(id.to_string()).select(events::headers).first::<Json<_>>(c).optional()?;
    found.map(|json| json.0).ok_or_else(|| StoreError::not_found(format!("event {id}")))
}

/// How many events of a type came in a time.
///
/// # Errors
/// Those of the database.
pub fn count_of_type(
    c: &mut Conn,
    project: &ProjectName,
    event_type: &str,
    since: Timestamp,
    until: Timestamp,
) -> Result<i64, StoreError> {
    Ok(events::table
        .filter(events::project.eq(project.as_str()))
        .filter(events::event_type.eq(event_type))
        .filter(events::received_at.ge(stamp(since)))
        .filter(events::received_at.lt(stamp(until)))
        .count()
        .get_result(c)?)
}

/// Events of a type in a time, the oldest first, after the last one of the piece before. As many as wanted, however many
/// that is: it is for who goes through all of them, not for pages.
///
/// # Errors
/// Those of the database.
pub fn of_type(
    c: &mut Conn,
    project: &ProjectName,
    event_type: &str,
    since: Timestamp,
    until: Timestamp,
    after: Option<(Timestamp, EventId)>,
    wanted: u32,
) -> Result<Vec<Event>, StoreError> {
    let mut query = events::table
        .filter(events::project.eq(project.as_str()))
        .filter(events::event_type.eq(event_type))
        .filter(events::received_at.ge(stamp(since)))
        .filter(events::received_at.lt(stamp(until)))
        .into_boxed();
    if let Some((at, id)) = after {
        let at = stamp(at);
        query = query
            .filter(events::received_at.ge(at))
            .filter(events::received_at.gt(at).or(events::id.gt(id.to_string())));
    }
    let oldest = query.order((events::received_at, events::id));
    let rows: Vec<Row> = oldest.limit(i64::from(wanted)).select(Row::as_select()).load(c)?;
    Ok(rows.into_iter().map(Event::from).collect())
}

/// Events of all projects that nobody has decided yet, the oldest first: left over where a server died.
///
/// # Errors
/// Those of the database.
pub fn pending(c: &mut Conn, wanted: u32) -> Result<Vec<Event>, StoreError> {
    // As a literal, or SQLite could not know that the index of undecided events covers it.
    let undecided = diesel::dsl::sql::<diesel::sql_types::Bool>("verdict = 'pending'");
    let rows: Vec<Row> = events::table
        .filter(undecided)
        .order((events::received_at, events::id))
        .limit(limit(wanted))
        .select(Row::as_select())
        .load(c)?;
    Ok(rows.into_iter().map(Event::from).collect())
}
