//! Whether the signatures of a run still let it start, looked at in the moment of dispatch.
//!
//! A signature is worth what its signer may do now: who lost the role, the right or the account since has not signed.

use super::catalogue::Catalogue;
use super::planning::job_of;
use crate::domain::access::{Actor, Permission, Principal, Via};
use crate::domain::approval::{RequestState, Signature, Verdict, latest_start, missing};
use crate::domain::run::RunEvent;
use crate::domain::time::Timestamp;
use crate::store::runs::RunRecord;
use crate::store::{Conn, StoreError, approvals as requests, users};

/// Why a signed run does not start: what happens to it, and the reason in words.
pub(super) type NotSigned = (RunEvent, String);

/// Holds the run's request against the digest, the start window and the signers' rights now.
pub(super) fn still_signed(
    c: &mut Conn,
    catalogue: &Catalogue,
    run: &RunRecord,
    now: Timestamp,
) -> Result<(), NotSigned> {
    let void = |why: &str| (RunEvent::Voided, why.to_owned());
    let broken = |e: StoreError| (RunEvent::Voided, e.to_string());
    let id = run.approval_id.ok_or_else(|| void("it needs signatures but has no request for them"))?;
    let (request, signatures) = requests::get_signed(c, id).map_err(broken)?;
    if request.state != RequestState::Approved {
        return Err(void(&format!("its request for signatures is {}", request.state.as_str())));
    }
    if request.plan_digest != run.plan_digest {
        return Err(void("what was approved is not what would run"));
    }
    if let (Some(within), Some(at)) = (request.policy.start_within, request.decided_at)
        && now > latest_start(within, at, run.start_at)
    {
        let why = format!("the time to start it after the last signature or its planned start, {within}, was over");
        return Err((RunEvent::Expired, why));
    }
    let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
    let mut counting = Vec::new();
    let mut lost = Vec::new();
    for signature in signatures.into_iter().filter(|s| s.verdict == Verdict::Approve) {
        let found = users::find(c, &signature.user).map_err(broken)?.filter(|u| u.active);
        let actor = found.map(|user| Actor {
            principal: Principal::User(user.name),
            groups: user.groups,
            via: Via::Session { authenticated_at: signature.at },
            administrator: user.administrator,
        });
        match actor.filter(|a| catalogue.policy.authorize(a, Permission::Approve, &resource).is_ok()) {
            Some(actor) => {
                let roles = catalogue.policy.roles_of(&actor, &run.project);
                counting.push(Signature { user: signature.user, roles });
            }
            None => lost.push(signature.user.to_string()),
        }
    }
    if missing(&request.need, &counting).is_empty() {
        return Ok(());
    }
    let who = if lost.is_empty() { "a signer".to_owned() } else { lost.join(", ") };
    Err(void(&format!("{who} may not sign for this job any more, so signatures are missing")))
}
