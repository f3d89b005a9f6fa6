//! Timers of approval requests. They are written and taken away in the transaction of what they belong to.

use diesel::prelude::*;

use super::approvals::ApprovalRecord;
use super::column::{Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::approval_timers;
use crate::domain::access::Permit;
use crate::domain::approval::TimerKind;
use crate::domain::ids::ApprovalId;
use crate::domain::time::Timestamp;

/// A timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = approval_timers, check_for_backend(MultiBackend))]
pub struct TimerRecord {
    /// The request that it belongs to.
    pub approval: ApprovalId,
    /// What it does.
    pub kind: TimerKind,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub due_at: Timestamp,
}

/// Sets a timer, also where there is one of its kind.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the request's job; those of the database.
pub fn set(
    c: &mut Conn,
    permit: &Permit,
    request: &ApprovalRecord,
    kind: TimerKind,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    permit::job(permit, &request.project, &request.job_path)?;
    let id = request.id.to_string();
    diesel::delete(approval_timers::table.find((&id, kind.as_str()))).execute(c)?;
    let row = (
        approval_timers::approval.eq(&id),
        approval_timers::kind.eq(kind.as_str()),
        approval_timers::due_at.eq(stamp(due_at)),
    );
    diesel::insert_into(approval_timers::table).values(row).execute(c)?;
    Ok(())
}

/// Takes a timer that has come away; whether it was still there, so that it does its work once.
///
/// # Errors
/// As [`set`].
pub fn take(c: &mut Conn, permit: &Permit, request: &ApprovalRecord, timer: &TimerRecord) -> Result<bool, StoreError> {
    permit::job(permit, &request.project, &request.job_path)?;
    let there = approval_timers::table
        .find((timer.approval.to_string(), timer.kind.as_str()))
        .filter(approval_timers::due_at.eq(stamp(timer.due_at)));
    Ok(diesel::delete(there).execute(c)? == 1)
}

/// Takes all timers of a request away.
///
/// # Errors
/// As [`set`].
pub fn cancel(c: &mut Conn, permit: &Permit, request: &ApprovalRecord) -> Result<(), StoreError> {
    permit::job(permit, &request.project, &request.job_path)?;
    let of_request = approval_timers::table.filter(approval_timers::approval.eq(request.id.to_string()));
    diesel::delete(of_request).execute(c)?;
    Ok(())
}

/// Timers whose time has come, the earliest first.
///
/// # Errors
/// Those of the database.
pub fn due(c: &mut Conn, now: Timestamp, wanted: u32) -> Result<Vec<TimerRecord>, StoreError> {
    Ok(approval_timers::table
        .filter(approval_timers::due_at.le(stamp(now)))
        .order((approval_timers::due_at, approval_timers::approval, approval_timers::kind))
        .limit(limit(wanted))
        .select(TimerRecord::as_select())
        .load(c)?)
}

/// The timers of a request.
///
/// # Errors
/// Those of the database.
pub fn of_request(c: &mut Conn, id: ApprovalId) -> Result<Vec<TimerRecord>, StoreError> {
    Ok(approval_timers::table
        .filter(approval_timers::approval.eq(id.to_string()))
        .order(approval_timers::kind)
        .select(TimerRecord::as_select())
        .load(c)?)
}
