//! Approval requests: who may see them, what they show, and the one way to decide them.

use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::notices::about_request;
use super::planning::{job_of, person};
use super::record::Source;
use super::standing::still_stands;
use crate::domain::access::{Actor, Permission, Permit, Principal, Via};
use crate::domain::approval::{
    self, ApprovalPolicy, DecisionRefused, MissingSignature, Need, Request, RequestState, Signature, Signer, Verdict,
};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, Environment, JobPath, ProjectName, RunNumber, UserName};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::plan::Plan;
use crate::domain::plan::difference::{Change, difference};
use crate::domain::run::{self, RunEvent};
use crate::domain::time::Timestamp;
use crate::store::approvals::{self as rows, ApprovalRecord, SignatureRecord};
use crate::store::runs;
use crate::store::{Conn, StoreError, host_keys, notices};

/// A request as lists show it.
#[derive(Debug, Clone)]
pub struct ApprovalView {
    /// Its id.
    pub id: ApprovalId,
    /// The run that waits for it.
    pub run: RunNumber,
    /// The project.
    pub project: ProjectName,
    /// The job.
    pub job: JobPath,
    /// The run's environment.
    pub environment: Option<Environment>,
    /// Where it stands.
    pub state: RequestState,
    /// Who asked.
    pub requester: Principal,
    /// Why.
    pub reason: String,
    /// The plan's digest.
    pub digest: Digest,
    /// The lines that apply.
    pub need: Vec<Need>,
    /// What is still missing.
    pub missing: Vec<MissingSignature>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// Whether the one who asks could sign it now (a stale session aside).
    pub mine: bool,
}

/// A request with all that a signer needs to see.
#[derive(Debug, Clone)]
pub struct ApprovalDetail {
    /// The request.
    pub view: ApprovalView,
    /// The policy as it was when the plan was frozen.
    pub policy: ApprovalPolicy,
    /// The frozen plan.
    pub plan: Plan,
    /// The decisions so far.
    pub signatures: Vec<SignatureRecord>,
    /// The last successful run of the job and what is different from it; `None` when there is none.
    pub difference: Option<(RunNumber, Vec<Change>)>,
    /// Why the one who asks may not decide; `None` when they may.
    pub refusal: Option<DecisionRefused>,
}

/// What a signer sends.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// The digest of the plan that they looked at.
    pub digest: Digest,
    /// Why.
    pub reason: String,
}

