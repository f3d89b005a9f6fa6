//! Which server works on a run: leases that run out, and a fence that counts who took it.

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::RunNumber;
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::column::stamp;
use crate::store::connection::{Conn, MultiBackend};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::schema::runs;

use super::{RunRecord, checked, get, lost};

/// A run that the caller has for itself until the lease runs out.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedRun {
    /// The run, with the lease in place.
    pub run: RunRecord,
    /// Goes into every later write and into the lock on the node.
    pub fence: i64,
}

type Condition<'a> = Box<dyn BoxableExpression<runs::table, MultiBackend, SqlType = diesel::sql_types::Bool> + 'a>;

fn free(now: Timestamp) -> Condition<'static> {
    let now = stamp(now);
    Box::new(runs::lease_until.is_null().or(runs::lease_until.lt(now)).assume_not_null())
}

/// What makes a run free to be taken beside a lease that has run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lapse {
    /// Nothing else does.
    None,
    /// The server of that name is known to be gone.
    ServerGone(String),
    /// The lease still is the one until then that was seen for long enough: nobody extends it, whatever the clocks say.
    NotExtended(Timestamp),
}

/// Runs that are queued, the longest waiting first, also those that a server is about to start.
///
/// # Errors
/// Those of the database.
pub fn queued(c: &mut Conn, wanted: u32) -> Result<Vec<RunRecord>, StoreError> {
    Ok(runs::table
        .filter(runs::state.eq(State::Queued.as_str()))
        .order((runs::queued_at, runs::number))
        .limit(limit(wanted))
        .select(RunRecord::as_select())
        .load(c)?)
}

/// Takes this run if it is queued or under way and no other server's lease holds. The state stays; the caller moves it in
/// the same transaction.
///
/// # Errors
/// [`StoreError::PermitMismatch`]; [`StoreError::NotFound`]; those of the database.
pub fn claim(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    owner: &str,
    lapse: Lapse,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<ClaimedRun>, StoreError> {
    checked(c, permit, number)?;
    let states = [State::Queued, State::Running, State::Canceling].map(State::as_str);
    let open: Condition<'_> = match lapse {
        Lapse::None => free(now),
        Lapse::ServerGone(gone) => Box::new(free(now).or(runs::lease_owner.eq(gone).assume_not_null())),
        Lapse::NotExtended(seen) => Box::new(free(now).or(runs::lease_until.eq(stamp(seen)).assume_not_null())),
    };
    let target = runs::table.filter(runs::number.eq(number.get())).filter(runs::state.eq_any(states)).filter(open);
    let lease = (runs::lease_owner.eq(owner), runs::lease_until.eq(stamp(until)), runs::fence.eq(runs::fence + 1));
    if diesel::update(target).set(lease).execute(c)? == 0 {
        return Ok(None);
    }
    let run = get(c, number)?;
    Ok(Some(ClaimedRun { fence: run.fence, run }))
}

/// Extends the lease, and adds to the time that servers have worked on the run.
///
/// # Errors
/// [`StoreError::Conflict`] when another server has taken the run over or it has ended: stop working on it.
pub fn extend_lease(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    fence: i64,
    until: Timestamp,
    worked_ms: i64,
) -> Result<(), StoreError> {
    checked(c, permit, number)?;
    let change = (runs::lease_until.eq(stamp(until)), runs::worked_ms.eq(runs::worked_ms + worked_ms));
    let own = runs::table
        .filter(runs::number.eq(number.get()))
        .filter(runs::fence.eq(fence))
        .filter(runs::lease_until.is_not_null());
    match diesel::update(own).set(change).execute(c)? {
        1 => Ok(()),
        _ => Err(lost(number)),
    }
}

/// Notes which attempt is under way.
///
/// # Errors
/// As [`extend_lease`].
pub fn set_attempt(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    fence: i64,
    attempt: i32,
) -> Result<(), StoreError> {
    checked(c, permit, number)?;
    let own = runs::table.filter(runs::number.eq(number.get())).filter(runs::fence.eq(fence));
    match diesel::update(own).set(runs::attempt.eq(attempt)).execute(c)? {
        1 => Ok(()),
        _ => Err(lost(number)),
    }
}

/// Scheduled runs whose time has come, the earliest first.
///
/// # Errors
/// Those of the database.
pub fn due(c: &mut Conn, now: Timestamp, wanted: u32) -> Result<Vec<RunRecord>, StoreError> {
    Ok(runs::table
        .filter(runs::state.eq(State::Scheduled.as_str()))
        .filter(runs::start_at.le(stamp(now)))
        .order(runs::start_at)
        .limit(limit(wanted))
        .select(RunRecord::as_select())
        .load(c)?)
}

/// Runs under way, those first whose server has been silent for longest.
///
/// # Errors
/// Those of the database.
pub fn leased(c: &mut Conn, wanted: u32) -> Result<Vec<RunRecord>, StoreError> {
    let mut found = Vec::new();
    for state in [State::Running, State::Canceling] {
        let some: Vec<RunRecord> = runs::table
            .filter(runs::state.eq(state.as_str()))
            .order(runs::lease_until)
            .limit(limit(wanted))
            .select(RunRecord::as_select())
            .load(c)?;
        found.extend(some);
    }
    found.sort_by_key(|run| run.lease_until);
    Ok(found)
}
