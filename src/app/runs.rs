//! Runs: asking for one, looking at them, stopping one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::App;
use super::break_glass::noted;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::planning::{Prepared, RunRequest, job_of, person};
use super::record::Source;
use super::rules::enforcing::Enforcing;
pub use super::run_list::{RunFilter, RunPage};
use super::telling::{tell, tell_of};
use crate::domain::access::{Actor, Permission, Principal, Resource};
use crate::domain::approval::ExceptionRefused;
use crate::domain::event::EventVerdict;
use crate::domain::ids::{ApprovalId, Environment, JobId, JobPath, OptionName, ProjectName, RunNumber};
use crate::domain::job::WhenBusy;
use crate::domain::moment::Moment;
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::plan::freeze::shown;
use crate::domain::plan::{Origin, Plan, PlannedValue};
use crate::domain::run::{self, RunEvent, State};
use crate::domain::template::{Scope, Template};
use crate::domain::time::Timestamp;
use crate::store::runs::{self as rows, RunRecord, StepRecord};
use crate::store::{Conn, StoreError, approvals as requests, blobs, break_glass, events, users};

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

/// How a run goes on once it is stored.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// It waits for signatures where it needs any.
    Usual {
        /// The request that it is asked again after.
        replaces: Option<ApprovalId>,
    },
    /// It does not wait, and somebody else reviews it by then.
    BreakGlass {
        /// By when.
        review_by: Timestamp,
    },
    /// As usual, with what the rule that asks for it notes of itself.
    Rule(Arc<Enforcing>),
}

impl App {
    /// Asks for a run. It is stored, with its plan and its sign-off, before this answers.
    ///
    /// # Errors
    /// Everything that the preparation refuses; `busy` when the job's limit is reached.
    pub async fn request_run(&self, actor: &Actor, request: RunRequest, source: &Source) -> AppResult<RunView> {
        self.request_run_after(actor, request, None, source).await
    }

    /// As [`App::request_run`], for a rule; what it notes of itself is stored in the same transaction, or neither is.
    pub(super) async fn request_run_by_rule(
        &self,
        owner: &Actor,
        request: RunRequest,
        rule: Arc<Enforcing>,
        source: &Source,
    ) -> AppResult<RunView> {
        let prepared = self.prepare(owner, &request).await?;
        self.store_prepared(owner, prepared, request.dry_run, Way::Rule(rule), source).await
    }

    /// As [`App::request_run`], after a request that ended without a run and whose thread goes on.
    ///
    /// # Errors
    /// As [`App::request_run`]; `not_over`, `asked_again`, `other_job`.
    pub async fn request_run_after(
        &self,
        actor: &Actor,
        request: RunRequest,
        replaces: Option<ApprovalId>,
        source: &Source,
    ) -> AppResult<RunView> {
        let prepared = self.prepare(actor, &request).await?;
        if let Some(old) = replaces {
            self.may_replace(actor, old, &prepared.plan.job.id).await?;
        }
        self.store_prepared(actor, prepared, request.dry_run, Way::Usual { replaces }, source).await
    }

    /// Stores a run that was prepared and lets it go its way.
    pub(super) async fn store_prepared(
        &self,
        actor: &Actor,
        prepared: Prepared,
        dry_run: bool,
        way: Way,
        source: &Source,
    ) -> AppResult<RunView> {
        Moment::Accepted.reached();
        let (number, canceled) = self.store_run(actor, prepared, dry_run, way, source).await?;
        Moment::RowCommitted.reached();
        for changed in &canceled {
            self.live.cancel_asked(*changed);
        }
        self.live.work_is_there();
        for changed in canceled.into_iter().chain([number]) {
            self.live.run_changed(changed);
        }
        let run = self.db.read(move |c| rows::get(c, number)).await?;
        Ok(run.into())
    }

