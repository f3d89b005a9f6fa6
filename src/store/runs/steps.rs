//! The steps of a run on each node.

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::{NodeName, RunNumber, StepName, Ticket};
use crate::domain::run::StepState;
use crate::domain::time::Timestamp;
use crate::store::column::{MaybeStamp, stamp};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::schema::{run_steps, runs};

use super::{checked, lost};

/// A step on a node.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = run_steps, check_for_backend(MultiBackend))]
pub struct StepRecord {
    /// The node.
    pub node: NodeName,
    /// The step's place in the plan, from 0.
    pub step_index: i32,
    /// Its name.
    pub step_name: StepName,
    /// 1 for the first try.
    pub attempt: i32,
    /// Where it stands.
    pub state: StepState,
    /// The exit code, once there is one.
    pub exit_code: Option<i32>,
    /// What else there is to say, as a sentence.
    pub message: String,
    /// When it began.
    #[diesel(deserialize_as = MaybeStamp)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[diesel(deserialize_as = MaybeStamp)]
    pub ended_at: Option<Timestamp>,
    /// Names its files on the node; `None` for steps that were never to start.
    pub ticket: Option<Ticket>,
    /// Whether the node said that it had begun it, as [`set_begun`] notes for those that write nothing.
    pub begun: bool,
}

/// How a step stands now. Node, step and attempt say which one; the rest replaces what stood there, but for `begun`, which
/// stays.
pub type StepUpdate = StepRecord;

/// Writes how a step stands.
///
/// # Errors
/// [`StoreError::Conflict`] when another server has taken the run over; [`StoreError::PermitMismatch`] without a permit
/// for the job; those of the database.
pub fn put_step(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    fence: i64,
    step: &StepUpdate,
) -> Result<(), StoreError> {
    checked(c, permit, number)?;
    hold_fence(c, number, fence)?;
    use run_steps as s;
    let key = (
        s::run.eq(number.get()),
        s::node.eq(step.node.as_str()),
        s::step_index.eq(step.step_index),
        s::attempt.eq(step.attempt),
    );
    let rest = (
        s::step_name.eq(step.step_name.as_str()),
        s::state.eq(step.state.as_str()),
        s::exit_code.eq(step.exit_code),
        s::message.eq(&step.message),
        s::started_at.eq(step.started_at.map(stamp)),
        s::ended_at.eq(step.ended_at.map(stamp)),
        s::ticket.eq(step.ticket.as_ref().map(Ticket::as_str)),
    );
    on_each!(c, c => diesel::insert_into(s::table)
        .values((key, rest))
        .on_conflict((s::run, s::node, s::step_index, s::attempt))
        .do_update()
        .set(rest)
        .execute(c))?;
    Ok(())
}

/// Notes that the node has begun a step.
///
/// # Errors
/// As for [`put_step`].
pub fn set_begun(
    c: &mut Conn,
    permit: &Permit,
    number: RunNumber,
    fence: i64,
    node: &NodeName,
    (step_index, attempt): (i32, i32),
) -> Result<(), StoreError> {
    checked(c, permit, number)?;
    hold_fence(c, number, fence)?;
    let step = run_steps::table.find((number.get(), node.as_str(), step_index, attempt));
    diesel::update(step).set(run_steps::begun.eq(true)).execute(c)?;
    Ok(())
}

/// Makes sure that the fence is the run's and stays so until this transaction ends.
fn hold_fence(c: &mut Conn, number: RunNumber, fence: i64) -> Result<(), StoreError> {
    let current = runs::table.find(number.get()).select(runs::fence);
    let current: Option<i64> = match c {
        // The one writer keeps everybody else out anyway.
        Conn::Sqlite(c) => current.first(c).optional()?,
        Conn::Postgres(c) => current.for_share().first(c).optional()?,
    };
    if current == Some(fence) { Ok(()) } else { Err(lost(number)) }
}

/// The steps of a run, by node, step and attempt.
///
/// # Errors
/// Those of the database.
pub fn steps(c: &mut Conn, number: RunNumber) -> Result<Vec<StepRecord>, StoreError> {
    Ok(run_steps::table
        .filter(run_steps::run.eq(number.get()))
        .order((run_steps::node, run_steps::step_index, run_steps::attempt))
        .select(StepRecord::as_select())
        .load(c)?)
}
