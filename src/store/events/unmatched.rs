//! The events that rules still have to look at. Each is somebody's for a while, and is looked at again if they die.

use diesel::prelude::*;

use super::{Row, check};
use crate::domain::access::Permit;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, RunNumber};
use crate::domain::time::Timestamp;
use crate::store::column::{event_verdict_word, stamp};
use crate::store::connection::{Conn, MultiBackend};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::permit;
use crate::store::schema::events;

type Condition = Box<dyn BoxableExpression<events::table, MultiBackend, SqlType = diesel::sql_types::Bool>>;

/// As a literal, or SQLite could not know that the index of these events covers it.
fn waiting() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql("NOT matched AND NOT awaits_labels")
}

/// The same of events that wait for labels first.
fn unlabelled() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql("awaits_labels")
}

fn free(now: Timestamp) -> Condition {
    Box::new(events::match_until.is_null().or(events::match_until.lt(stamp(now))).assume_not_null())
}

/// Whether any event waits for rules that nobody has.
///
/// # Errors
/// Those of the database.
pub fn any_unmatched(c: &mut Conn, now: Timestamp) -> Result<bool, StoreError> {
    let one: Option<String> =
        events::table.filter(waiting()).filter(free(now)).select(events::id).first(c).optional()?;
    Ok(one.is_some())
}

/// Whether any event waits for labels from outside that nobody has.
///
/// # Errors
/// Those of the database.
pub fn any_unlabelled(c: &mut Conn, now: Timestamp) -> Result<bool, StoreError> {
    let one: Option<String> =
        events::table.filter(unlabelled()).filter(free(now)).select(events::id).first(c).optional()?;
    Ok(one.is_some())
}

/// Takes events that wait for rules, the oldest first, for the holder of this claim until a time. No two holders have
/// the same event at the same time; a claim is used once.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn claim_unmatched(
    c: &mut Conn,
    permit: &Permit,
    claim: &str,
    now: Timestamp,
    until: Timestamp,
    wanted: u32,
) -> Result<Vec<Event>, StoreError> {
    permit::system(permit)?;
    claim_of(c, false, claim, now, until, wanted)
}

/// As [`claim_unmatched`], of events that wait for labels from outside.
///
/// # Errors
/// As [`claim_unmatched`].
pub fn claim_unlabelled(
    c: &mut Conn,
    permit: &Permit,
    claim: &str,
    now: Timestamp,
    until: Timestamp,
    wanted: u32,
) -> Result<Vec<Event>, StoreError> {
    permit::system(permit)?;
    claim_of(c, true, claim, now, until, wanted)
}

fn claim_of(
    c: &mut Conn,
    labels: bool,
    claim: &str,
    now: Timestamp,
    until: Timestamp,
    wanted: u32,
) -> Result<Vec<Event>, StoreError> {
    let open: Vec<String> = events::table
        .filter(if labels { unlabelled() } else { waiting() })
        .filter(free(now))
        .order((events::received_at, events::id))
        .limit(limit(wanted))
        .select(events::id)
        .load(c)?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    // The condition once more: on PostgreSQL another server may have been faster.
    let lease = (events::match_claim.eq(claim), events::match_until.eq(stamp(until)));
    let mine = events::table
        .filter(events::id.eq_any(&open))
        .filter(events::matched.eq(false))
        .filter(events::awaits_labels.eq(labels))
        .filter(free(now));
    diesel::update(mine).set(lease).execute(c)?;
    let rows: Vec<Row> = events::table
        .filter(events::id.eq_any(&open))
        .filter(events::match_claim.eq(claim))
        .order((events::received_at, events::id))
        .select(Row::as_select())
        .load(c)?;
    Ok(rows.into_iter().map(Event::from).collect())
}

/// Notes that every rule has looked at an event. With a verdict where the rules' is the event's own.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody else has the event by now; [`StoreError::PermitMismatch`]; those of the
/// database.
pub fn matched(
    c: &mut Conn,
    permit: &Permit,
    event: &Event,
    claim: &str,
    verdict: Option<(EventVerdict, &str, Option<RunNumber>)>,
) -> Result<(), StoreError> {
    check(permit, &event.project, &event.source)?;
    let id: EventId = event.id;
    let own =
        events::table.find(id.to_string()).filter(events::match_claim.eq(claim)).filter(events::matched.eq(false));
    let verdict = verdict.map(|(verdict, detail, run)| {
        (
            events::verdict.eq(event_verdict_word(verdict)),
            events::detail.eq(detail.to_owned()),
            events::run.eq(run.map(RunNumber::get)),
        )
    });
    let done = (events::matched.eq(true), events::match_until.eq(None::<chrono::NaiveDateTime>));
    let rows = match verdict {
        Some(verdict) => diesel::update(own).set((done, verdict)).execute(c)?,
        None => diesel::update(own).set(done).execute(c)?,
    };
    one(rows, id)
}

/// Lets go of an event until it has labels from outside.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody else has the event by now; [`StoreError::PermitMismatch`]; those of the
/// database.
pub fn await_labels(c: &mut Conn, permit: &Permit, event: &Event, claim: &str) -> Result<(), StoreError> {
    hand_on(c, permit, event, claim, true)
}

/// Hands an event on to rules, as it has its labels.
///
/// # Errors
/// As [`await_labels`].
pub fn labelled(c: &mut Conn, permit: &Permit, event: &Event, claim: &str) -> Result<(), StoreError> {
    hand_on(c, permit, event, claim, false)
}

fn hand_on(c: &mut Conn, permit: &Permit, event: &Event, claim: &str, awaits: bool) -> Result<(), StoreError> {
    check(permit, &event.project, &event.source)?;
    let free = (events::match_claim.eq(None::<String>), events::match_until.eq(None::<chrono::NaiveDateTime>));
    let change = (events::awaits_labels.eq(awaits), free);
    let own = events::table
        .find(event.id.to_string())
        .filter(events::match_claim.eq(claim))
        .filter(events::matched.eq(false));
    one(diesel::update(own).set(change).execute(c)?, event.id)
}

/// Keeps an event that one has, for longer. Who has lost it learns so here, before anything is written.
///
/// # Errors
/// As [`await_labels`].
pub fn keep(c: &mut Conn, permit: &Permit, event: &Event, claim: &str, until: Timestamp) -> Result<(), StoreError> {
    check(permit, &event.project, &event.source)?;
    let own = events::table
        .find(event.id.to_string())
        .filter(events::match_claim.eq(claim))
        .filter(events::matched.eq(false));
    one(diesel::update(own).set(events::match_until.eq(stamp(until))).execute(c)?, event.id)
}

fn one(rows: usize, id: EventId) -> Result<(), StoreError> {
    match rows {
        1 => Ok(()),
        _ => Err(StoreError::conflict(format!("somebody else looks at event {id} by now"))),
    }
}
