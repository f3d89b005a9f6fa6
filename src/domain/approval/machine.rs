//! The life of an approval request as one function: every decision, every passing of time and the one use come through
//! here, by whatever door they came in.

use std::collections::BTreeSet;

use super::quorum::{MissingSignature, Party, Signature, describe, missing};
use super::{Need, Reasons, RequestState, Verdict};
use crate::domain::digest::Digest;
use crate::domain::ids::{RoleName, UserName};
use crate::domain::time::{Seconds, Timestamp};

/// An approval request as the machine sees it, with what is known of everybody in it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it stands.
    pub state: RequestState,
    /// The plan's digest.
    pub digest: Digest,
    /// Who asked, if a person.
    pub requester: Option<Party>,
    /// The lines that apply, conditions already decided when the plan was frozen.
    pub need: Vec<Need>,
    /// Whether the requester may sign.
    pub self_approval: bool,
    /// When it expires undecided.
    pub expires_at: Timestamp,
    /// After that an approved run does not start any more.
    pub start_before: Option<Timestamp>,
    /// Which reasons are required.
    pub reasons: Reasons,
    /// The approvals so far, with what their signers may do now.
    pub signatures: Vec<Signature>,
}

/// Who decides, as known at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The account and who that is; `None` for services, tokens and the system, which can never sign.
    pub person: Option<(UserName, Party)>,
    /// In whose name they speak beside their own, and who that is.
    pub speaks_for: Option<(UserName, Party)>,
    /// Whether that person has asked them to, and holds with them a role that signs.
    pub delegated: bool,
    /// The roles they hold now.
    pub roles: BTreeSet<RoleName>,
    /// Whether they have `approve` on this job, in this environment, now.
    pub may_approve: bool,
    /// When they last typed their password.
    pub authenticated_at: Option<Timestamp>,
}

/// How long after a password check one may decide without typing it again.
pub const FRESH_FOR: Seconds = Seconds::new(15 * 60);

/// Why a decision was not taken. Nothing changes then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionRefused {
    /// Only people decide.
    #[error("only a signed-in person can decide; a service account or an API token cannot")]
    NotAPerson,
    /// Not a signer.
    #[error("you may not approve runs of this job; needed: {0}")]
    NotEntitled(String),
    /// The requester.
    #[error("you asked for this run, so somebody else has to decide")]
    OwnRequest,
    /// Signed already.
    #[error("you have signed already; the missing signatures must come from other people")]
    SignedAlready,
    /// Spoken for somebody who did not ask for that.
    #[error("{0} has not asked you to approve for them now; decide in your own name")]
    NotDelegated(String),
    /// The session is too old.
    #[error("please type your password again: it was last checked more than 15 minutes ago")]
    StaleSession,
    /// Decided, expired or void.
    #[error("this request is {0} and cannot be decided any more")]
    Closed(&'static str),
    /// The signer looked at something else.
    #[error(
        "the plan that you looked at (digest {seen}) is not the one that waits ({current}); reload the page and look again"
    )]
    OtherPlan {
        /// What the signer sent.
        seen: String,
        /// What waits.
        current: String,
    },
    /// A reason is required.
    #[error("please give a reason: the policy requires one to {0}")]
    ReasonRequired(&'static str),
}

impl DecisionRefused {
    /// A stable snake_case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAPerson => "not_a_person",
            Self::NotEntitled(_) => "not_entitled",
            Self::OwnRequest => "own_request",
            Self::SignedAlready => "signed_already",
            Self::NotDelegated(_) => "not_delegated",
            Self::StaleSession => "stale_session",
            Self::Closed(_) => "request_closed",
            Self::OtherPlan { .. } => "other_plan",
            Self::ReasonRequired(_) => "reason_required",
        }
    }
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Somebody answers.
    Decision {
        /// Who.
        signer: &'a Signer,
        /// What they say.
        verdict: Verdict,
        /// The digest of the plan that they looked at.
        seen: &'a Digest,
        /// Why, in their words.
        reason: &'a str,
    },
    /// Its time, or the time to start in, may have run out.
    TimePassed,
    /// The plan no longer stands, or the run was canceled.
    Voided,
    /// The engine takes the run; this is the digest of the plan in its hands.
    Start(&'a Digest),
}

/// Where an event leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The state afterwards.
    pub state: RequestState,
    /// What is still missing; empty unless it is still pending.
    pub missing: Vec<MissingSignature>,
}

