//! Change freezes: times in which runs need signatures beyond those of their job, or do not start at all.

mod met;
mod window;

use std::collections::BTreeSet;

use serde::Serialize;

use super::approval::{ApprovalPolicy, DEFAULT_REASONS, EXPIRES, Need, Reasons};
use super::digest::Digest;
use super::glob::Glob;
use super::ids::{Environment, FreezeName, JobPath, PolicyName};
use super::time::Timestamp;
use super::zone::Zone;

pub use met::{MetFreeze, new_ones, stand};
pub use window::{Day, LONGEST, Window};

/// A change freeze of `project.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeFreeze {
    /// Its name.
    pub name: FreezeName,
    /// Why nothing is to change, for whoever meets it.
    pub reason: String,
    /// When it is on.
    pub window: Window,
    /// The clock that people there look at.
    pub time_zone: Zone,
    /// Globs over `group/name`; empty covers every job.
    pub jobs: Vec<String>,
    /// Environments of which a run has a node; empty covers all.
    pub environments: Vec<Environment>,
    /// Who may let a run through, beside the job's own signers; empty lets nothing through.
    pub need: Vec<Need>,
}

impl ChangeFreeze {
    /// The digest over everything in it, so that a plan can name what it was made under.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_json(&serde_json::to_value(self).unwrap_or(serde_json::Value::Null))
    }

    /// Whether it speaks about a job on nodes of these environments. A run of which none is known is covered.
    #[must_use]
    pub fn covers(&self, job: &JobPath, environments: &BTreeSet<Environment>) -> bool {
        let path = job.to_string();
        let job = self.jobs.is_empty() || self.jobs.iter().any(|glob| Glob::new(glob).covers(&path));
        let place = self.environments.is_empty()
            || environments.is_empty()
            || self.environments.iter().any(|e| environments.contains(e));
        job && place
    }

    /// Where it is on, until when: the end of what follows without a break.
    #[must_use]
    pub fn on_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.window.on_until(self.time_zone, at)
    }
}

/// The name of the policy of a run that needs signatures for nothing but a freeze. No policy of a project has it.
pub const POLICY: &str = "change-freeze";

/// The policy of a run that needs signatures for nothing but a freeze.
#[must_use]
pub fn policy() -> Option<ApprovalPolicy> {
    Some(ApprovalPolicy {
        name: PolicyName::parse(POLICY).ok()?,
        when: None,
        need: Vec::new(),
        self_approval: false,
        expires: EXPIRES,
        start_within: None,
        remind: None,
        escalate: None,
        // A webhook has none to give.
        reasons: Reasons { request_required: false, ..DEFAULT_REASONS },
        break_glass: None,
    })
}

#[cfg(test)]
mod tests;
