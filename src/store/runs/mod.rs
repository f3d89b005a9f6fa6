//! Runs: their rows, options, nodes and steps.
//!
//! What a run's next state is, `domain::run::next` says; here it is only written, and only from the state that the
//! decision started from.

mod change;
mod create;
mod lease;
mod limit;
mod list;
mod steps;

use diesel::prelude::*;

use crate::domain::access::{Permit, Principal};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, Environment, JobId, JobPath, NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::plan::Origin;
use crate::domain::run::State;
use crate::domain::time::Timestamp;

use super::column::{Json, MaybeStamp, Stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::permit;
use super::schema::{run_nodes, run_options, run_plans, runs};

pub use change::{Change, set_log, transition};
pub use create::{NewRun, create};
pub use lease::{ClaimedRun, Lapse, claim, due, extend_lease, leased, queued, set_attempt};
pub use limit::{count_under_way, hold_limit, under_way_and_next};
pub use list::{Filter, Outcome, count_open, last_success, list, prune, recent_outcomes};
pub use steps::{StepRecord, StepUpdate, put_step, set_begun, steps};

/// A run without its plan, which is read by [`plan`].
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = runs, check_for_backend(MultiBackend))]
pub struct RunRecord {
    /// The number that people say.
    pub number: RunNumber,
    /// The project.
    pub project: ProjectName,
    /// The job.
    pub job_id: JobId,
    /// The job's group and name when the run was asked for.
    pub job_path: JobPath,
    /// The job's revision.
    pub job_revision: i64,
    /// Where it stands.
    pub state: State,
    /// Who asked.
    pub requester: Principal,
    /// How they asked.
    #[diesel(deserialize_as = Json<Origin>)]
    pub origin: Origin,
    /// Why, in their words.
    pub reason: String,
    /// The digest of its plan.
    pub plan_digest: Digest,
    /// The strictest environment among its nodes.
    pub environment: Option<Environment>,
    /// When it is to start, if not at once.
    #[diesel(deserialize_as = MaybeStamp)]
    pub start_at: Option<Timestamp>,
    /// When it was asked for.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// When it might have started.
    #[diesel(deserialize_as = MaybeStamp)]
    pub queued_at: Option<Timestamp>,
    /// When a server began with it.
    #[diesel(deserialize_as = MaybeStamp)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[diesel(deserialize_as = MaybeStamp)]
    pub ended_at: Option<Timestamp>,
    /// Why it ended as it did, as a sentence; empty while there is nothing to say.
    pub end_reason: String,
    /// Its approval request.
    pub approval_id: Option<ApprovalId>,
    /// The attempt that is under way, 1 for the first.
    pub attempt: i32,
    /// The server that works on it.
    pub lease_owner: Option<String>,
    /// Until when that server has it for itself.
    #[diesel(deserialize_as = MaybeStamp)]
    pub lease_until: Option<Timestamp>,
    /// Counts the servers that took it; writes of an earlier one are refused.
    pub fence: i64,
    /// What runs are counted by for the job's limit.
    pub concurrency_key: Option<String>,
    /// The length of its log.
    pub log_bytes: i64,
    /// Whether the log was cut at its limit.
    pub log_truncated: bool,
    /// How long servers have worked on it, in milliseconds by their own steady clocks.
    pub worked_ms: i64,
}

fn missing(number: RunNumber) -> StoreError {
    StoreError::not_found(format!("run {number}"))
}

/// The run of this number.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, number: RunNumber) -> Result<Option<RunRecord>, StoreError> {
    Ok(runs::table.find(number.get()).select(RunRecord::as_select()).first(c).optional()?)
}

/// The run of this number.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get(c: &mut Conn, number: RunNumber) -> Result<RunRecord, StoreError> {
    find(c, number)?.ok_or_else(|| missing(number))
}

/// The stored plan and the digest that was recorded for it; `domain::plan::Plan::read_verified` holds them together.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn plan(c: &mut Conn, number: RunNumber) -> Result<(String, Digest), StoreError> {
    let both = runs::table.inner_join(run_plans::table).filter(runs::number.eq(number.get()));
    let found = both.select((run_plans::plan, runs::plan_digest)).first(c).optional()?;
    found.ok_or_else(|| missing(number))
}

/// The option values that may be shown, by name.
///
/// # Errors
/// Those of the database.
pub fn options(c: &mut Conn, number: RunNumber) -> Result<Vec<(OptionName, String)>, StoreError> {
    Ok(run_options::table
        .filter(run_options::run.eq(number.get()))
        .order(run_options::name)
        .select((run_options::name, run_options::value))
        .load(c)?)
}

/// The nodes in the order of the plan.
///
/// # Errors
/// Those of the database.
pub fn nodes(c: &mut Conn, number: RunNumber) -> Result<Vec<NodeName>, StoreError> {
    let mut rows: Vec<(i32, NodeName)> = run_nodes::table
        .filter(run_nodes::run.eq(number.get()))
        .select((run_nodes::position, run_nodes::node))
        .load(c)?;
    rows.sort_by_key(|(position, _)| *position);
    Ok(rows.into_iter().map(|(_, node)| node).collect())
}

/// Holds the permit against the run's job and gives the run's state and fence.
fn checked(c: &mut Conn, permit: &Permit, number: RunNumber) -> Result<(State, i64), StoreError> {
    let found: Option<(ProjectName, JobPath, State, i64)> = runs::table
        .find(number.get())
        .select((runs::project, runs::job_path, runs::state, runs::fence))
        .first(c)
        .optional()?;
    let (project, path, state, fence) = found.ok_or_else(|| missing(number))?;
    permit::job(permit, &project, &path)?;
    Ok((state, fence))
}

fn lost(number: RunNumber) -> StoreError {
    StoreError::conflict(format!("another server has taken over run {number}"))
}
