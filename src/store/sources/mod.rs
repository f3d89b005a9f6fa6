//! Where each source stands: what comes next, how far it has read, and what went wrong last.
//!
//! A row moves by compare-and-set on `changes`, in the transaction that stores the events, so that of two servers one makes
//! them.

pub mod seen;

use diesel::prelude::*;

use crate::domain::access::{Permit, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::{ProjectName, SourceName};
use crate::domain::time::Timestamp;

use super::column::{MaybeStamp, stamp};
use super::connection::{Conn, MultiBackend, on_each};
use super::error::StoreError;
use super::permit;
use super::schema::{definitions, source_seen, source_states};

/// Which source, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standpoint {
    /// The source's definition.
    pub definition: String,
    /// The machine; empty where all servers share one standing.
    pub place: String,
    /// The project.
    pub project: ProjectName,
    /// The source's name.
    pub name: SourceName,
}

impl Standpoint {
    fn resource(&self) -> Resource {
        Resource::Source { project: self.project.clone(), name: self.name.to_string() }
    }
}

/// Where a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = source_states, check_for_backend(MultiBackend))]
pub struct StandingRecord {
    /// The source's definition.
    pub definition_id: String,
    /// The machine; empty where all servers share one standing.
    pub place: String,
    /// What the position belongs to; with another one the source begins anew.
    pub position_digest: Digest,
    /// How far it has read, in its kind's own words.
    pub position: String,
    /// When there is something to do next.
    #[diesel(deserialize_as = MaybeStamp)]
    pub next_at: Option<Timestamp>,
    /// Whether it was off when it was looked at last.
    pub resting: bool,
    /// Who works on it.
    pub claim: Option<String>,
    /// Until when.
    #[diesel(deserialize_as = MaybeStamp)]
    pub claim_until: Option<Timestamp>,
    /// Failures in a row.
    pub failures: i32,
    /// The last failure in a sentence; empty when all is well.
    pub error: String,
    /// When that was.
    #[diesel(deserialize_as = MaybeStamp)]
    pub failed_at: Option<Timestamp>,
    /// When it made its last event.
    #[diesel(deserialize_as = MaybeStamp)]
    pub event_at: Option<Timestamp>,
    /// Counts its changes.
    pub changes: i64,
}

/// What a standing becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStanding {
    /// What the position belongs to.
    pub position_digest: Digest,
    /// How far it has read.
    pub position: String,
    /// When there is something to do next.
    pub next_at: Option<Timestamp>,
    /// Whether it is off.
    pub resting: bool,
    /// Failures in a row.
    pub failures: i32,
    /// The last failure in a sentence; empty when all is well.
    pub error: String,
    /// When that was.
    pub failed_at: Option<Timestamp>,
    /// When it made its last event.
    pub event_at: Option<Timestamp>,
}

impl NewStanding {
    /// What it is now, to be changed.
    #[must_use]
    pub fn of(record: &StandingRecord) -> Self {
        Self {
            position_digest: record.position_digest,
            position: record.position.clone(),
            next_at: record.next_at,
            resting: record.resting,
            failures: record.failures,
            error: record.error.clone(),
            failed_at: record.failed_at,
            event_at: record.event_at,
        }
    }
}

/// Where all sources stand.
///
/// # Errors
/// Those of the database.
pub fn all(c: &mut Conn) -> Result<Vec<StandingRecord>, StoreError> {
    let order = (source_states::definition_id, source_states::place);
    Ok(source_states::table.order(order).select(StandingRecord::as_select()).load(c)?)
}

/// Where one source stands.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, at: &Standpoint) -> Result<Option<StandingRecord>, StoreError> {
    let own = source_states::table.find((&at.definition, &at.place));
    Ok(own.select(StandingRecord::as_select()).first(c).optional()?)
}

/// Begins to remember a source. Whether nobody else had.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn begin(c: &mut Conn, permit: &Permit, at: &Standpoint, new: &NewStanding) -> Result<bool, StoreError> {
    permit::exactly(permit, &at.resource())?;
    let row = (
        source_states::definition_id.eq(&at.definition),
        source_states::place.eq(&at.place),
        source_states::project.eq(at.project.as_str()),
        source_states::name.eq(at.name.as_str()),
        source_states::position_digest.eq(new.position_digest.to_string()),
        source_states::position.eq(&new.position),
        source_states::next_at.eq(new.next_at.map(stamp)),
        source_states::resting.eq(new.resting),
        source_states::failures.eq(new.failures),
        source_states::error.eq(&new.error),
        source_states::failed_at.eq(new.failed_at.map(stamp)),
        source_states::event_at.eq(new.event_at.map(stamp)),
        source_states::changes.eq(0),
    );
    let once = (source_states::definition_id, source_states::place);
    let rows = on_each!(c, c => diesel::insert_into(source_states::table)
        .values(row)
        .on_conflict(once)
        .do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}

