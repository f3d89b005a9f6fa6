//! Runs that did not wait for signatures, and who looked at them afterwards.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::column::{Json, MaybeStamp, Stamp, json, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::break_glass;
use crate::domain::access::Permit;
use crate::domain::digest::Digest;
use crate::domain::ids::{FreezeName, JobPath, ProjectName, RunNumber, UserName};
use crate::domain::time::Timestamp;

/// A run that did not wait.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = break_glass, check_for_backend(MultiBackend))]
pub struct BreakGlassRecord {
    /// The run.
    pub run: RunNumber,
    /// Its project.
    pub project: ProjectName,
    /// Its job.
    pub job_path: JobPath,
    /// The policy that it did not wait for.
    pub policy: String,
    /// The digest of what ran.
    pub plan_digest: Digest,
    /// Who ran it.
    #[diesel(column_name = user_name)]
    pub user: UserName,
    /// The accounts of that person then.
    #[diesel(deserialize_as = Json<BTreeSet<UserName>>)]
    pub known_as: BTreeSet<UserName>,
    /// Why, in their words.
    pub reason: String,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// Until when somebody else has to look at it.
    #[diesel(deserialize_as = Stamp)]
    pub review_by: Timestamp,
    /// Who looked at it.
    pub reviewed_by: Option<UserName>,
    /// When.
    #[diesel(deserialize_as = MaybeStamp)]
    pub reviewed_at: Option<Timestamp>,
    /// What they said.
    pub note: Option<String>,
    /// The change freezes that were on and did not hold it back.
    #[diesel(deserialize_as = Json<Vec<FreezeName>>)]
    pub freezes: Vec<FreezeName>,
    /// When whoever can review it is told that it is overdue.
    #[diesel(deserialize_as = MaybeStamp)]
    pub remind_at: Option<Timestamp>,
}

/// Notes a run that does not wait.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn create(c: &mut Conn, permit: &Permit, new: &BreakGlassRecord) -> Result<(), StoreError> {
    permit::job(permit, &new.project, &new.job_path)?;
    let row = (
        break_glass::run.eq(new.run.get()),
        break_glass::project.eq(new.project.as_str()),
        break_glass::job_path.eq(new.job_path.to_string()),
        break_glass::policy.eq(&new.policy),
        break_glass::plan_digest.eq(new.plan_digest.to_string()),
        break_glass::user_name.eq(new.user.as_str()),
        break_glass::known_as.eq(json(&new.known_as)?),
        break_glass::reason.eq(&new.reason),
        break_glass::created_at.eq(stamp(new.created_at)),
        break_glass::review_by.eq(stamp(new.review_by)),
        break_glass::freezes.eq(json(&new.freezes)?),
        break_glass::remind_at.eq(new.remind_at.map(stamp)),
    );
    diesel::insert_into(break_glass::table).values(row).execute(c)?;
    Ok(())
}

/// What is noted of a run; `None` for one that went the usual way.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, run: RunNumber) -> Result<Option<BreakGlassRecord>, StoreError> {
    Ok(break_glass::table.find(run.get()).select(BreakGlassRecord::as_select()).first(c).optional()?)
}

/// Runs that did not wait, the newest first; those that nobody has looked at come before all others.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, wanted: u32) -> Result<Vec<BreakGlassRecord>, StoreError> {
    let order = (break_glass::created_at.desc(), break_glass::run.desc());
    let open = break_glass::table.filter(break_glass::reviewed_at.is_null()).order(order).limit(limit(wanted));
    let mut all: Vec<BreakGlassRecord> = open.select(BreakGlassRecord::as_select()).load(c)?;
    let done = break_glass::table.filter(break_glass::reviewed_at.is_not_null()).order(order).limit(limit(wanted));
    all.extend(done.select(BreakGlassRecord::as_select()).load(c)?);
    Ok(all)
}

/// Notes that somebody has looked at it.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody has already; [`StoreError::PermitMismatch`] without a permit for the job; those
/// of the database.
pub fn review(
    c: &mut Conn,
    permit: &Permit,
    record: &BreakGlassRecord,
    by: &UserName,
    note: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::job(permit, &record.project, &record.job_path)?;
    let open =
        break_glass::table.filter(break_glass::run.eq(record.run.get())).filter(break_glass::reviewed_at.is_null());
    let change = (
        break_glass::reviewed_by.eq(by.as_str()),
        break_glass::reviewed_at.eq(stamp(now)),
        break_glass::note.eq(note),
        break_glass::remind_at.eq(None::<chrono::NaiveDateTime>),
    );
    match diesel::update(open).set(change).execute(c)? {
        1 => Ok(()),
        _ => Err(StoreError::conflict("it was reviewed already")),
    }
}

/// Runs whose reviewers are to be told now that the review is overdue, the earliest first.
///
/// # Errors
/// Those of the database.
pub fn due(c: &mut Conn, now: Timestamp, wanted: u32) -> Result<Vec<BreakGlassRecord>, StoreError> {
    Ok(break_glass::table
        .filter(break_glass::remind_at.le(stamp(now)))
        .order((break_glass::remind_at, break_glass::run))
        .limit(limit(wanted))
        .select(BreakGlassRecord::as_select())
        .load(c)?)
}

/// Moves the reminder of a run on, so that it is told once; whether it was still there.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn remind_again(
    c: &mut Conn,
    permit: &Permit,
    seen: &BreakGlassRecord,
    next: Timestamp,
) -> Result<bool, StoreError> {
    permit::job(permit, &seen.project, &seen.job_path)?;
    let there = break_glass::table
        .filter(break_glass::run.eq(seen.run.get()))
        .filter(break_glass::remind_at.eq(seen.remind_at.map(stamp)));
    Ok(diesel::update(there).set(break_glass::remind_at.eq(stamp(next))).execute(c)? == 1)
}
