//! Asking again for what did not run: after a push back, a no, or a request that ran out or became void.

use std::collections::BTreeMap;

use super::App;
use super::approvals::Earlier;
use super::error::{AppError, AppResult};
use super::planning::{RunRequest, job_of};
use super::record::Source;
use super::runs::RunView;
use crate::domain::access::{Actor, Permission};
use crate::domain::ids::{ApprovalId, JobId, JobRef};
use crate::domain::option::RawValue;
use crate::domain::plan::difference::{Change, difference};
use crate::domain::plan::{Origin, Plan, PlannedValue};
use crate::domain::time::Timestamp;
use crate::store::approvals::{self as rows, ApprovalRecord};
use crate::store::{Conn, StoreError, runs};

impl App {
    /// What would be different now if a request that ended without a run were asked for again as it was.
    ///
    /// # Errors
    /// Why it cannot be: `not_over`, `asked_again`, `type_again`, and those of asking for the run.
    pub async fn again(&self, actor: &Actor, id: ApprovalId) -> AppResult<Vec<Change>> {
        let (old, request) = self.same_request(actor, id, Origin::Button).await?;
        let prepared = self.prepare(actor, &request).await?;
        Ok(difference(&old, &prepared.plan))
    }

    /// Asks again for the same job with the same values, nodes and reason, as things are now. The new request stands in the
    /// thread of the old one.
    ///
    /// # Errors
    /// As [`App::again`].
    pub async fn ask_again(
        &self,
        actor: &Actor,
        id: ApprovalId,
        origin: Origin,
        source: &Source,
    ) -> AppResult<RunView> {
        let (_, request) = self.same_request(actor, id, origin).await?;
        self.request_run_after(actor, request, Some(id), source).await
    }

    async fn same_request(&self, actor: &Actor, id: ApprovalId, origin: Origin) -> AppResult<(Plan, RunRequest)> {
        self.catalogue().await?;
        let (record, run, (text, digest)) = self
            .db
            .read(move |c| {
                let record = rows::get(c, id)?;
                let run = runs::get(c, record.run)?;
                let plan = runs::plan(c, record.run)?;
                Ok::<_, StoreError>((record, run, plan))
            })
            .await?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        self.authorize(actor, Permission::View, &resource)?;
        self.authorize(actor, Permission::Run, &resource)?;
        may_be_asked_again(&record)?;
        let plan = Plan::read_verified(&text, &digest).map_err(AppError::fault)?;
        let request = request_of(&plan, origin, self.clock.now())?;
        Ok((plan, request))
    }

    /// Whether a new request of a job may stand in the place of an old one.
    pub(super) async fn may_replace(&self, actor: &Actor, old: ApprovalId, job: &JobId) -> AppResult<()> {
        let found = self.db.read(move |c| {
            let record = rows::get(c, old)?;
            let run = runs::get(c, record.run)?;
            Ok::<_, StoreError>((record, run))
        });
        let (record, run) = found.await?;
        self.authorize(actor, Permission::View, &job_of(&run.project, &run.job_path, run.environment.as_ref()))?;
        if run.job_id != *job {
            let message = "That request was for another job. Ask for this one without naming it.";
            return Err(AppError::invalid("other_job", message));
        }
        may_be_asked_again(&record)
    }
}

fn may_be_asked_again(record: &ApprovalRecord) -> AppResult<()> {
    if !record.state.ended_without_run() {
        let message =
            format!("This request is {}; only one that ended without a run is asked again.", record.state.as_str());
        return Err(AppError::conflict("not_over", message));
    }
    if record.replaced_by.is_some() {
        return Err(AppError::conflict("asked_again", "This was asked again already; look at the newer request."));
    }
    Ok(())
}

/// The request that a plan was made from, as far as it can be made again.
fn request_of(plan: &Plan, origin: Origin, now: Timestamp) -> AppResult<RunRequest> {
    let mut values = BTreeMap::new();
    for (name, value) in &plan.options {
        match value {
            PlannedValue::Text { value } => {
                values.insert(name.to_string(), RawValue::Text(value.clone()));
            }
            // One of the key store is taken from there, in its newest version.
            PlannedValue::Secret { path, .. } if !path.starts_with("typed/") => {}
            PlannedValue::Secret { .. } | PlannedValue::File { .. } => {
                let message = format!(
                    "The option `{name}` was typed or uploaded for that one request and is not kept. Ask again on the job's page, where it can be given once more."
                );
                return Err(AppError::conflict("type_again", message));
            }
        }
    }
    let named = plan.narrowed.as_ref().is_some_and(|n| n.by_name);
    Ok(RunRequest {
        project: plan.project.clone(),
        job: JobRef::parse(plan.job.id.as_str())?,
        values,
        reason: plan.reason.clone(),
        nodes: named.then(|| plan.nodes.iter().map(|n| n.name.to_string()).collect()),
        node_filter: plan.narrowed.as_ref().and_then(|n| n.filter.clone()),
        start_at: plan.start_at.filter(|at| *at > now),
        origin,
        dry_run: false,
    })
}

/// The other requests of a thread with what was said on them, the first one first.
pub(super) fn thread_of(c: &mut Conn, record: &ApprovalRecord) -> Result<Vec<Earlier>, StoreError> {
    let mut out = Vec::new();
    for other in rows::thread(c, record.thread)? {
        if other.id == record.id {
            continue;
        }
        let (other, answers) = rows::get_signed(c, other.id)?;
        let reason = runs::get(c, other.run)?.reason;
        out.push(Earlier {
            id: other.id,
            run: other.run,
            state: other.state,
            requester: other.requester,
            reason,
            created_at: other.created_at,
            void_reason: other.void_reason,
            answers,
        });
    }
    Ok(out)
}
