//! One run as an auditor gets it: what was asked for, who signed what, and what became of it, in one document that can be
//! checked without the server.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::access::Principal;
use super::approval::{ApprovalPolicy, Need, Party, RequestState, Signature, Verdict, missing};
use super::audit::{Entry, Head};
use super::digest::Digest;
use super::ids::{ApprovalId, RoleName, RunNumber, UserName};
use super::plan::Plan;
use super::run::State;
use super::time::Timestamp;

/// What stands in every such document, so that a signature over something else is never taken for one over it.
pub const WHAT: &str = "interlock run record";
/// The version of its form.
pub const FORMAT: u32 = 1;

/// Everything about one run that has to do with who let it happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDocument {
    /// Always [`WHAT`].
    pub what: String,
    /// Always [`FORMAT`].
    pub format: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// The run.
    pub run: RunNumber,
    /// Where it stood then.
    pub state: State,
    /// Why it ended so, if there is more to say.
    pub end_reason: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The frozen plan.
    pub plan: Plan,
    /// Its digest.
    pub digest: Digest,
    /// The request for signatures; `None` where none was needed.
    pub request: Option<DocumentedRequest>,
    /// Who ran it without waiting for signatures, and who looked at it afterwards.
    pub break_glass: Option<DocumentedException>,
    /// What the record says about the run, with the address that each act came from.
    pub record: Vec<Entry>,
    /// The newest signed end of the record that there was then.
    pub head: Option<Head>,
}

/// A request for signatures in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentedRequest {
    /// Its id.
    pub id: ApprovalId,
    /// Where it stood.
    pub state: RequestState,
    /// The policy as it was when the plan was frozen.
    pub policy: ApprovalPolicy,
    /// The policy's digest.
    pub policy_digest: Digest,
    /// The quorum: the lines that applied.
    pub need: Vec<Need>,
    /// Who asked.
    pub requester: Principal,
    /// The accounts of that person then.
    pub requester_known_as: BTreeSet<UserName>,
    /// When they asked.
    pub created_at: Timestamp,
    /// Until when it waited.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// The request before it in its thread.
    pub replaces: Option<ApprovalId>,
    /// Every answer.
    pub answers: Vec<DocumentedAnswer>,
}

/// A run without waiting, in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentedException {
    /// Who ran it.
    pub user: UserName,
    /// Why, in their words.
    pub reason: String,
    /// Until when somebody else had to look at it.
    pub review_by: Timestamp,
    /// Who did.
    pub reviewed_by: Option<UserName>,
    /// When.
    pub reviewed_at: Option<Timestamp>,
    /// What they said.
    pub note: Option<String>,
}

/// An answer in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentedAnswer {
    /// Who.
    pub user: UserName,
    /// The accounts of that person then.
    pub known_as: BTreeSet<UserName>,
    /// In whose name they spoke beside their own.
    pub on_behalf_of: Option<UserName>,
    /// What they said.
    pub verdict: Verdict,
    /// Why, in their words.
    pub reason: String,
    /// The roles that they held.
    pub roles: BTreeSet<RoleName>,
    /// The digest that they looked at.
    pub digest: Digest,
    /// From where.
    pub source: String,
    /// When.
    pub at: Timestamp,
}

/// What does not fit in a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Something else, or of another version.
    #[error("it is no record of a run in form {FORMAT}")]
    OtherForm,
    /// The plan has another digest.
    #[error("its plan has the digest {found}, not {named}")]
    Plan {
        /// What the plan has.
        found: Digest,
        /// What the document says.
        named: Digest,
    },
    /// The request is for other signatures than the plan.
    #[error("its request does not ask for the signatures that stand in its plan")]
    OtherPolicy,
    /// A signature is over another plan.
    #[error("the signature of {0} is over another plan")]
    OtherDigest(UserName),
    /// The run started and signatures are missing.
    #[error("it started although signatures were missing: {0}")]
    Unsigned(String),
}

impl RunDocument {
    /// Holds its parts against each other: the plan against its digest, the signatures against both, the quorum against
    /// the signatures.
    ///
    /// # Errors
    /// The first [`Contradiction`].
    pub fn check(&self) -> Result<(), Contradiction> {
        if self.what != WHAT || self.format != FORMAT {
            return Err(Contradiction::OtherForm);
        }
        let found = self.plan.digest();
        if found != self.digest {
            return Err(Contradiction::Plan { found, named: self.digest });
        }
        match (&self.request, &self.plan.policy) {
            (None, Some(policy)) if self.started_at.is_some() && self.break_glass.is_none() => {
                Err(Contradiction::Unsigned(policy.name.to_string()))
            }
            (None, _) => Ok(()),
            (Some(_), None) => Err(Contradiction::OtherPolicy),
            (Some(request), Some(policy)) => {
                let digest = request.policy.digest();
                let lines = policy.need.is_empty() || policy.need == request.need;
                if digest != request.policy_digest || digest != policy.digest || !lines {
                    return Err(Contradiction::OtherPolicy);
                }
                request.check(self.digest, self.started_at.is_some())
            }
        }
    }
}

impl DocumentedRequest {
    fn check(&self, digest: Digest, started: bool) -> Result<(), Contradiction> {
        let approvals: Vec<&DocumentedAnswer> = self.answers.iter().filter(|a| a.verdict == Verdict::Approve).collect();
        if let Some(other) = approvals.iter().find(|a| a.digest != digest) {
            return Err(Contradiction::OtherDigest(other.user.clone()));
        }
        let requester = match &self.requester {
            Principal::User(name) => Some(Party::new(name, self.requester_known_as.clone())),
            _ => None,
        };
        let signatures: Vec<Signature> = approvals
            .into_iter()
            .map(|a| {
                let known_as = a.known_as.iter().chain(&a.on_behalf_of).cloned();
                let party = Party::new(&a.user, known_as);
                Signature { user: a.user.clone(), party, roles: a.roles.clone(), digest: a.digest }
            })
            .filter(|s| self.policy.self_approval || !requester.as_ref().is_some_and(|r| r.is(&s.party)))
            .collect();
        let open = missing(&self.need, &signatures);
        if started && !open.is_empty() {
            let words: Vec<String> = open.iter().map(|m| format!("{} {}", m.count, m.role)).collect();
            return Err(Contradiction::Unsigned(words.join(", ")));
        }
        Ok(())
    }
}
