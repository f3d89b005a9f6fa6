//! What people are to be told. A notice is written in the transaction of what happened; who hears of it, and how, is
//! found out when it is sent, and becomes one row for each recipient and channel.

mod deliveries;

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::column::{Json, Stamp, json, stamp, words};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::notices;
use crate::domain::access::{Permit, Principal};
use crate::domain::ids::{ApprovalId, EventId, NoticeId, ProjectName, RunNumber};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::time::{Seconds, Timestamp};

pub use deliveries::{
    After, DeliveryRecord, DeliveryState, Target, claim as claim_delivery, due as due_deliveries, failed, get_delivery,
    list_failed, of_notice, sent, troubled as troubled_deliveries, unneeded, wait_until,
};

words! {
    /// Where a notice stands.
    NoticeState, "a state of a notice" {
        /// Nobody has found out yet who is to hear of it.
        Waiting => "waiting",
        /// Its deliveries are there.
        Addressed => "addressed",
        /// Its recipients could not be found out.
        Failed => "failed",
    }
}

/// A notice to be written.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// Its id, which the caller drew.
    pub id: NoticeId,
    /// The project that it is about.
    pub project: ProjectName,
    /// What happened.
    pub kind: NoticeKind,
    /// The request that it is about.
    pub approval: Option<ApprovalId>,
    /// The run that it is about.
    pub run: Option<RunNumber>,
    /// The rule that it is about.
    pub rule: Option<String>,
    /// The event that it is about.
    pub event: Option<EventId>,
    /// Who is to hear of it.
    pub audience: Vec<Audience>,
    /// Who did it; `None` where nobody did, as with time that has run out.
    pub actor: Option<Principal>,
    /// What they said, or what there is to say, in plain text. Never a secret.
    pub words: String,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = notices, check_for_backend(MultiBackend))]
pub struct NoticeRecord {
    /// Its id.
    pub id: NoticeId,
    /// The project that it is about.
    pub project: ProjectName,
    /// What happened.
    pub kind: NoticeKind,
    /// The request that it is about.
    pub approval: Option<ApprovalId>,
    /// The run that it is about.
    pub run: Option<RunNumber>,
    /// Who is to hear of it.
    #[diesel(deserialize_as = Json<Vec<Audience>>)]
    pub audience: Vec<Audience>,
    /// Who did it.
    pub actor: Option<Principal>,
    /// What there is to say.
    pub words: String,
    /// Where it stands.
    pub state: NoticeState,
    /// How often somebody began to address it.
    pub attempts: i32,
    /// Nobody begins before this.
    #[diesel(deserialize_as = Stamp)]
    pub next_at: Timestamp,
    /// What went wrong last.
    pub error: String,
    /// When it happened.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// The rule that it is about.
    pub rule: Option<String>,
    /// The event that it is about, the first one where it stands for several.
    pub event: Option<EventId>,
    /// How many more of the same it stands for.
    pub more: i32,
}

/// Writes a notice, to be called in the transaction of what happened.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for something of the project; those of the database.
pub fn add(c: &mut Conn, permit: &Permit, new: &NewNotice, now: Timestamp) -> Result<(), StoreError> {
    permit::within(permit, &new.project)?;
    insert(c, new, now, (now, None))
}

/// As [`add`], but no more often than once in a time: what the same rule tells the same people meanwhile is counted on the
/// notice that waits, or waits itself until the time is over. To be called while the rule's state is held.
///
/// # Errors
/// As [`add`].
pub fn gather(
    c: &mut Conn,
    permit: &Permit,
    new: &NewNotice,
    window: Seconds,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::within(permit, &new.project)?;
    let newest: Option<(NoticeId, Option<chrono::NaiveDateTime>)> = notices::table
        .filter(notices::project.eq(new.project.as_str()))
        .filter(notices::rule.eq(&new.rule))
        .filter(notices::kind.eq(new.kind.as_str()))
        .filter(notices::audience.eq(json(&new.audience)?))
        .filter(notices::gather_until.gt(stamp(now)))
        .order(notices::gather_until.desc())
        .select((notices::id, notices::gather_until))
        .first(c)
        .optional()?;
    let Some((id, Some(until))) = newest else {
        return insert(c, new, now, (now, Some(now + window.to_delta())));
    };
    let until = until.and_utc();
    // Once somebody addresses it, it says what it says.
    if diesel::update(as_seen(id, 0)).set(notices::more.eq(notices::more + 1)).execute(c)? == 1 {
        return Ok(());
    }
    insert(c, new, now, (until, Some(until + window.to_delta())))
}

fn insert(
    c: &mut Conn,
    new: &NewNotice,
    now: Timestamp,
    (next_at, gather_until): (Timestamp, Option<Timestamp>),
) -> Result<(), StoreError> {
    let row = (
        notices::id.eq(new.id.to_string()),
        notices::project.eq(new.project.as_str()),
        notices::kind.eq(new.kind.as_str()),
        notices::approval.eq(new.approval.map(|id| id.to_string())),
        notices::run.eq(new.run.map(RunNumber::get)),
        notices::audience.eq(json(&new.audience)?),
        notices::actor.eq(new.actor.as_ref().map(ToString::to_string)),
        notices::words.eq(&new.words),
        notices::state.eq(NoticeState::Waiting.as_str()),
        notices::attempts.eq(0),
        notices::next_at.eq(stamp(next_at)),
        notices::error.eq(""),
        notices::created_at.eq(stamp(now)),
        notices::rule.eq(&new.rule),
        notices::event.eq(new.event.map(|id| id.to_string())),
        notices::more.eq(0),
        notices::gather_until.eq(gather_until.map(stamp)),
    );
    diesel::insert_into(notices::table).values(row).execute(c)?;
    Ok(())
}

