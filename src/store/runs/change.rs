//! The compare-and-set change of a run's state.

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::RunNumber;
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::column::stamp;
use crate::store::connection::Conn;
use crate::store::error::StoreError;
use crate::store::schema::runs;

use super::{checked, lost};

/// A change of state, as `domain::run::next` decided it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The state that the decision started from.
    pub from: State,
    /// The state that it came to.
    pub to: State,
    /// Why, as a sentence; kept with runs that end.
    pub reason: String,
    /// The fence of the server that reports it; `None` for changes that no server's work stands behind.
    pub fence: Option<i64>,
}

/// Writes a change of state and the times that go with it.
///
/// # Errors
/// [`StoreError::Conflict`] when the run is no longer in `from`, or another server has taken it over;
/// [`StoreError::NotFound`]; [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn transition(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (state, fence) = checked(c, permit, number)?;
    let moved = |state: State| StoreError::conflict(format!("run {number} is {state} by now, not {}", change.from));
    if state != change.from {
        return Err(moved(state));
    }
    let fence = match change.fence {
        Some(own) if own != fence => return Err(lost(number)),
        _ => fence,
    };
    let now = stamp(now);
    let unchanged = runs::table
        .filter(runs::number.eq(number.get()))
        .filter(runs::state.eq(change.from.as_str()))
        .filter(runs::fence.eq(fence));
    // `None` leaves a column as it is.
    let times = (
        (change.to == State::Queued).then(|| runs::queued_at.eq(now)),
        (change.to == State::Running).then(|| runs::started_at.eq(now)),
        change.to.is_terminal().then(|| runs::ended_at.eq(now)),
        change.to.is_terminal().then(|| runs::end_reason.eq(&change.reason)),
        change.to.is_terminal().then(|| runs::lease_owner.eq(None::<String>)),
        change.to.is_terminal().then(|| runs::lease_until.eq(None::<chrono::NaiveDateTime>)),
    );
    match diesel::update(unchanged).set((runs::state.eq(change.to.as_str()), times)).execute(c)? {
        1 => Ok(()),
        _ => Err(StoreError::conflict(format!("run {number} was changed by somebody else at the same time"))),
    }
}

/// Notes the length of the log, and whether some of it is missing: what was missing once stays so, whoever goes on.
///
/// # Errors
/// [`StoreError::Conflict`] when another server has taken the run over; otherwise as [`transition`].
pub fn set_log(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    fence: i64,
    bytes: i64,
    truncated: bool,
) -> Result<(), StoreError> {
    checked(c, permit, number)?;
    let own = runs::table.filter(runs::number.eq(number.get())).filter(runs::fence.eq(fence));
    let truncated = truncated.then(|| runs::log_truncated.eq(true));
    match diesel::update(own).set((runs::log_bytes.eq(bytes), truncated)).execute(c)? {
        1 => Ok(()),
        _ => Err(lost(number)),
    }
}
