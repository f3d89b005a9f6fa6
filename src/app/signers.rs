//! What is known now of everybody in an approval request: who they are, and what their signature is worth.

use std::collections::BTreeSet;

use super::catalogue::Catalogue;
use super::delegating::holding_for;
use super::planning::{job_of, person};
use crate::domain::access::{Actor, Permission, Principal, Via};
use crate::domain::approval::{self, Need, Party, Request, Signature, Signer, Verdict, latest_start};
use crate::domain::ids::UserName;
use crate::domain::time::Timestamp;
use crate::store::approvals::{self as rows, ApprovalRecord, SignatureRecord};
use crate::store::runs::{self, RunRecord};
use crate::store::users::{self, UserRecord};
use crate::store::{Conn, StoreError};

/// A request as it is stored, and as it is weighed.
#[derive(Debug, Clone)]
pub(super) struct Weighed {
    pub(super) record: ApprovalRecord,
    pub(super) run: RunRecord,
    /// Every answer so far.
    pub(super) answers: Vec<SignatureRecord>,
    /// What the machine is asked about.
    pub(super) request: Request,
}

/// Reads a request with everybody in it as they are now.
pub(super) fn weigh(c: &mut Conn, catalogue: &Catalogue, record: ApprovalRecord) -> Result<Weighed, StoreError> {
    let (_, answers) = rows::get_signed(c, record.id)?;
    let run = runs::get(c, record.run)?;
    let mut signatures = Vec::new();
    for answer in answers.iter().filter(|s| s.verdict == Verdict::Approve) {
        signatures.push(Signature {
            user: answer.user.clone(),
            party: party_of(c, answer)?,
            roles: roles_now(c, catalogue, &answer.user, &run, answer.at)?,
            digest: answer.digest,
        });
    }
    let requester = match person(&record.requester) {
        None => None,
        Some(name) => Some(party(c, &name, &record.known_as)?),
    };
    let within = record.policy.start_within;
    let request = Request {
        state: record.state,
        digest: record.plan_digest,
        requester,
        need: record.need.clone(),
        self_approval: record.policy.self_approval,
        expires_at: record.expires_at,
        start_before: within.zip(record.decided_at).map(|(within, at)| latest_start(within, at, run.start_at)),
        reasons: record.policy.reasons,
        signatures,
    };
    Ok(Weighed { record, run, answers, request })
}

impl Weighed {
    /// Who signed and does not count any more as they did then, so that signatures are missing which were there.
    pub(super) fn eroded(&self) -> Option<String> {
        let then: Vec<Signature> = self
            .request
            .signatures
            .iter()
            .map(|now| {
                let answer = self.answers.iter().find(|a| a.user == now.user && a.verdict == Verdict::Approve);
                Signature { roles: answer.map(|a| a.roles.clone()).unwrap_or_default(), ..now.clone() }
            })
            .collect();
        let lacks = |signatures: &[Signature]| total(&self.record.need, signatures);
        if lacks(&self.request.signatures) <= lacks(&then) {
            return None;
        }
        let lost = self.request.signatures.iter().zip(&then).filter(|(now, then)| !now.roles.is_superset(&then.roles));
        let names: Vec<&str> = lost.map(|(now, _)| now.user.as_str()).collect();
        let who = if names.is_empty() { "a signer".to_owned() } else { names.join(", ") };
        Some(format!("{who} may not sign for this job any more"))
    }
}

fn total(need: &[Need], signatures: &[Signature]) -> u32 {
    approval::missing(need, signatures).iter().map(|m| m.count).sum()
}

/// Every account that an account's owner has now or had then.
pub(super) fn party(c: &mut Conn, name: &UserName, then: &BTreeSet<UserName>) -> Result<Party, StoreError> {
    Ok(Party::new(name, users::accounts_of(c, name)?.into_iter().chain(then.iter().cloned())))
}

fn party_of(c: &mut Conn, answer: &SignatureRecord) -> Result<Party, StoreError> {
    let own = party(c, &answer.user, &answer.known_as)?;
    match &answer.on_behalf_of {
        None => Ok(own),
        Some(other) => Ok(own.with(&party(c, other, &BTreeSet::new())?)),
    }
}

/// An account as access control sees it.
pub(super) fn actor_of(user: UserRecord, at: Timestamp) -> Actor {
    Actor {
        principal: Principal::User(user.name),
        groups: user.groups,
        via: Via::Session { authenticated_at: at },
        administrator: user.administrator,
    }
}

/// The roles that count for an account on a run now: none for one that is closed or may not approve it.
fn roles_now(
    c: &mut Conn,
    catalogue: &Catalogue,
    name: &UserName,
    run: &RunRecord,
    at: Timestamp,
) -> Result<BTreeSet<crate::domain::ids::RoleName>, StoreError> {
    let Some(user) = users::find(c, name)?.filter(|u| u.active) else { return Ok(BTreeSet::new()) };
    let actor = actor_of(user, at);
    let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
    let may = catalogue.policy.authorize(&actor, Permission::Approve, &resource).is_ok();
    Ok(if may { catalogue.policy.roles_of(&actor, &run.project) } else { BTreeSet::new() })
}

/// What is known of an actor as a signer of a run, now.
pub(super) fn signer(
    c: &mut Conn,
    catalogue: &Catalogue,
    actor: &Actor,
    weighed: &Weighed,
    speaks_for: Option<&UserName>,
    now: Timestamp,
) -> Result<Signer, StoreError> {
    let run = &weighed.run;
    let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
    let person = match person(&actor.principal).filter(|_| actor.is_person()) {
        None => None,
        Some(name) => Some((name.clone(), party(c, &name, &BTreeSet::new())?)),
    };
    let delegations = match speaks_for {
        None => Vec::new(),
        Some(_) => holding_for(c, catalogue, &run.project, &weighed.record.need, now)?,
    };
    Ok(Signer {
        person,
        delegated: delegations
            .iter()
            .any(|d| Some(&d.from) == speaks_for && Principal::User(d.to.clone()) == actor.principal),
        speaks_for: match speaks_for {
            None => None,
            Some(name) => Some((name.clone(), party(c, name, &BTreeSet::new())?)),
        },
        roles: catalogue.policy.roles_of(actor, &run.project),
        may_approve: catalogue.policy.authorize(actor, Permission::Approve, &resource).is_ok(),
        authenticated_at: match &actor.via {
            Via::Session { authenticated_at } => Some(*authenticated_at),
            Via::Chat { pressed_at } => Some(*pressed_at),
            _ => None,
        },
    })
}