/// The notice of this id.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get(c: &mut Conn, id: NoticeId) -> Result<NoticeRecord, StoreError> {
    let found = notices::table.find(id.to_string()).select(NoticeRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| StoreError::not_found(format!("notice {id}")))
}

/// Notices that nobody has addressed and nobody is about to, the earliest first.
///
/// # Errors
/// Those of the database.
pub fn due(c: &mut Conn, now: Timestamp, wanted: u32) -> Result<Vec<NoticeRecord>, StoreError> {
    Ok(notices::table
        .filter(notices::state.eq(NoticeState::Waiting.as_str()))
        .filter(notices::next_at.le(stamp(now)))
        .order((notices::next_at, notices::id))
        .limit(limit(wanted))
        .select(NoticeRecord::as_select())
        .load(c)?)
}

/// Takes a notice to find out who is to hear of it, until a time; whether nobody was faster.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn claim(c: &mut Conn, permit: &Permit, seen: &NoticeRecord, until: Timestamp) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change = (notices::attempts.eq(seen.attempts + 1), notices::next_at.eq(stamp(until)));
    Ok(diesel::update(as_seen(seen.id, seen.attempts)).set(change).execute(c)? == 1)
}

/// A notice that is still as somebody saw it.
#[diesel::dsl::auto_type(no_type_alias)]
fn as_seen(id: NoticeId, attempts: i32) -> _ {
    let id: String = id.to_string();
    let waiting: &'static str = NoticeState::Waiting.as_str();
    notices::table.filter(notices::id.eq(id)).filter(notices::state.eq(waiting)).filter(notices::attempts.eq(attempts))
}

/// Notes who is to hear of it; whether nobody else has meanwhile. `attempts` is what it was after [`claim`].
///
/// # Errors
/// As [`claim`].
pub fn address(
    c: &mut Conn,
    permit: &Permit,
    id: NoticeId,
    attempts: i32,
    targets: &BTreeSet<Target>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change = (notices::state.eq(NoticeState::Addressed.as_str()), notices::error.eq(""));
    if diesel::update(as_seen(id, attempts)).set(change).execute(c)? != 1 {
        return Ok(false);
    }
    for target in targets {
        deliveries::add(c, id, target, now)?;
    }
    Ok(true)
}

/// Notes that its recipients could not be found out, and when that is tried again; with no time it is given up.
///
/// # Errors
/// As [`claim`].
pub fn not_addressed(
    c: &mut Conn,
    permit: &Permit,
    id: NoticeId,
    attempts: i32,
    error: &str,
    next: Option<Timestamp>,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    let state = if next.is_some() { NoticeState::Waiting } else { NoticeState::Failed };
    let own = as_seen(id, attempts);
    let change = (notices::state.eq(state.as_str()), notices::error.eq(error));
    match next {
        Some(next) => diesel::update(own).set((change, notices::next_at.eq(stamp(next)))).execute(c)?,
        None => diesel::update(own).set(change).execute(c)?,
    };
    Ok(())
}

/// Notices whose recipients could not be found out so far, the next to be tried first.
///
/// # Errors
/// Those of the database.
pub fn troubled(c: &mut Conn, wanted: u32) -> Result<Vec<NoticeRecord>, StoreError> {
    Ok(notices::table
        .filter(notices::state.eq(NoticeState::Waiting.as_str()))
        .filter(notices::error.ne(""))
        .order((notices::next_at, notices::id))
        .limit(limit(wanted))
        .select(NoticeRecord::as_select())
        .load(c)?)
}

/// Notices that were given up without finding anybody, the last one first.
///
/// # Errors
/// Those of the database.
pub fn unaddressed(c: &mut Conn, wanted: u32) -> Result<Vec<NoticeRecord>, StoreError> {
    Ok(notices::table
        .filter(notices::state.eq(NoticeState::Failed.as_str()))
        .order((notices::next_at.desc(), notices::id.desc()))
        .limit(limit(wanted))
        .select(NoticeRecord::as_select())
        .load(c)?)
}

/// Removes notices from before a time, with their deliveries, at most so many; how many.
///
/// # Errors
/// As [`claim`].
pub fn prune(c: &mut Conn, permit: &Permit, before: Timestamp, wanted: u32) -> Result<usize, StoreError> {
    permit::system(permit)?;
    let old: Vec<String> = notices::table
        .filter(notices::created_at.lt(stamp(before)))
        .order((notices::created_at, notices::id))
        .limit(limit(wanted))
        .select(notices::id)
        .load(c)?;
    Ok(diesel::delete(notices::table.filter(notices::id.eq_any(old))).execute(c)?)
}
