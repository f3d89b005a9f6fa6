//! A new run with all its rows.

use diesel::prelude::*;

use crate::domain::access::{Permit, Principal};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, Environment, JobId, JobPath, NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::plan::Origin;
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::column::{json, stamp};
use crate::store::connection::{Conn, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::{run_nodes, run_options, run_plans, runs};

/// A run to be made. The caller has decided the first state and frozen the plan.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The project.
    pub project: ProjectName,
    /// The job.
    pub job_id: JobId,
    /// Its group and name.
    pub job_path: JobPath,
    /// Its revision.
    pub job_revision: i64,
    /// From `domain::run::first`.
    pub state: State,
    /// Who asks.
    pub requester: Principal,
    /// How they ask.
    pub origin: Origin,
    /// Why, in their words.
    pub reason: String,
    /// The plan's canonical JSON.
    pub plan: String,
    /// Its digest.
    pub plan_digest: Digest,
    /// The strictest environment among the nodes.
    pub environment: Option<Environment>,
    /// When it is to start, if not at once.
    pub start_at: Option<Timestamp>,
    /// Its approval request, whose row is written after this one.
    pub approval_id: Option<ApprovalId>,
    /// 1 for the first try.
    pub attempt: i32,
    /// What runs are counted by for the job's limit.
    pub concurrency_key: Option<String>,
    /// The option values that may be shown; never secrets.
    pub options: Vec<(OptionName, String)>,
    /// The nodes in the order of the plan.
    pub nodes: Vec<NodeName>,
}

/// Writes the run and gives it its number.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn create(c: &mut Conn, permit: &Permit, new: &NewRun, now: Timestamp) -> Result<RunNumber, StoreError> {
    permit::job(permit, &new.project, &new.job_path)?;
    let now = stamp(now);
    let at_if = |yes: bool| yes.then_some(now);
    let row = (
        runs::project.eq(new.project.as_str()),
        runs::job_id.eq(new.job_id.as_str()),
        runs::job_path.eq(new.job_path.to_string()),
        runs::job_revision.eq(new.job_revision),
        runs::state.eq(new.state.as_str()),
        runs::requester.eq(new.requester.to_string()),
        runs::origin_word.eq(new.origin.word()),
        runs::origin.eq(json(&new.origin)?),
        runs::reason.eq(&new.reason),
        runs::plan_digest.eq(new.plan_digest.to_string()),
        runs::environment.eq(new.environment.as_ref().map(Environment::as_str)),
        runs::start_at.eq(new.start_at.map(stamp)),
        runs::created_at.eq(now),
        runs::queued_at.eq(at_if(new.state == State::Queued)),
        runs::ended_at.eq(at_if(new.state.is_terminal())),
        runs::end_reason.eq(""),
        runs::approval_id.eq(new.approval_id.map(|id| id.to_string())),
        runs::attempt.eq(new.attempt),
        runs::fence.eq(0),
        runs::concurrency_key.eq(&new.concurrency_key),
        runs::log_bytes.eq(0),
        runs::log_truncated.eq(false),
    );
    let number: i64 = diesel::insert_into(runs::table).values(row).returning(runs::number).get_result(c)?;
    let plan = (run_plans::run.eq(number), run_plans::plan.eq(&new.plan));
    diesel::insert_into(run_plans::table).values(plan).execute(c)?;
    write_options(c, number, &new.options)?;
    write_nodes(c, number, &new.nodes)?;
    Ok(RunNumber::new(number))
}

fn write_options(c: &mut Conn, run: i64, options: &[(OptionName, String)]) -> Result<(), StoreError> {
    let rows: Vec<_> = options
        .iter()
        .map(|(name, value)| {
            (
                run_options::run.eq(run),
                run_options::name.eq(name.as_str()),
                run_options::value.eq(value),
                run_options::value_digest.eq(Digest::of(value.as_bytes()).to_string()),
            )
        })
        .collect();
    on_each!(c, c => diesel::insert_into(run_options::table).values(&rows).execute(c))?;
    Ok(())
}

fn write_nodes(c: &mut Conn, run: i64, nodes: &[NodeName]) -> Result<(), StoreError> {
    let rows: Vec<_> = nodes
        .iter()
        .zip(0i32..)
        .map(|(node, position)| {
            (run_nodes::run.eq(run), run_nodes::node.eq(node.as_str()), run_nodes::position.eq(position))
        })
        .collect();
    // A statement may hold so many values; PostgreSQL's limit is 65,535.
    for piece in rows.chunks(5_000) {
        on_each!(c, c => diesel::insert_into(run_nodes::table).values(piece).execute(c))?;
    }
    Ok(())
}
