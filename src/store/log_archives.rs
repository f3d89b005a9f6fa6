//! Which logs of ended runs are in a bucket, which wait for it, and which are to be removed from it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::bucket::Stored;
use super::column::{Json, MaybeStamp, Stamp, json, stamp, unwraps_json, words};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::{log_archives, runs};
use crate::domain::access::Permit;
use crate::domain::ids::RunNumber;
use crate::domain::run::State;
use crate::domain::time::Timestamp;

words! {
    /// Where a log stands on its way to the bucket and out of it.
    ArchiveState, "a state of an archived log" {
        /// It is on a local disk only.
        Waiting => "waiting",
        /// It is in the bucket, and was read back.
        Stored => "stored",
        /// Its run is gone, its objects are still to be removed.
        Unwanted => "unwanted",
    }
}

/// The objects of a log, by the names of the files that they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Objects(pub BTreeMap<String, Stored>);

unwraps_json!(Objects);

/// A log's place in the bucket.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = log_archives, check_for_backend(MultiBackend))]
pub struct ArchiveRecord {
    /// The run.
    pub run: RunNumber,
    /// Where it stands.
    pub state: ArchiveState,
    /// The installation's id, which its keys begin with.
    pub installation: String,
    /// What is in the bucket, or may be there in part.
    #[diesel(deserialize_as = Json<Objects>)]
    pub objects: Objects,
    /// How often an upload, or the removal, has failed.
    pub failed: i32,
    /// What went wrong last.
    pub error: String,
    /// Nobody tries before this.
    #[diesel(deserialize_as = Stamp)]
    pub next_at: Timestamp,
    /// When it was read back.
    #[diesel(deserialize_as = MaybeStamp)]
    pub stored_at: Option<Timestamp>,
}

/// The log of this run, if anything was begun with it.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, run: RunNumber) -> Result<Option<ArchiveRecord>, StoreError> {
    Ok(log_archives::table.find(run.get()).select(ArchiveRecord::as_select()).first(c).optional()?)
}

/// Of these runs those that have ended, with the length of their log and what was begun with it.
///
/// # Errors
/// Those of the database.
pub fn ended(c: &mut Conn, numbers: &[RunNumber]) -> Result<Vec<(RunNumber, i64, Option<ArchiveRecord>)>, StoreError> {
    let numbers: Vec<i64> = numbers.iter().map(|n| n.get()).collect();
    let over: Vec<&str> = State::ALL.into_iter().filter(|s| s.is_terminal()).map(State::as_str).collect();
    let found: Vec<(RunNumber, i64)> = runs::table
        .filter(runs::number.eq_any(&numbers))
        .filter(runs::state.eq_any(over))
        .order(runs::number)
        .select((runs::number, runs::log_bytes))
        .load(c)?;
    let archives: Vec<ArchiveRecord> =
        log_archives::table.filter(log_archives::run.eq_any(&numbers)).select(ArchiveRecord::as_select()).load(c)?;
    let mut archives: BTreeMap<RunNumber, ArchiveRecord> = archives.into_iter().map(|a| (a.run, a)).collect();
    Ok(found.into_iter().map(|(run, bytes)| (run, bytes, archives.remove(&run))).collect())
}

/// Begins with an upload, so that nobody else does until a time; whether nobody else has. What the bucket may hold from now
/// on is noted first, so that it is found when the upload breaks off.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; [`StoreError::Conflict`] when somebody else was
/// faster; those of the database.
pub fn begin(
    c: &mut Conn,
    permit: &Permit,
    run: RunNumber,
    installation: &str,
    objects: &Objects,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change = (
        log_archives::installation.eq(installation),
        log_archives::objects.eq(json(objects)?),
        log_archives::next_at.eq(stamp(until)),
    );
    if find(c, run)?.is_none() {
        let new = (
            log_archives::run.eq(run.get()),
            log_archives::state.eq(ArchiveState::Waiting.as_str()),
            log_archives::failed.eq(0),
            log_archives::error.eq(""),
            change,
        );
        return Ok(diesel::insert_into(log_archives::table).values(new).execute(c)? == 1);
    }
    let free = log_archives::table
        .filter(log_archives::run.eq(run.get()))
        .filter(log_archives::state.eq(ArchiveState::Waiting.as_str()))
        .filter(log_archives::next_at.le(stamp(now)));
    Ok(diesel::update(free).set(change).execute(c)? == 1)
}

