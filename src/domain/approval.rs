//! Sign-off: the policy of a project, and the one function that weighs a signature.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::ids::{PolicyName, RoleName, UserName};
use super::time::{Seconds, Timestamp};

/// An approval policy of `project.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPolicy {
    /// Its name.
    pub name: PolicyName,
    /// An expression over `environment`, `job`, `option`, `requester`; absent means always.
    pub when: Option<String>,
    /// Lines that must all be met, by distinct people.
    pub need: Vec<Need>,
    /// Whether the requester may sign for themselves. Off by default.
    pub self_approval: bool,
    /// How long the request waits; then it is expired, never approved.
    pub expires: Seconds,
    /// How long after the last signature the run may still start.
    pub start_within: Option<Seconds>,
    /// When to remind.
    pub remind: Option<Seconds>,
    /// When and to whom to escalate.
    pub escalate: Option<Escalation>,
    /// Which reasons are required.
    pub reasons: Reasons,
    /// Who may run without waiting, to be reviewed afterwards.
    pub break_glass: Option<BreakGlass>,
}

impl ApprovalPolicy {
    /// The digest over everything in it, so that a plan can name the policy it was made under.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_json(&serde_json::to_value(self).unwrap_or(serde_json::Value::Null))
    }
}

/// Until when a signed run may start: so long after the last signature, or after the time that it was asked for, if that
/// is later.
#[must_use]
pub fn latest_start(within: Seconds, signed_at: Timestamp, start_at: Option<Timestamp>) -> Timestamp {
    start_at.map_or(signed_at, |at| at.max(signed_at)) + within.to_delta()
}

/// One line of a quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The role that signs.
    pub role: RoleName,
    /// How many people.
    pub count: u32,
    /// An expression as in [`ApprovalPolicy::when`]; absent means always.
    pub when: Option<String>,
}

/// Whom to tell when nobody answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// After this long.
    pub after: Seconds,
    /// `role:NAME` or `user:NAME`.
    pub to: String,
}

/// Which reasons a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    /// From the requester.
    pub request_required: bool,
    /// From who approves.
    pub approve_required: bool,
    /// From who rejects.
    pub reject_required: bool,
}

/// The way round for emergencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// The role that may.
    pub role: RoleName,
    /// How soon somebody else has to review it.
    pub review_within: Seconds,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Waits for signatures.
    Pending,
    /// Every line is met.
    Approved,
    /// A signer said no.
    Rejected,
    /// Nobody signed in time.
    Expired,
    /// The plan no longer stands, or the run was canceled.
    Void,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Rejected, Self::Expired, Self::Void];

    /// The word in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Void => "void",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// An approval request as the decision sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it stands.
    pub state: RequestState,
    /// The plan's digest.
    pub digest: Digest,
    /// Who asked, if a person.
    pub requester: Option<UserName>,
    /// The lines that apply, conditions already decided when the plan was frozen.
    pub need: Vec<Need>,
    /// Whether the requester may sign.
    pub self_approval: bool,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Which reasons are required.
    pub reasons: Reasons,
    /// The approvals so far, each with the roles that the signer held then.
    pub signatures: Vec<Signature>,
}

/// One approval that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Who.
    pub user: UserName,
    /// Their roles at that time.
    pub roles: BTreeSet<RoleName>,
}

/// The person who decides, as known at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Who; `None` for services, tokens and the system, which can never sign.
    pub person: Option<UserName>,
    /// The roles they hold now.
    pub roles: BTreeSet<RoleName>,
    /// Whether they have `approve` on this job, in this environment, now.
    pub may_approve: bool,
    /// When they last typed their password.
    pub authenticated_at: Option<Timestamp>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Let it run.
    Approve,
    /// Do not.
    Reject,
}

impl Verdict {
    /// The word in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Approve, Self::Reject].into_iter().find(|v| v.as_str() == text)
    }
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
            Self::StaleSession => "stale_session",
            Self::Closed(_) => "request_closed",
            Self::OtherPlan { .. } => "other_plan",
            Self::ReasonRequired(_) => "reason_required",
        }
    }
}

