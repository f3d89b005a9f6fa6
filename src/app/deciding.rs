//! The one way to decide an approval request, and the ways in which it becomes void.

use serde_json::json;

use super::App;
use super::approvals::{ApprovalView, Decision};
use super::catalogue::Catalogue;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::planning::job_of;
use super::record::{Recorder, Source};
use super::signers::{Weighed, signer, weigh};
use super::standing::request_stands;
use super::telling::tell;
use crate::domain::access::{Actor, Permission, Permit};
use crate::domain::approval::{self, DecisionRefused, Event, RequestState, Verdict, timer_of_approval};
use crate::domain::ids::{ApprovalId, ProjectName};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::run::RunEvent;
use crate::domain::time::Timestamp;
use crate::store::approvals::{self as rows, SignatureRecord};
use crate::store::{Conn, StoreError, approval_timers as timers, runs, users};

/// How many open requests are looked at in one piece.
const PIECE: u32 = 200;

enum Outcome {
    Decided,
    Void(String),
}

impl App {
    /// Takes a decision. Every door comes through here; who may, and what follows, is `domain::approval::next`.
    ///
    /// # Errors
    /// The refusals of the decision; `request_void` when the plan no longer stands (the request is void from then on).
    pub async fn decide(
        &self,
        actor: &Actor,
        id: ApprovalId,
        decision: Decision,
        source: &Source,
    ) -> AppResult<ApprovalView> {
        self.decide_for(actor, id, decision, None, source).await
    }

    /// As [`App::decide`], in the name of somebody beside the actor's own who asked them to.
    ///
    /// # Errors
    /// As [`App::decide`]; `not_delegated`.
    pub async fn decide_for(
        &self,
        actor: &Actor,
        id: ApprovalId,
        decision: Decision,
        speaks_for: Option<crate::domain::ids::UserName>,
        source: &Source,
    ) -> AppResult<ApprovalView> {
        let catalogue = self.catalogue().await?;
        let run = self
            .db
            .read(move |c| {
                let record = rows::get(c, id)?;
                runs::get(c, record.run)
            })
            .await?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        self.authorize(actor, Permission::View, &resource)?;
        let permit = match self.authorize(actor, Permission::Approve, &resource) {
            Ok(permit) => permit,
            // The decision function has the words for it.
            Err(_) => self.own_permit(Permission::Cancel)?,
        };
        let now = self.clock.now();
        let own = self.own_permit(Permission::Cancel)?;
        let (recorder, asker, source) = (self.recorder(), actor.clone(), source.to_owned());
        let number = run.number;
        let outcome = self
            .db
            .write(move |c| {
                let record = rows::locked(c, id)?;
                let weighed = weigh(c, &catalogue, record)?;
                let signer = signer(c, &catalogue, &asker, &weighed, speaks_for.as_ref(), now)?;
                let event = Event::Decision {
                    signer: &signer,
                    verdict: decision.verdict,
                    seen: &decision.digest,
                    reason: &decision.reason,
                };
                let moved = approval::next(&weighed.request, event, now)?;
                if let (Verdict::Approve, Err(why)) = (decision.verdict, request_stands(c, &catalogue, &weighed, now)) {
                    return void(c, &own, &recorder, &asker, &source, &weighed, &why, now).map(Outcome::Void);
                }
                let Some((user, _)) = signer.person.clone() else { return Err(DecisionRefused::NotAPerson.into()) };
                let (record, run) = (&weighed.record, &weighed.run);
                let signature = SignatureRecord {
                    known_as: users::accounts_of(c, &user)?,
                    user,
                    verdict: decision.verdict,
                    reason: decision.reason.trim().chars().take(2_000).collect(),
                    roles: signer.roles.clone(),
                    digest: decision.digest,
                    source: source.clone(),
                    at: now,
                    on_behalf_of: speaks_for.clone(),
                };
                rows::sign(c, &permit, id, &signature)?;
                if moved.state != RequestState::Pending {
                    rows::set_state(c, &permit, id, record.state, moved.state, None, now)?;
                    let (event, reason) = match decision.verdict {
                        Verdict::Approve => (RunEvent::Approved, String::new()),
                        no => (RunEvent::Rejected, said_no(no, &signature)),
                    };
                    move_run(c, &own, run, None, event, &reason, now)?;
                    if let (Verdict::Approve, Some((kind, at))) =
                        (decision.verdict, timer_of_approval(&record.policy, now, run.start_at))
                    {
                        timers::set(c, &permit, record, kind, at)?;
                    }
                    let kind = match decision.verdict {
                        Verdict::PushBack => NoticeKind::ApprovalPushedBack,
                        Verdict::Approve | Verdict::Reject => NoticeKind::ApprovalDecided,
                    };
                    let words = format!("{}: {}", decision.verdict.done().replace('_', " "), signature.reason);
                    let what = (kind, vec![Audience::Requester]);
                    tell(c, &own, record, what, Some(&asker.principal), words.trim_end_matches(": "), now)?;
                }
                if moved.state == RequestState::Pending {
                    let what = (NoticeKind::ApprovalSigned, vec![Audience::Signers]);
                    tell(c, &own, record, what, Some(&asker.principal), signature.reason.as_str(), now)?;
                }
                let detail = json!({
                    "request": id.to_string(), "verdict": decision.verdict, "digest": decision.digest,
                    "reason": signature.reason, "on_behalf_of": signature.on_behalf_of, "roles": signer.roles, "known_as": signature.known_as,
                    "policy": record.policy.name, "policy_digest": record.policy.digest(),
                    "state": moved.state, "missing": moved.missing,
                });
                let action = format!("approval.{}", decision.verdict.done());
                recorder.note(c, &asker, &source, &action, format!("run:{number}"), Some(&run.project), detail)?;
                Ok::<_, AppError>(Outcome::Decided)
            })
            .await?;
        self.live.work_is_there();
        self.live.run_changed(number);
        if let Outcome::Void(reason) = outcome {
            return Err(AppError::conflict("request_void", reason));
        }
        Ok(self.approval(actor, id).await?.view)
    }

