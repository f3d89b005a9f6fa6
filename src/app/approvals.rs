//! Approval requests: who may see them, what they show.

use super::App;
use super::asking_again::thread_of;
use super::delegating::{Delegation, holding_for};
use super::error::{AppError, AppResult};
use super::planning::job_of;
use super::signers::{Weighed, actor_of, signer, weigh};
use crate::domain::access::{Actor, Permission, Principal};
use crate::domain::approval::{
    self, ApprovalPolicy, DecisionRefused, Event, MissingSignature, Need, Refused, Request, RequestState, Signer,
    Verdict,
};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, Environment, JobPath, ProjectName, RoleName, RunNumber, UserName};
use crate::domain::plan::Plan;
use crate::domain::plan::difference::{Change, difference as difference_of};
use crate::domain::time::Timestamp;
pub use crate::store::approvals::SignatureRecord as Answered;
use crate::store::approvals::{self as rows, SignatureRecord};
use crate::store::{StoreError, runs};

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
    /// The request that this was asked again after.
    pub replaces: Option<ApprovalId>,
    /// The request that was asked after this.
    pub replaced_by: Option<ApprovalId>,
    /// When somebody else was told that nobody answers.
    pub escalated_at: Option<Timestamp>,
}

/// Another request of the same thread.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its id.
    pub id: ApprovalId,
    /// Its run.
    pub run: RunNumber,
    /// Where it stands.
    pub state: RequestState,
    /// Who asked.
    pub requester: Principal,
    /// Why.
    pub reason: String,
    /// When.
    pub created_at: Timestamp,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// What was said.
    pub answers: Vec<SignatureRecord>,
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
    /// The run that was asked for before in this thread and what is different from it.
    pub amended: Option<(RunNumber, Vec<Change>)>,
    /// The other requests of the thread, the first one first.
    pub thread: Vec<Earlier>,
    /// Who could bring it on with their signature now; empty unless it is pending.
    pub could_sign: Vec<CouldSign>,
    /// Who lets whom sign for them now, for the lines of this request.
    pub delegations: Vec<Delegation>,
    /// Why the one who asks may not decide; `None` when they may.
    pub refusal: Option<DecisionRefused>,
}

/// Somebody who could sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CouldSign {
    /// Who.
    pub user: UserName,
    /// The missing roles that they hold.
    pub roles: Vec<RoleName>,
}

/// What a signer sends.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Their answer.
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
        let (catalogue, asker, now) = (self.known(), actor.clone(), self.clock.now());
        let (weighed, signer, (text, digest), thread, before, delegations) = self
            .db
            .read(move |c| {
                let record = rows::get(c, id)?;
                let weighed = weigh(c, &catalogue, record)?;
                let signer = signer(c, &catalogue, &asker, &weighed, None, now)?;
                let plan = runs::plan(c, weighed.run.number)?;
                let thread = thread_of(c, &weighed.record)?;
                let before = thread.iter().find(|e| Some(e.id) == weighed.record.replaces).map(|e| e.run);
                let before = before.map(|run| Ok::<_, StoreError>((run, runs::plan(c, run)?))).transpose()?;
                let delegations = holding_for(c, &catalogue, &weighed.run.project, &weighed.record.need, now)?;
                Ok::<_, StoreError>((weighed, signer, plan, thread, before, delegations))
            })
            .await?;
        let run = &weighed.run;
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        self.authorize(actor, Permission::View, &resource)?;
        let plan = Plan::read_verified(&text, &digest).map_err(AppError::fault)?;
        let difference = self.difference_to_last(&plan).await?;
        let amended = match before {
            None => None,
            Some((run, (text, digest))) => {
                let old = Plan::read_verified(&text, &digest).map_err(AppError::fault)?;
                Some((run, difference_of(&old, &plan)))
            }
        };
        let could_sign = self.could_sign(&weighed).await?;
        let refusal = would_approve(&weighed.request, &signer, self.clock.now()).err();
        Ok(ApprovalDetail {
            view: self.view(&weighed, &signer),
            policy: weighed.record.policy,
            plan,
            signatures: weighed.answers,
            difference,
            amended,
            thread,
            could_sign,
            delegations,
            refusal,
        })
    }

    async fn could_sign(&self, weighed: &Weighed) -> AppResult<Vec<CouldSign>> {
        if weighed.record.state != RequestState::Pending {
            return Ok(Vec::new());
        }
        let (catalogue, now) = (self.known(), self.clock.now());
        let missing = approval::missing(&weighed.record.need, &weighed.request.signatures);
        let mut out = Vec::new();
        for user in self.who_can_sign(weighed).await? {
            let name = user.name.clone();
            let holds = catalogue.policy.roles_of(&actor_of(user, now), &weighed.run.project);
            let roles = missing.iter().map(|m| m.role.clone()).filter(|r| holds.contains(r)).collect();
            out.push(CouldSign { user: name, roles });
        }
        Ok(out)
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
        Ok(Some((number, difference_of(&old, plan))))
    }

    pub(super) fn view(&self, weighed: &Weighed, signer: &Signer) -> ApprovalView {
        let (record, run) = (&weighed.record, &weighed.run);
        let missing = if record.state == RequestState::Pending {
            approval::missing(&record.need, &weighed.request.signatures)
        } else {
            Vec::new()
        };
        let fresh = Signer { authenticated_at: Some(self.clock.now()), ..signer.clone() };
        let mine = would_approve(&weighed.request, &fresh, self.clock.now()).is_ok();
        ApprovalView {
            id: record.id,
            run: record.run,
            project: record.project.clone(),
            job: record.job_path.clone(),
            environment: run.environment.clone(),
            state: record.state,
            requester: record.requester.clone(),
            reason: run.reason.clone(),
            digest: record.plan_digest,
            need: record.need.clone(),
            missing,
            created_at: record.created_at,
            expires_at: record.expires_at,
            decided_at: record.decided_at,
            void_reason: record.void_reason.clone(),
            mine,
            replaces: record.replaces,
            replaced_by: record.replaced_by,
            escalated_at: record.escalated_at,
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

/// Whether a signer could approve, were they to give a reason where one is asked for.
pub(super) fn would_approve(request: &Request, signer: &Signer, now: Timestamp) -> Result<(), DecisionRefused> {
    let event = Event::Decision { signer, verdict: Verdict::Approve, seen: &request.digest, reason: "-" };
    match approval::next(request, event, now) {
        Err(Refused::Decision(refused)) => Err(refused),
        Ok(_) | Err(_) => Ok(()),
    }
}