impl App {
    /// A request with its plan.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn approval(&self, actor: &Actor, id: ApprovalId) -> AppResult<ApprovalDetail> {
        self.catalogue().await?;
        let (record, signatures, run, (text, digest)) = self
            .db
            .read(move |c| {
                let (record, signatures) = rows::get_signed(c, id)?;
                let run = runs::get(c, record.run)?;
                let plan = runs::plan(c, record.run)?;
                Ok::<_, StoreError>((record, signatures, run, plan))
            })
            .await?;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        self.authorize(actor, Permission::View, &resource)?;
        let plan = Plan::read_verified(&text, &digest).map_err(AppError::fault)?;
        let difference = self.difference_to_last(&plan).await?;
        let request = request_of(&record, &signatures);
        let signer = self.signer(actor, &run);
        // Asked without a reason, so a missing reason is not held against them yet.
        let relaxed = Request {
            reasons: approval::Reasons { request_required: false, approve_required: false, reject_required: false },
            ..request
        };
        let refusal =
            approval::decide(&relaxed, &signer, Verdict::Approve, &record.plan_digest, "", self.clock.now()).err();
        let policy = record.policy.clone();
        Ok(ApprovalDetail {
            view: self.view(actor, record, &run, &signatures),
            policy,
            plan,
            signatures,
            difference,
            refusal,
        })
    }

    async fn difference_to_last(&self, plan: &Plan) -> AppResult<Option<(RunNumber, Vec<Change>)>> {
        let (project, job) = (plan.project.clone(), plan.job.id.clone());
        let last = self
            .db
            .read(move |c| {
                let Some(run) = runs::last_success(c, &project, &job)? else { return Ok(None) };
                Ok::<_, StoreError>(Some((run.number, runs::plan(c, run.number)?)))
            })
            .await?;
        let Some((number, (text, digest))) = last else { return Ok(None) };
        let old = Plan::read_verified(&text, &digest).map_err(AppError::fault)?;
        Ok(Some((number, difference(&old, plan))))
    }

    /// Takes a decision. Every door comes through here; who may, and what follows, is `domain::approval::decide`.
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
        let signer = self.signer(actor, &run);
        let permit = match self.authorize(actor, Permission::Approve, &resource) {
            Ok(permit) => permit,
            // The decision function has the words for it.
            Err(_) => self.own_permit(Permission::Cancel)?,
        };
        let now = self.clock.now();
        let own = self.own_permit(Permission::Cancel)?;
        let (recorder, actor_owned, source) = (self.recorder(), actor.clone(), source.to_owned());
        let number = run.number;
        let outcome = self
            .db
            .write(move |c| {
                let record = rows::locked(c, id)?;
                let (_, signatures) = rows::get_signed(c, id)?;
                let run = runs::get(c, number)?;
                let decided = approval::decide(
                    &request_of(&record, &signatures),
                    &signer,
                    decision.verdict,
                    &decision.digest,
                    &decision.reason,
                    now,
                )?;
                let (text, digest) = runs::plan(c, number)?;
                let keys = host_keys::list(c, &run.project)?;
                let stands = Plan::read_verified(&text, &digest)
                    .map_err(|e| e.to_string())
                    .and_then(|plan| still_stands(&catalogue, &plan, &keys));
                if let (Verdict::Approve, Err(why)) = (decision.verdict, &stands) {
                    let reason = format!("Void: {why}. Ask again if it is still wanted.");
                    void(c, &own, &record, &run, &reason, now)?;
                    let detail = json!({ "run": number, "why": why, "digest": digest });
                    recorder.note(c, &actor_owned, &source, "approval.voided", format!("run:{number}"), Some(&run.project), detail)?;
                    return Ok::<_, AppError>(Outcome::Void(reason));
                }
                let Some(user) = signer.person.clone() else { return Err(DecisionRefused::NotAPerson.into()) };
                let signature = SignatureRecord {
                    user,
                    verdict: decision.verdict,
                    reason: decision.reason.trim().chars().take(2_000).collect(),
                    roles: signer.roles.clone(),
                    digest: decision.digest,
                    source: source.clone(),
                    at: now,
                };
                rows::sign(c, &permit, id, &signature)?;
                let event = match decided.state {
                    RequestState::Approved => Some(RunEvent::Approved),
                    RequestState::Rejected => Some(RunEvent::Rejected),
                    RequestState::Pending | RequestState::Expired | RequestState::Void => None,
                };
                if let Some(event) = event {
                    rows::set_state(c, &permit, id, record.state, decided.state, None, now)?;
                    let (kind, by) = (NoticeKind::ApprovalDecided, Some(&actor_owned.principal));
                    notices::add(c, &own, &about_request(&record, kind, Audience::Requester, by, &signature.reason), now)?;
                    let (to, _) = run::next(run.state, event, run.start_at, now)
                        .map_err(|e| AppError::conflict("illegal_transition", super::error::sentence(&e.to_string())))?;
                    let reason = match event {
                        RunEvent::Rejected => format!("Rejected by {}: {}", signature.user, or_none(&signature.reason)),
                        _ => String::new(),
                    };
                    runs::transition(c, &own, number, &runs::Change { from: run.state, to, reason, fence: None }, now)?;
                }
                let detail = json!({
                    "request": id.to_string(), "verdict": decision.verdict, "digest": decision.digest, "reason": signature.reason,
                    "roles": signer.roles, "policy": record.policy.name, "policy_digest": record.policy.digest(),
                    "state": decided.state, "missing": decided.missing,
                });
                let action = format!("approval.{}", if decision.verdict == Verdict::Approve { "approved" } else { "rejected" });
                recorder.note(c, &actor_owned, &source, &action, format!("run:{number}"), Some(&run.project), detail)?;
                Ok(Outcome::Decided)
            })
            .await?;
        self.live.work_is_there();
        self.live.run_changed(number);
        if let Outcome::Void(reason) = outcome {
            return Err(AppError::conflict("request_void", reason));
        }
        Ok(self.approval(actor, id).await?.view)
    }

    pub(super) fn view(
        &self,
        actor: &Actor,
        record: ApprovalRecord,
        run: &runs::RunRecord,
        signatures: &[SignatureRecord],
    ) -> ApprovalView {
        let request = request_of(&record, signatures);
        let missing = if record.state == RequestState::Pending {
            approval::missing(&record.need, &request.signatures)
        } else {
            Vec::new()
        };
        let fresh = Signer { authenticated_at: Some(self.clock.now()), ..self.signer(actor, run) };
        let mine =
            approval::decide(&request, &fresh, Verdict::Approve, &record.plan_digest, "-", self.clock.now()).is_ok();
        ApprovalView {
            id: record.id,
            run: record.run,
            project: record.project,
            job: record.job_path,
            environment: run.environment.clone(),
            state: record.state,
            requester: record.requester,
            reason: run.reason.clone(),
            digest: record.plan_digest,
            need: record.need,
            missing,
            created_at: record.created_at,
            expires_at: record.expires_at,
            decided_at: record.decided_at,
            void_reason: record.void_reason,
            mine,
        }
    }

    /// What is known of an actor as a signer, now.
    fn signer(&self, actor: &Actor, run: &runs::RunRecord) -> Signer {
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        Signer {
            person: person(&actor.principal).filter(|_| actor.is_person()),
            roles: self.known().policy.roles_of(actor, &run.project),
            may_approve: self.authorize(actor, Permission::Approve, &resource).is_ok(),
            authenticated_at: match &actor.via {
                Via::Session { authenticated_at } => Some(*authenticated_at),
                Via::Chat { pressed_at } => Some(*pressed_at),
                _ => None,
            },
        }
    }

    /// Who could give a missing signature, as `access.yaml` stands now.
    #[must_use]
    pub fn who_could_sign(&self, project: &ProjectName, need: &[Need]) -> Vec<String> {
        let catalogue = self.known();
        let Some(project) = catalogue.projects.get(project) else { return Vec::new() };
        let members = need.iter().filter_map(|n| project.access.members.get(&n.role)).flatten();
        let mut names: Vec<String> =
            members.map(|m| m.to_string().replace("user:", "").replace("group:", "anybody in ")).collect();
        names.sort();
        names.dedup();
        names
    }
}

