//! Running without waiting for signatures, and the list of such runs that somebody else has to look at.

use std::collections::BTreeSet;

use serde_json::json;

use super::App;
use super::catalogue::Catalogue;
use super::error::{AppError, AppResult};
use super::planning::{Prepared, RunRequest, job_of, person};
use super::record::Source;
use super::requesting::Way;
use super::runs::RunView;
use super::signers::{actor_of, party};
use crate::domain::access::{Actor, Permission, Resource, Via};
use crate::domain::approval::{Asker, ExceptionRefused, break_glass, review, way_round};
use crate::domain::ids::{JobRef, ProjectName, RunNumber, UserName};
use crate::domain::plan::Plan;
use crate::domain::time::Timestamp;
use crate::store::break_glass::{self as rows, BreakGlassRecord};
use crate::store::{Conn, StoreError, runs, users};

/// A run that did not wait, as the list shows it.
#[derive(Debug, Clone)]
pub struct BrokenGlass {
    /// What is noted of it.
    pub record: BreakGlassRecord,
    /// Whether nobody has looked at it in time.
    pub overdue: bool,
    /// Why the one who asks may not review it; `None` when they may (a missing note aside).
    pub refusal: Option<ExceptionRefused>,
}

impl App {
    /// Runs a job at once that would wait for signatures. It stays on a list until somebody else has looked at it.
    ///
    /// # Errors
    /// `no_need` where nothing would wait; `not_at_once` for one that is to start later; those of the decision and of asking for a run.
    pub async fn break_glass(&self, actor: &Actor, request: RunRequest, source: &Source) -> AppResult<RunView> {
        if request.start_at.is_some() || request.dry_run {
            let message = "A run that does not wait starts at once; leave the planned start and `dry_run` away.";
            return Err(AppError::invalid("not_at_once", message));
        }
        let prepared = self.prepare_in_any_freeze(actor, &request).await?;
        let Some(sign_off) = &prepared.sign_off else {
            return Err(AppError::conflict("no_need", "This run needs no signature; run it the usual way."));
        };
        let now = self.clock.now();
        let (asker, allowed) = self.asker_of(actor, &prepared)?;
        let review_by = break_glass(allowed, &sign_off.policy, &asker, &prepared.plan.reason, now)?;
        self.store_prepared(actor, prepared, false, Way::BreakGlass { review_by }, source).await
    }

    fn asker_of(&self, actor: &Actor, prepared: &Prepared) -> AppResult<(Asker, bool)> {
        let catalogue = self.known();
        let plan = &prepared.plan;
        let resource = job_of(&plan.project, &plan.job.path, plan.environment.as_ref());
        let allowed = catalogue.project(&plan.project)?.project.break_glass;
        Ok((asker(&catalogue, actor, &plan.project, Permission::BreakGlass, &resource), allowed))
    }

    /// The role by which the actor may run a job without waiting, where they may.
    ///
    /// # Errors
    /// Not found.
    pub async fn may_break_glass(&self, actor: &Actor, project: &ProjectName, job: &JobRef) -> AppResult<bool> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        let job = state.job(job).ok_or_else(AppError::not_found)?;
        let policy = job.job.approval.as_ref().and_then(|name| state.project.approvals.get(name));
        let Some(way) = policy.and_then(|p| way_round(state.project.break_glass, p).ok()) else { return Ok(false) };
        let resource = state.job_resource(job, &state.matched(&job.job));
        let asker = asker(&catalogue, actor, project, Permission::BreakGlass, &resource);
        Ok(asker.is_person && asker.permitted && asker.roles.contains(&way.role))
    }

    /// Runs that did not wait, as far as the actor may see them: those that nobody has looked at first.
    ///
    /// # Errors
    /// The database.
    pub async fn broken_glass(&self, actor: &Actor) -> AppResult<Vec<BrokenGlass>> {
        let catalogue = self.catalogue().await?;
        let (asked, now) = (actor.clone(), self.clock.now());
        self.db
            .read(move |c| {
                let mut out = Vec::new();
                for record in rows::list(c, 200)? {
                    let run = runs::get(c, record.run)?;
                    let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
                    if catalogue.policy.authorize(&asked, Permission::View, &resource).is_err() {
                        continue;
                    }
                    let refusal = may_review(c, &catalogue, &asked, &record, &resource, "-", now)?.err();
                    let overdue = record.reviewed_at.is_none() && now > record.review_by;
                    out.push(BrokenGlass { record, overdue, refusal });
                }
                Ok::<_, AppError>(out)
            })
            .await
    }

    /// Signs a run off that did not wait.
    ///
    /// # Errors
    /// Not found, also when the run may not be seen; the refusals of the decision.
    pub async fn review_break_glass(
        &self,
        actor: &Actor,
        number: RunNumber,
        note: &str,
        source: &Source,
    ) -> AppResult<()> {
        let catalogue = self.catalogue().await?;
        let run = self.visible_run(actor, number).await?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        let (asked, now, note) = (actor.clone(), self.clock.now(), note.trim().chars().take(2_000).collect::<String>());
        let permit =
            self.authorize(actor, Permission::Approve, &resource).map_err(|_| ExceptionRefused::NotAReviewer)?;
        let (recorder, source) = (self.recorder(), source.to_owned());
        self.db
            .write(move |c| {
                let record = rows::find(c, number)?.ok_or_else(|| {
                    AppError::conflict(
                        "waited",
                        "This run waited for its signatures or needed none; there is nothing to review.",
                    )
                })?;
                may_review(c, &catalogue, &asked, &record, &resource, &note, now)??;
                let Some(by) = person(&asked.principal) else { return Err(ExceptionRefused::NotAPerson.into()) };
                rows::review(c, &permit, &record, &by, &note, now)?;
                let detail = json!({ "note": note, "digest": record.plan_digest });
                let resource = format!("run:{number}");
                recorder.note(c, &asked, &source, "break_glass.reviewed", resource, Some(&record.project), detail)?;
                Ok::<_, AppError>(())
            })
            .await?;
        self.live.run_changed(number);
        Ok(())
    }
}