    /// Voids every open request of a project that no longer stands, so that nobody signs for nothing and nothing that was
    /// signed waits in vain.
    pub(super) async fn void_what_no_longer_stands(
        &self,
        catalogue: &std::sync::Arc<Catalogue>,
        project: &ProjectName,
    ) -> AppResult<()> {
        let permit = self.own_permit(Permission::Cancel)?;
        for state in [RequestState::Pending, RequestState::Approved] {
            let mut after = None;
            loop {
                let filter = rows::Filter { state: Some(state), projects: vec![project.clone()] };
                let piece = self.db.read(move |c| rows::list(c, &filter, after, PIECE)).await?;
                let Some(last) = piece.last() else { break };
                after = Some((last.created_at, last.id));
                let full = piece.len() >= PIECE as usize;
                for record in piece {
                    self.void_unless_it_stands(catalogue, &permit, record.id).await?;
                }
                if !full {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn void_unless_it_stands(
        &self,
        catalogue: &std::sync::Arc<Catalogue>,
        permit: &Permit,
        id: ApprovalId,
    ) -> AppResult<()> {
        let now = self.clock.now();
        let known = catalogue.clone();
        let look = self.db.read(move |c| {
            let record = rows::get(c, id)?;
            let weighed = weigh(c, &known, record)?;
            Ok::<_, StoreError>((request_stands(c, &known, &weighed, now), weighed.run.number))
        });
        let (Err(_), number) = look.await? else { return Ok(()) };
        let (catalogue, permit, recorder) = (catalogue.clone(), permit.clone(), self.recorder());
        let done = self
            .db
            .write(move |c| {
                let record = rows::locked(c, id)?;
                let weighed = weigh(c, &catalogue, record)?;
                match request_stands(c, &catalogue, &weighed, now) {
                    Ok(()) => Ok(()),
                    Err(why) => {
                        void(c, &permit, &recorder, &Actor::system(), "engine", &weighed, &why, now).map(|_| ())
                    }
                }
            })
            .await;
        match done {
            // Somebody decided at the same moment; dispatch looks at the plan once more.
            Ok(()) | Err(AppError::Refused(_)) => self.live.run_changed(number),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// As [`App::void_what_no_longer_stands`], in every project: an account carries rights in all of them.
    pub(super) async fn void_everywhere(&self) -> AppResult<()> {
        let catalogue = self.catalogue().await?;
        for project in catalogue.projects.keys() {
            self.void_what_no_longer_stands(&catalogue, project).await?;
        }
        Ok(())
    }
}

fn said_no(verdict: Verdict, signature: &SignatureRecord) -> String {
    let what = if verdict == Verdict::PushBack { "Pushed back" } else { "Rejected" };
    let reason = if signature.reason.is_empty() { "no reason given." } else { &signature.reason };
    format!("{what} by {}: {reason}", signature.user)
}

/// Voids an open request, ends its run and writes it down; the sentence that says why.
#[expect(clippy::too_many_arguments, reason = "who did it, from where, on what and when stand in the record")]
fn void(
    c: &mut Conn,
    own: &Permit,
    recorder: &Recorder,
    actor: &Actor,
    source: &Source,
    weighed: &Weighed,
    why: &str,
    now: Timestamp,
) -> AppResult<String> {
    approval::next(&weighed.request, Event::Voided, now)?;
    let run = &weighed.run;
    let reason = format!("Void: {why}. Ask again if it is still wanted.");
    move_run(c, own, run, None, RunEvent::Voided, &reason, now)?;
    let detail = json!({ "run": run.number, "why": why, "digest": run.plan_digest });
    let resource = format!("run:{}", run.number);
    recorder.note(c, actor, source, "approval.voided", resource, Some(&run.project), detail)?;
    Ok(reason)
}