enum Outcome {
    Decided,
    Void(String),
}

fn or_none(reason: &str) -> &str {
    if reason.is_empty() { "no reason given." } else { reason }
}

/// A stored request as the decision sees it.
pub(super) fn request_of(record: &ApprovalRecord, signatures: &[SignatureRecord]) -> Request {
    let approvals = signatures.iter().filter(|s| s.verdict == Verdict::Approve);
    Request {
        state: record.state,
        digest: record.plan_digest,
        requester: person(&record.requester),
        need: record.need.clone(),
        self_approval: record.policy.self_approval,
        expires_at: record.expires_at,
        reasons: record.policy.reasons,
        signatures: approvals.map(|s| Signature { user: UserName::clone(&s.user), roles: s.roles.clone() }).collect(),
    }
}

/// Voids a pending request and ends its run.
pub(crate) fn void(
    c: &mut Conn,
    own: &Permit,
    record: &ApprovalRecord,
    run: &runs::RunRecord,
    reason: &str,
    now: Timestamp,
) -> AppResult<()> {
    rows::set_state(c, own, record.id, record.state, RequestState::Void, Some(reason), now)?;
    notices::add(c, own, &about_request(record, NoticeKind::ApprovalVoid, Audience::Requester, None, reason), now)?;
    let (to, _) = run::next(run.state, RunEvent::Voided, run.start_at, now)
        .map_err(|e| AppError::conflict("illegal_transition", super::error::sentence(&e.to_string())))?;
    let change = runs::Change { from: run.state, to, reason: reason.to_owned(), fence: None };
    Ok(runs::transition(c, own, run.number, &change, now)?)
}