    async fn store_run(
        &self,
        actor: &Actor,
        prepared: Prepared,
        dry_run: bool,
        way: Way,
        source: &Source,
    ) -> AppResult<(RunNumber, Vec<RunNumber>)> {
        let now = self.clock.now();
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        let replaces = match way {
            Way::Usual { replaces } => replaces,
            Way::BreakGlass { .. } | Way::Rule(_) => None,
        };
        let waits = !dry_run && !matches!(way, Way::BreakGlass { .. });
        let approval = prepared.sign_off.as_ref().filter(|_| waits).map(|_| ApprovalId::new(uuid::Uuid::now_v7()));
        let own = self.own_permit(Permission::Cancel)?;
        let vault = self.vault.clone();
        self.db
            .write(move |c| {
                let plan = &prepared.plan;
                if let Way::Rule(enforcing) = &way {
                    enforcing.begin(c, plan.nodes.len(), plan.policy.is_some())?;
                }
                let key = concurrency_key(&prepared);
                let over = if dry_run { Vec::new() } else { make_room(c, &own, &prepared, key.as_deref(), now)? };
                for blob in &prepared.blobs {
                    blobs::put(c, &vault, &prepared.permit, blob, now)?;
                }
                let number = rows::create(
                    c,
                    &prepared.permit,
                    &rows::NewRun {
                        project: plan.project.clone(),
                        job_id: plan.job.id.clone(),
                        job_path: plan.job.path.clone(),
                        job_revision: plan.job.revision,
                        state: run::first(dry_run, approval.is_some(), plan.start_at, now),
                        requester: plan.requester.clone(),
                        origin: plan.origin.clone(),
                        reason: plan.reason.clone(),
                        plan: plan.canonical(),
                        plan_digest: plan.digest(),
                        environment: plan.environment.clone(),
                        start_at: plan.start_at,
                        approval_id: approval,
                        attempt: 1,
                        concurrency_key: key,
                        options: searchable(plan),
                        nodes: plan.nodes.iter().map(|n| n.name.clone()).collect(),
                    },
                    now,
                )?;
                if let Way::Rule(enforcing) = &way {
                    enforcing.ran(c, number)?;
                }
                if let (Some(id), Some(sign_off)) = (approval, &prepared.sign_off) {
                    let asked_by = person(&plan.requester).map(|name| users::accounts_of(c, &name)).transpose()?;
                    requests::create(
                        c,
                        &prepared.permit,
                        &requests::NewApproval {
                            id,
                            run: number,
                            project: plan.project.clone(),
                            job_path: plan.job.path.clone(),
                            policy: sign_off.policy.clone(),
                            need: sign_off.need.clone(),
                            plan_digest: plan.digest(),
                            requester: plan.requester.clone(),
                            expires_at: now + sign_off.policy.expires.to_delta(),
                            known_as: asked_by.unwrap_or_default(),
                            replaces,
                        },
                        now,
                    )?;
                    let made = requests::get(c, id)?;
                    let what = (NoticeKind::ApprovalAsked, vec![Audience::Signers]);
                    tell(c, &prepared.permit, &made, what, Some(&plan.requester), &plan.reason, now)?;
                }
                if let Way::BreakGlass { review_by } = way {
                    without_waiting(c, &own, &prepared, number, review_by, now)?;
                }
                if let Origin::Webhook { event, .. } = &plan.origin {
                    // In the same transaction: a delivery that made a run is never decided again.
                    let (verdict, word) =
                        if dry_run { (EventVerdict::DryRun, "dry run") } else { (EventVerdict::Ran, "run") };
                    events::decide_pending(c, &own, *event, verdict, &format!("Made {word} #{number}."), Some(number))?;
                }
                let detail = json!({
                    "job": plan.job.path, "revision": plan.job.revision, "digest": plan.digest(),
                    "origin": plan.origin, "reason": plan.reason, "environment": plan.environment,
                    "nodes": plan.nodes.iter().map(|n| &n.name).collect::<Vec<_>>(),
                    "sign_off": prepared.sign_off.as_ref().map(|s| &s.policy.name), "dry_run": dry_run,
                    "replaces": replaces.map(|id| id.to_string()), "break_glass": matches!(way, Way::BreakGlass { .. }),
                });
                let resource = format!("run:{number}");
                recorder.note(c, &actor, &source, "run.requested", resource, Some(&plan.project), detail)?;
                for old in &over {
                    let detail = json!({ "from": old.from, "to": old.to, "because_of": number });
                    let resource = format!("run:{}", old.number);
                    recorder.note(c, &actor, &source, "run.cancel_requested", resource, Some(&plan.project), detail)?;
                }
                Ok::<_, AppError>((number, over.into_iter().map(|old| old.number).collect()))
            })
            .await
    }

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

/// A run that was canceled to make room for a newer one.
struct Canceled {
    number: RunNumber,
    from: State,
    to: State,
}

/// Holds the job's limit: refuses, or cancels what is under way, or lets the run queue (the dispatcher waits then). The
/// runs that it canceled.
fn make_room(
    c: &mut Conn,
    own: &crate::domain::access::Permit,
    prepared: &Prepared,
    key: Option<&str>,
    now: Timestamp,
) -> AppResult<Vec<Canceled>> {
    let (Some(limit), Some(key)) = (&prepared.job.job.concurrency, key) else { return Ok(Vec::new()) };
    let under_way = rows::under_way(c, key)?;
    if under_way.len() < usize::try_from(limit.limit).unwrap_or(usize::MAX) {
        return Ok(Vec::new());
    }
    match limit.when_busy {
        WhenBusy::Queue => Ok(Vec::new()),
        WhenBusy::Refuse => {
            let names: Vec<String> = under_way.iter().take(5).map(|r| format!("#{}", r.number)).collect();
            let message = format!(
                "This job is busy: {} is under way, and it may run {} at a time. Wait for it, or cancel it.",
                names.join(", "),
                limit.limit
            );
            Err(AppError::conflict("busy", message))
        }
        WhenBusy::CancelRunning => {
            let mut canceled = Vec::new();
            for run in under_way {
                // One that is being canceled already is left alone.
                if run::next(run.state, RunEvent::CancelRequested, run.start_at, now).is_ok() {
                    let reason = "Canceled because a newer run of the same job was asked for.";
                    let (to, _) = move_run(c, own, &run, None, RunEvent::CancelRequested, reason, now)?;
                    canceled.push(Canceled { number: run.number, from: run.state, to });
                }
            }
            Ok(canceled)
        }
    }
}

/// Notes a run that does not wait, and tells everybody.
fn without_waiting(
    c: &mut Conn,
    own: &crate::domain::access::Permit,
    prepared: &Prepared,
    number: RunNumber,
    review_by: Timestamp,
    now: Timestamp,
) -> AppResult<()> {
    let plan = &prepared.plan;
    let user = person(&plan.requester).ok_or(ExceptionRefused::NotAPerson)?;
    let who = (user.clone(), users::accounts_of(c, &user)?);
    break_glass::create(c, &prepared.permit, &noted(number, plan, who, review_by, now))?;
    let audience = vec![Audience::Members, Audience::Requester];
    let what = (NoticeKind::BreakGlass, audience);
    tell_of(c, own, &plan.project, Some((None, number)), what, Some(&plan.requester), &plan.reason, now)?;
    Ok(())
}

/// What runs of one job are counted by: the job, or the job and its rendered key.
fn concurrency_key(prepared: &Prepared) -> Option<String> {
    struct Options<'a>(&'a BTreeMap<OptionName, PlannedValue>);
    impl Scope for Options<'_> {
        fn field(&self, path: &str) -> Option<String> {
            let name = path.strip_prefix("option.")?;
            self.0.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| shown(value))
        }
    }
    let limit = prepared.job.job.concurrency.as_ref()?;
    let base = format!("{}:{}", prepared.plan.project, prepared.plan.job.id);
    let rendered = limit.key.as_ref().map(|key| {
        let template = Template::parse(key).ok();
        template.and_then(|t| t.render(&Options(&prepared.plan.options), true).ok()).unwrap_or_default()
    });
    Some(match rendered {
        Some(key) => format!("{base}:{}", crate::domain::digest::Digest::of(key.as_bytes()).short()),
        None => base,
    })
}

/// Option values that runs can be searched by: everything but secrets, shortened.
fn searchable(plan: &Plan) -> Vec<(OptionName, String)> {
    let text = plan.options.iter().filter_map(|(name, value)| match value {
        PlannedValue::Text { value } => Some((name.clone(), value.clone())),
        PlannedValue::File { name: file, .. } => Some((name.clone(), file.clone())),
        PlannedValue::Secret { .. } => None,
    });
    text.collect()
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