fn asker(catalogue: &Catalogue, actor: &Actor, project: &ProjectName, right: Permission, on: &Resource) -> Asker {
    Asker {
        is_person: actor.is_person(),
        roles: catalogue.policy.roles_of(actor, project),
        permitted: catalogue.policy.authorize(actor, right, on).is_ok(),
        authenticated_at: match &actor.via {
            Via::Session { authenticated_at } => Some(*authenticated_at),
            _ => None,
        },
    }
}

pub(super) fn may_review(
    c: &mut Conn,
    catalogue: &Catalogue,
    actor: &Actor,
    record: &BreakGlassRecord,
    resource: &Resource,
    note: &str,
    now: Timestamp,
) -> Result<Result<(), ExceptionRefused>, StoreError> {
    let asker = asker(catalogue, actor, &record.project, Permission::Approve, resource);
    let Some(name) = person(&actor.principal) else { return Ok(Err(ExceptionRefused::NotAPerson)) };
    let ran = party(c, &record.user, &record.known_as)?;
    let reviewer = party(c, &name, &BTreeSet::new())?;
    Ok(review(&ran, &reviewer, &asker, record.reviewed_at.is_some(), note, now))
}

/// Whether a run that did not wait may still start: the same plan, the way is still open, and whoever took it still may.
pub(super) fn still_broken(
    c: &mut Conn,
    catalogue: &Catalogue,
    record: &BreakGlassRecord,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), String> {
    if record.plan_digest != plan.digest() {
        return Err("what was to run without waiting is not what would run".to_owned());
    }
    let state = catalogue.projects.get(&plan.project).ok_or("the project is gone")?;
    let name = plan.policy.as_ref().map(|p| &p.name);
    let policy = name.and_then(|n| state.project.approvals.get(n)).ok_or("the approval policy was removed")?;
    let user = users::find(c, &record.user).map_err(|e| e.to_string())?.filter(|u| u.active);
    let actor = actor_of(user.ok_or_else(|| format!("the account of {} is closed", record.user))?, now);
    let resource = job_of(&plan.project, &plan.job.path, plan.environment.as_ref());
    let asker = asker(catalogue, &actor, &plan.project, Permission::BreakGlass, &resource);
    break_glass(state.project.break_glass, policy, &asker, &record.reason, now).map(|_| ()).map_err(|e| e.to_string())
}

/// A note of a run that does not wait.
pub(super) fn noted(
    run: RunNumber,
    plan: &Plan,
    who: (UserName, BTreeSet<UserName>),
    review_by: Timestamp,
    now: Timestamp,
) -> BreakGlassRecord {
    BreakGlassRecord {
        run,
        project: plan.project.clone(),
        job_path: plan.job.path.clone(),
        policy: plan.policy.as_ref().map(|p| p.name.to_string()).unwrap_or_default(),
        plan_digest: plan.digest(),
        user: who.0,
        known_as: who.1,
        reason: plan.reason.clone(),
        created_at: now,
        review_by,
        reviewed_by: None,
        reviewed_at: None,
        note: None,
        remind_at: Some(review_by),
        freezes: plan.freezes.iter().map(|f| f.name.clone()).collect(),
    }
}
