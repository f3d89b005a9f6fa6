//! Runs: looking at them, stopping one.

use std::collections::BTreeMap;

use serde_json::json;

use super::App;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::planning::job_of;
use super::record::Source;
pub use super::run_list::{RunFilter, RunPage};
use crate::domain::access::{Actor, Permission, Principal, Resource};
use crate::domain::ids::{ApprovalId, Environment, JobId, JobPath, ProjectName, RunNumber};
use crate::domain::plan::{Origin, Plan};
use crate::domain::run::{RunEvent, State};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::runs::{self as rows, RunRecord, StepRecord};

/// A run as lists and pages show it.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Its number.
    pub number: RunNumber,
    /// The project.
    pub project: ProjectName,
    /// The job's id.
    pub job_id: JobId,
    /// The job's name at that time.
    pub job: JobPath,
    /// The job's revision.
    pub job_revision: i64,
    /// Where it stands.
    pub state: State,
    /// Who asked.
    pub requester: Principal,
    /// How they asked.
    pub origin: Origin,
    /// Why.
    pub reason: String,
    /// The strictest environment.
    pub environment: Option<Environment>,
    /// The plan's digest.
    pub digest: crate::domain::digest::Digest,
    /// Its times.
    pub start_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When work began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended as it did.
    pub end_reason: String,
    /// The approval request, if it needs one.
    pub approval: Option<ApprovalId>,
    /// The length of the log in bytes.
    pub log_bytes: i64,
    /// Whether the log could not be kept whole.
    pub log_truncated: bool,
}

/// A run with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct RunDetail {
    /// The run.
    pub run: RunView,
    /// The frozen plan.
    pub plan: Plan,
    /// Every step on every node.
    pub steps: Vec<StepRecord>,
    /// Whether the one who asks may cancel it.
    pub may_cancel: bool,
    /// Whether they may ask for such a run.
    pub may_run: bool,
    /// Whether they may take its signed document.
    pub may_document: bool,
}

impl App {
    /// The run's record, if the actor may see it.
    pub(crate) async fn visible_run(&self, actor: &Actor, number: RunNumber) -> AppResult<RunRecord> {
        self.catalogue().await?;
        let run = self.db.read(move |c| rows::find(c, number)).await?.ok_or_else(AppError::not_found)?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        self.authorize(actor, Permission::View, &resource)?;
        Ok(run)
    }

    /// A run with its plan and steps.
    ///
    /// # Errors
    /// Not found, also when it may not be seen; a fault when the stored plan does not have its digest.
    pub async fn run(&self, actor: &Actor, number: RunNumber) -> AppResult<RunDetail> {
        let run = self.visible_run(actor, number).await?;
        let ((plan, digest), steps) =
            self.db.read(move |c| Ok::<_, StoreError>((rows::plan(c, number)?, rows::steps(c, number)?))).await?;
        let plan = Plan::read_verified(&plan, &digest).map_err(AppError::fault)?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        let may = |permission| self.authorize(actor, permission, &resource).is_ok();
        let may_cancel = may(Permission::Cancel) && !run.state.is_terminal() && run.state != State::Canceling;
        let project = Resource::Project { project: run.project.clone() };
        let may_document = self.authorize(actor, Permission::Administer, &project).is_ok();
        Ok(RunDetail { may_cancel, may_run: may(Permission::Run), may_document, run: run.into(), plan, steps })
    }

    /// The state of a run, if the actor may see it; cheap enough to ask often.
    ///
    /// # Errors
    /// Not found.
    pub async fn run_state(&self, actor: &Actor, number: RunNumber) -> AppResult<RunView> {
        self.visible_run(actor, number).await.map(Into::into)
    }

    /// Cancels a run. One that waits is canceled at once; one that runs is `canceling` until its nodes confirm.
    ///
    /// # Errors
    /// Not found, forbidden, `illegal_transition` when it has ended or is being canceled already.
    pub async fn cancel_run(&self, actor: &Actor, number: RunNumber, source: &Source) -> AppResult<RunView> {
        let run = self.visible_run(actor, number).await?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        let permit = self.authorize(actor, Permission::Cancel, &resource)?;
        let now = self.clock.now();
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        let reason = format!("Canceled by {}.", actor.principal);
        self.db
            .write(move |c| {
                let run = rows::get(c, number)?;
                let (to, _) = move_run(c, &permit, &run, None, RunEvent::CancelRequested, &reason, now)?;
                let detail = json!({ "from": run.state, "to": to });
                let resource = format!("run:{number}");
                recorder.note(c, &actor, &source, "run.cancel_requested", resource, Some(&run.project), detail)?;
                Ok::<_, AppError>(())
            })
            .await?;
        self.live.cancel_asked(number);
        self.live.work_is_there();
        self.live.run_changed(number);
        Ok(self.db.read(move |c| rows::get(c, number)).await?.into())
    }

    /// What the record says about a run, oldest first.
    ///
    /// # Errors
    /// Not found.
    pub async fn run_history(&self, actor: &Actor, number: RunNumber) -> AppResult<Vec<crate::domain::audit::Entry>> {
        self.visible_run(actor, number).await?;
        let filter = crate::store::audit::Filter { resource: Some(format!("run:{number}")), ..Default::default() };
        let mut entries = self.db.read(move |c| crate::store::audit::list(c, &filter, None, 200)).await?;
        entries.reverse();
        Ok(entries)
    }

    /// How many runs are in each state that is not an end, over all projects: numbers only, for monitoring.
    ///
    /// # Errors
    /// The database.
    pub async fn open_runs(&self) -> AppResult<Vec<(State, i64)>> {
        Ok(self.db.read(rows::count_open).await?)
    }

    /// The last outcomes of every job of a project, newest last.
    ///
    /// # Errors
    /// The database.
    pub async fn outcomes(
        &self,
        project: &ProjectName,
        jobs: Vec<JobId>,
    ) -> AppResult<BTreeMap<JobId, Vec<rows::Outcome>>> {
        let project = project.clone();
        Ok(self.db.read(move |c| rows::recent_outcomes(c, &project, &jobs, 10)).await?)
    }
}

impl From<RunRecord> for RunView {
    fn from(r: RunRecord) -> Self {
        Self {
            number: r.number,
            project: r.project,
            job_id: r.job_id,
            job: r.job_path,
            job_revision: r.job_revision,
            state: r.state,
            requester: r.requester,
            origin: r.origin,
            reason: r.reason,
            environment: r.environment,
            digest: r.plan_digest,
            start_at: r.start_at,
            created_at: r.created_at,
            started_at: r.started_at,
            ended_at: r.ended_at,
            end_reason: r.end_reason,
            approval: r.approval_id,
            log_bytes: r.log_bytes,
            log_truncated: r.log_truncated,
        }
    }
}
