//! Whether the signatures of a run still let it start, looked at in the moment of dispatch.
//!
//! A signature is worth what its signer may do now: who lost the role, the right or the account since has not signed.

use super::catalogue::Catalogue;
use super::signers::weigh;
use crate::domain::approval::{self, Event, NotStarted, Refused};
use crate::domain::digest::Digest;
use crate::domain::plan::PlannedPolicy;
use crate::domain::run::RunEvent;
use crate::domain::time::Timestamp;
use crate::store::approvals::{self as requests, ApprovalRecord};
use crate::store::runs::RunRecord;
use crate::store::{Conn, StoreError};

/// Why a signed run does not start: what happens to it, and the reason in words.
pub(super) type NotSigned = (RunEvent, String);

/// Asks the machine whether the run's request may be used for a plan of this digest, with its signers' rights as they are
/// now.
pub(super) fn still_signed(
    c: &mut Conn,
    catalogue: &Catalogue,
    run: &RunRecord,
    policy: &PlannedPolicy,
    digest: &Digest,
    now: Timestamp,
) -> Result<(), NotSigned> {
    let void = |why: &str| (RunEvent::Voided, why.to_owned());
    let broken = |e: StoreError| (RunEvent::Voided, e.to_string());
    let id = run.approval_id.ok_or_else(|| void("it needs signatures but has no request for them"))?;
    let record = requests::locked(c, id).map_err(broken)?;
    same_lines(&record, policy).map_err(void)?;
    let weighed = weigh(c, catalogue, record).map_err(broken)?;
    match approval::next(&weighed.request, Event::Start(digest), now) {
        Ok(_) => Ok(()),
        Err(Refused::Start(why @ NotStarted::TooLate)) => Err((RunEvent::Expired, why.to_string())),
        Err(why) => Err(void(&why.to_string())),
    }
}

/// Whether the stored request asks for the very signatures that stand in the plan.
pub(super) fn same_lines(record: &ApprovalRecord, policy: &PlannedPolicy) -> Result<(), &'static str> {
    // A plan from before its lines stood in it has none.
    let lines = policy.need.is_empty() || policy.need == record.need;
    if lines && record.policy.digest() == policy.digest {
        return Ok(());
    }
    Err("the request does not ask for the signatures that stand in its plan")
}