/// What a decision leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The request's state afterwards.
    pub state: RequestState,
    /// What is still missing; empty unless it is still pending.
    pub missing: Vec<MissingSignature>,
}

/// Signatures that a request still lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSignature {
    /// The role that signs.
    pub role: RoleName,
    /// How many more people.
    pub count: u32,
}

/// Weighs a signature. Every path (page, API, command line, link, chat) comes through here.
///
/// # Errors
/// [`DecisionRefused`] with the reason; the request stays as it was.
pub fn decide(
    request: &Request,
    signer: &Signer,
    verdict: Verdict,
    seen: &Digest,
    reason: &str,
    now: Timestamp,
) -> Result<Decided, DecisionRefused> {
    let Some(person) = &signer.person else { return Err(DecisionRefused::NotAPerson) };
    let named = request.need.iter().any(|n| signer.roles.contains(&n.role));
    if !signer.may_approve || !named {
        return Err(DecisionRefused::NotEntitled(describe(&request.need)));
    }
    if request.requester.as_ref() == Some(person) && !request.self_approval {
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
    match verdict {
        Verdict::Reject => {
            if request.reasons.reject_required && !reasoned {
                return Err(DecisionRefused::ReasonRequired("reject"));
            }
            Ok(Decided { state: RequestState::Rejected, missing: Vec::new() })
        }
        Verdict::Approve => {
            if request.reasons.approve_required && !reasoned {
                return Err(DecisionRefused::ReasonRequired("approve"));
            }
            if request.signatures.iter().any(|s| s.user == *person) {
                return Err(DecisionRefused::SignedAlready);
            }
            let mut signatures = request.signatures.clone();
            signatures.push(Signature { user: person.clone(), roles: signer.roles.clone() });
            let missing = missing(&request.need, &signatures);
            let state = if missing.is_empty() { RequestState::Approved } else { RequestState::Pending };
            Ok(Decided { state, missing })
        }
    }
}

/// What the quorum still lacks. One person fills one place, whatever roles they hold, and people are placed so that as
/// many places as possible are filled.
#[must_use]
pub fn missing(need: &[Need], signatures: &[Signature]) -> Vec<MissingSignature> {
    let places: Vec<&RoleName> =
        need.iter().flat_map(|n| std::iter::repeat_n(&n.role, usize::try_from(n.count).unwrap_or(0))).collect();
    let people: Vec<&Signature> = {
        let mut seen = BTreeSet::new();
        signatures.iter().filter(|s| seen.insert(&s.user)).collect()
    };
    let mut holder: BTreeMap<usize, usize> = BTreeMap::new();
    for person in 0..people.len() {
        let mut tried = BTreeSet::new();
        place(person, &places, &people, &mut holder, &mut tried);
    }
    let mut open: BTreeMap<&RoleName, u32> = BTreeMap::new();
    for (index, role) in places.iter().enumerate() {
        if !holder.contains_key(&index) {
            *open.entry(role).or_default() += 1;
        }
    }
    open.into_iter().map(|(role, count)| MissingSignature { role: role.clone(), count }).collect()
}

/// Finds a place for a person, moving others to free one (augmenting path of a bipartite matching).
fn place(
    person: usize,
    places: &[&RoleName],
    people: &[&Signature],
    holder: &mut BTreeMap<usize, usize>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for (index, role) in places.iter().enumerate() {
        let fits = people.get(person).is_some_and(|p| p.roles.contains(*role));
        if !fits || !tried.insert(index) {
            continue;
        }
        let free = match holder.get(&index).copied() {
            None => true,
            Some(other) => place(other, places, people, holder, tried),
        };
        if free {
            holder.insert(index, person);
            return true;
        }
    }
    false
}

/// The lines in words: "1 × manager, 1 × dba".
#[must_use]
pub fn describe(need: &[Need]) -> String {
    need.iter().map(|n| format!("{} × {}", n.count, n.role)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_asked_for_later_has_its_start_window_then() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds);
        let within = Seconds::new(60);
        assert_eq!(latest_start(within, at(100), None), at(160));
        assert_eq!(latest_start(within, at(100), Some(at(50))), at(160));
        assert_eq!(latest_start(within, at(100), Some(at(1_000))), at(1_060));
    }
}