/// Why an approved run may not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// Not approved (any more), or used already.
    #[error("its request for signatures is {0}")]
    NotApproved(&'static str),
    /// The window to start in is over.
    #[error("the time to start it after the last signature or its planned start was over")]
    TooLate,
    /// The plan, or what a signer looked at, is another one.
    #[error("what was approved is not what would run")]
    OtherPlan,
    /// Signers lost what made their signature count.
    #[error("{0} may not sign for this job any more, so signatures are missing")]
    Unsigned(String),
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A decision that does not count.
    #[error(transparent)]
    Decision(#[from] DecisionRefused),
    /// A start that may not be.
    #[error(transparent)]
    Start(#[from] NotStarted),
    /// It has ended already, or its time has not come.
    #[error("the request is {0}, so nothing happens to it")]
    NothingToDo(&'static str),
}

/// The one place where a request changes state.
///
/// # Errors
/// [`Refused`] with the reason; the request stays as it was.
pub fn next(request: &Request, event: Event<'_>, now: Timestamp) -> Result<Moved, Refused> {
    let to = |state| Ok(Moved { state, missing: Vec::new() });
    match (event, request.state) {
        (Event::Decision { signer, verdict, seen, reason }, _) => {
            Ok(decide(request, signer, verdict, seen, reason, now)?)
        }
        (Event::TimePassed, RequestState::Pending) if now >= request.expires_at => to(RequestState::Expired),
        (Event::TimePassed, RequestState::Approved) if request.start_before.is_some_and(|at| now > at) => {
            to(RequestState::Expired)
        }
        (Event::Voided, RequestState::Pending | RequestState::Approved) => to(RequestState::Void),
        (Event::Start(digest), _) => {
            may_start(request, digest, now)?;
            to(RequestState::Used)
        }
        (Event::TimePassed | Event::Voided, state) => Err(Refused::NothingToDo(state.as_str())),
    }
}

/// Whether a signature of this signer would bring the request on: they may approve, and a place is still free for them.
#[must_use]
pub fn helps(request: &Request, signer: &Signer, now: Timestamp) -> bool {
    let lacks = |missing: &[MissingSignature]| missing.iter().map(|m| m.count).sum::<u32>();
    let before = lacks(&missing(&request.need, &counting(request)));
    let event = Event::Decision { signer, verdict: Verdict::Approve, seen: &request.digest, reason: "-" };
    next(request, event, now).is_ok_and(|moved| lacks(&moved.missing) < before)
}

fn may_start(request: &Request, digest: &Digest, now: Timestamp) -> Result<(), NotStarted> {
    if request.state != RequestState::Approved {
        return Err(NotStarted::NotApproved(request.state.as_str()));
    }
    if *digest != request.digest || request.signatures.iter().any(|s| s.digest != request.digest) {
        return Err(NotStarted::OtherPlan);
    }
    if request.start_before.is_some_and(|at| now > at) {
        return Err(NotStarted::TooLate);
    }
    if !missing(&request.need, &counting(request)).is_empty() {
        return Err(NotStarted::Unsigned(who_lost(request)));
    }
    Ok(())
}

/// Signatures of whoever asked do not count, however they came in.
fn counting(request: &Request) -> Vec<Signature> {
    let own = |s: &Signature| request.requester.as_ref().is_some_and(|r| r.is(&s.party));
    request.signatures.iter().filter(|s| request.self_approval || !own(s)).cloned().collect()
}

fn who_lost(request: &Request) -> String {
    let lost: Vec<&str> = request.signatures.iter().filter(|s| s.roles.is_empty()).map(|s| s.user.as_str()).collect();
    if lost.is_empty() { "a signer".to_owned() } else { lost.join(", ") }
}

fn decide(
    request: &Request,
    signer: &Signer,
    verdict: Verdict,
    seen: &Digest,
    reason: &str,
    now: Timestamp,
) -> Result<Moved, DecisionRefused> {
    let Some((account, own)) = &signer.person else { return Err(DecisionRefused::NotAPerson) };
    let named = request.need.iter().any(|n| signer.roles.contains(&n.role));
    if !signer.may_approve || !named {
        return Err(DecisionRefused::NotEntitled(describe(&request.need)));
    }
    let party = match &signer.speaks_for {
        None => own.clone(),
        Some((_, other)) if signer.delegated => own.with(other),
        Some((name, _)) => return Err(DecisionRefused::NotDelegated(name.to_string())),
    };
    if !request.self_approval && request.requester.as_ref().is_some_and(|r| r.is(&party)) {
        return Err(DecisionRefused::OwnRequest);
    }
    if request.state != RequestState::Pending {
        return Err(DecisionRefused::Closed(request.state.as_str()));
    }
    if now >= request.expires_at {
        return Err(DecisionRefused::Closed("expired"));
    }
    if *seen != request.digest {
        return Err(DecisionRefused::OtherPlan { seen: seen.short(), current: request.digest.short() });
    }
    if signer.authenticated_at.is_none_or(|at| now - at > FRESH_FOR.to_delta()) {
        return Err(DecisionRefused::StaleSession);
    }
    let reasoned = !reason.trim().is_empty();
    let ends = |state| Ok(Moved { state, missing: Vec::new() });
    match verdict {
        Verdict::Reject if request.reasons.reject_required && !reasoned => {
            Err(DecisionRefused::ReasonRequired("reject"))
        }
        Verdict::Reject => ends(RequestState::Rejected),
        // Without a word of what to change, nobody could amend it.
        Verdict::PushBack if !reasoned => Err(DecisionRefused::ReasonRequired("push back")),
        Verdict::PushBack => ends(RequestState::PushedBack),
        Verdict::Approve if request.reasons.approve_required && !reasoned => {
            Err(DecisionRefused::ReasonRequired("approve"))
        }
        Verdict::Approve => {
            if request.signatures.iter().any(|s| s.party.is(&party)) {
                return Err(DecisionRefused::SignedAlready);
            }
            let mut signatures = counting(request);
            let (user, roles) = (account.clone(), signer.roles.clone());
            signatures.push(Signature { user, party, roles, digest: *seen });
            let missing = missing(&request.need, &signatures);
            let state = if missing.is_empty() { RequestState::Approved } else { RequestState::Pending };
            Ok(Moved { state, missing })
        }
    }
}

#[cfg(test)]
mod tests;
