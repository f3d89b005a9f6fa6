//! Asking for a run: it is stored with its plan, its request for signatures and all that belongs to it, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::App;
use super::break_glass::noted;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::planning::{Prepared, RunRequest, person};
use super::record::Source;
use super::rules::enforcing::Enforcing;
use super::rules::turns::Turn;
use super::runs::RunView;
use super::telling::{tell, tell_of};
use crate::domain::access::{Actor, Permission};
use crate::domain::approval::ExceptionRefused;
use crate::domain::event::EventVerdict;
use crate::domain::ids::{ApprovalId, OptionName, RunNumber};
use crate::domain::job::WhenBusy;
use crate::domain::moment::Moment;
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::plan::freeze::shown;
use crate::domain::plan::{Origin, Plan, PlannedValue};
use crate::domain::run::{self, RunEvent, State};
use crate::domain::template::{Scope, Template};
use crate::domain::time::Timestamp;
use crate::store::runs as rows;
use crate::store::{Conn, approvals as requests, blobs, break_glass, events, users};

/// How a run goes on once it is stored.
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
    /// As usual, with what the rule that asks for it notes of itself, and its place in the rule's line.
    Rule(Arc<Enforcing>, Option<Turn>),
}

impl App {
    /// Asks for a run. It is stored, with its plan and its sign-off, before this answers.
    ///
    /// # Errors
    /// Everything that the preparation refuses; `busy` when the job's limit is reached.
    pub async fn request_run(&self, actor: &Actor, request: RunRequest, source: &Source) -> AppResult<RunView> {
        self.request_run_after(actor, request, None, source).await
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
        mut way: Way,
        source: &Source,
    ) -> AppResult<(RunNumber, Vec<RunNumber>)> {
        let now = self.clock.now();
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        let (turn, replaces) = match &mut way {
            Way::Usual { replaces } => (None, *replaces),
            Way::Rule(_, turn) => (turn.take(), None),
            Way::BreakGlass { .. } => (None, None),
        };
        let waits = !dry_run && !matches!(way, Way::BreakGlass { .. });
        let approval = prepared.sign_off.as_ref().filter(|_| waits).map(|_| ApprovalId::new(uuid::Uuid::now_v7()));
        let own = self.own_permit(Permission::Cancel)?;
        let vault = self.vault.clone();
        self.db
            .write_in_line(turn, move |c| {
                let plan = &prepared.plan;
                if let Way::Rule(enforcing, _) = &way {
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
                if let Way::Rule(enforcing, _) = &way {
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
                    "freezes": plan.freezes.iter().map(|f| &f.name).collect::<Vec<_>>(),
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
    rows::hold_limit(c, key)?;
    let others = rows::under_way_and_next(c, key)?;
    if others.len() < usize::try_from(limit.limit).unwrap_or(usize::MAX) {
        return Ok(Vec::new());
    }
    match limit.when_busy {
        WhenBusy::Queue => Ok(Vec::new()),
        WhenBusy::Refuse => {
            let names: Vec<String> = others.iter().take(5).map(|r| format!("#{}", r.number)).collect();
            let message = format!(
                "This job is busy: {} is under way or about to start, and it may run {} at a time. Wait for it, or cancel it.",
                names.join(", "),
                limit.limit
            );
            Err(AppError::conflict("busy", message))
        }
        WhenBusy::CancelRunning => {
            let mut canceled = Vec::new();
            for run in others {
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
    let words = match plan.freezes.first() {
        Some(freeze) => format!("{} (in the change freeze {})", plan.reason, freeze.name),
        None => plan.reason.clone(),
    };
    tell_of(c, own, &plan.project, Some((None, number)), what, Some(&plan.requester), words, now)?;
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