/// Moves a standing on and lets go of the claim, if nobody has moved it since `seen` changes. Whether it did.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn advance(
    c: &mut Conn,
    permit: &Permit,
    at: &Standpoint,
    seen: i64,
    new: &NewStanding,
) -> Result<bool, StoreError> {
    permit::exactly(permit, &at.resource())?;
    let own = source_states::table.find((&at.definition, &at.place)).filter(source_states::changes.eq(seen));
    let change = (
        source_states::position_digest.eq(new.position_digest.to_string()),
        source_states::position.eq(&new.position),
        source_states::next_at.eq(new.next_at.map(stamp)),
        source_states::resting.eq(new.resting),
        source_states::claim.eq(None::<String>),
        source_states::claim_until.eq(None::<chrono::NaiveDateTime>),
        source_states::failures.eq(new.failures),
        source_states::error.eq(&new.error),
        source_states::failed_at.eq(new.failed_at.map(stamp)),
        source_states::event_at.eq(new.event_at.map(stamp)),
        source_states::changes.eq(seen + 1),
    );
    Ok(diesel::update(own).set(change).execute(c)? == 1)
}

/// Takes a source for work that is done outside of a transaction, if nobody has moved or taken it. Its `changes` from
/// then on.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn claim(
    c: &mut Conn,
    permit: &Permit,
    at: &Standpoint,
    seen: i64,
    claim: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<i64>, StoreError> {
    permit::exactly(permit, &at.resource())?;
    let free = source_states::claim_until.is_null().or(source_states::claim_until.le(stamp(now))).assume_not_null();
    let own =
        source_states::table.find((&at.definition, &at.place)).filter(source_states::changes.eq(seen)).filter(free);
    let change = (
        source_states::claim.eq(Some(claim)),
        source_states::claim_until.eq(Some(stamp(until))),
        source_states::changes.eq(seen + 1),
    );
    Ok((diesel::update(own).set(change).execute(c)? == 1).then_some(seen + 1))
}

/// Ends a claim whose holder is gone, if nobody has moved the source. Its `changes` from then on.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn let_go(c: &mut Conn, permit: &Permit, at: &Standpoint, seen: i64) -> Result<i64, StoreError> {
    permit::exactly(permit, &at.resource())?;
    let own = source_states::table.find((&at.definition, &at.place)).filter(source_states::changes.eq(seen));
    let change = (
        source_states::claim.eq(None::<String>),
        source_states::claim_until.eq(None::<chrono::NaiveDateTime>),
        source_states::changes.eq(seen + 1),
    );
    Ok(if diesel::update(own).set(change).execute(c)? == 1 { seen + 1 } else { seen })
}

/// Whether a definition still is this revision, held so until the transaction ends.
///
/// # Errors
/// Those of the database.
pub fn still_defined(c: &mut Conn, definition: &str, revision: i64) -> Result<bool, StoreError> {
    let own = definitions::table
        .find(definition)
        .filter(definitions::revision.eq(revision))
        .filter(definitions::deleted_at.is_null())
        .select(definitions::id);
    let found: Option<String> = match c {
        Conn::Sqlite(c) => own.first(c).optional()?,
        // Whoever saves another revision meanwhile waits for the events of this one.
        Conn::Postgres(c) => own.for_share().first(c).optional()?,
    };
    Ok(found.is_some())
}

/// Forgets what is remembered of sources that were deleted. How many rows.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn forget_deleted(c: &mut Conn, permit: &Permit) -> Result<usize, StoreError> {
    permit::system(permit)?;
    let there = || definitions::table.filter(definitions::deleted_at.is_null()).select(definitions::id);
    let seen = source_seen::table.filter(source_seen::definition_id.ne_all(there()));
    let states = source_states::table.filter(source_states::definition_id.ne_all(there()));
    Ok(diesel::delete(seen).execute(c)? + diesel::delete(states).execute(c)?)
}
