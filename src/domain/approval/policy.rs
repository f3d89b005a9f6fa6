//! The approval policy of a project: whose signatures, by when, and who is told.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::ids::{PolicyName, RoleName};
use crate::domain::time::{Seconds, Timestamp};

/// How long a request waits unless the policy says otherwise.
pub const EXPIRES: Seconds = Seconds::new(4 * 3_600);
/// Who asks and who refuses gives a reason; who approves need not.
pub const DEFAULT_REASONS: Reasons = Reasons { request_required: true, approve_required: false, reject_required: true };

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