/// Notes that the log is in the bucket; whether it was still wanted there.
///
/// # Errors
/// As [`begin`].
pub fn stored(
    c: &mut Conn,
    permit: &Permit,
    run: RunNumber,
    objects: &Objects,
    now: Timestamp,
) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let waiting = log_archives::table
        .filter(log_archives::run.eq(run.get()))
        .filter(log_archives::state.eq(ArchiveState::Waiting.as_str()));
    let change = (
        log_archives::state.eq(ArchiveState::Stored.as_str()),
        log_archives::objects.eq(json(objects)?),
        log_archives::error.eq(""),
        log_archives::stored_at.eq(stamp(now)),
    );
    Ok(diesel::update(waiting).set(change).execute(c)? == 1)
}

/// Notes that an upload or a removal failed, and when it is tried again.
///
/// # Errors
/// As [`begin`].
pub fn failed(
    c: &mut Conn,
    permit: &Permit,
    run: RunNumber,
    failed: u32,
    error: &str,
    next_at: Timestamp,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    let unfinished = log_archives::table
        .filter(log_archives::run.eq(run.get()))
        .filter(log_archives::state.ne(ArchiveState::Stored.as_str()));
    let change = (
        log_archives::failed.eq(i32::try_from(failed).unwrap_or(i32::MAX)),
        log_archives::error.eq(error),
        log_archives::next_at.eq(stamp(next_at)),
    );
    diesel::update(unfinished).set(change).execute(c)?;
    Ok(())
}

/// Notes that the objects of these runs are to be removed: at once, or when an upload that is under way has to be over.
///
/// # Errors
/// As [`begin`].
pub fn unwant(c: &mut Conn, permit: &Permit, numbers: &[RunNumber], now: Timestamp) -> Result<(), StoreError> {
    permit::system(permit)?;
    let numbers: Vec<i64> = numbers.iter().map(|n| n.get()).collect();
    let theirs = log_archives::table.filter(log_archives::run.eq_any(&numbers));
    let at_once = theirs.filter(log_archives::state.eq(ArchiveState::Stored.as_str()));
    diesel::update(at_once).set(log_archives::next_at.eq(stamp(now))).execute(c)?;
    let change = (log_archives::state.eq(ArchiveState::Unwanted.as_str()), log_archives::failed.eq(0));
    let theirs = log_archives::table.filter(log_archives::run.eq_any(numbers));
    diesel::update(theirs).set(change).execute(c)?;
    Ok(())
}

/// Logs whose objects are to be removed now.
///
/// # Errors
/// Those of the database.
pub fn unwanted(c: &mut Conn, now: Timestamp, wanted: u32) -> Result<Vec<ArchiveRecord>, StoreError> {
    Ok(log_archives::table
        .filter(log_archives::state.eq(ArchiveState::Unwanted.as_str()))
        .filter(log_archives::next_at.le(stamp(now)))
        .order(log_archives::next_at)
        .limit(limit(wanted))
        .select(ArchiveRecord::as_select())
        .load(c)?)
}

/// Logs that are not where they should be because something failed, the longest failing first.
///
/// # Errors
/// Those of the database.
pub fn failing(c: &mut Conn, wanted: u32) -> Result<Vec<ArchiveRecord>, StoreError> {
    Ok(log_archives::table
        .filter(log_archives::state.ne(ArchiveState::Stored.as_str()))
        .filter(log_archives::failed.gt(0))
        .order((log_archives::failed.desc(), log_archives::run))
        .limit(limit(wanted))
        .select(ArchiveRecord::as_select())
        .load(c)?)
}

/// Forgets a log whose objects are removed.
///
/// # Errors
/// As [`begin`].
pub fn forget(c: &mut Conn, permit: &Permit, run: RunNumber) -> Result<(), StoreError> {
    permit::system(permit)?;
    let unwanted = log_archives::table
        .filter(log_archives::run.eq(run.get()))
        .filter(log_archives::state.eq(ArchiveState::Unwanted.as_str()));
    diesel::delete(unwanted).execute(c)?;
    Ok(())
}
