//! The frozen plan: exactly what a run will do, and the digest that a signer approves.

pub mod danger;
pub mod difference;
pub mod freeze;
pub mod standing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::access::Principal;
use super::approval::Need;
use super::change_freeze::MetFreeze;
use super::digest::{Digest, canonical_json};
use super::ids::{
    Environment, EventId, HostName, JobId, JobPath, KeyPath, NodeName, OptionName, PolicyName, ProjectName, RemoteUser,
    StepName,
};
use super::job::{MaxFailures, Retry, Strategy};
use super::node::{Jump, Transport};
use super::time::{Seconds, Timestamp};

/// The version of the plan's form. A reader refuses a version that it does not know.
pub const FORMAT: u32 = 1;

/// Everything that decides what a run does. Its canonical JSON is stored; the executor works from that and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Always [`FORMAT`].
    pub format: u32,
    /// The project.
    pub project: ProjectName,
    /// The job and its exact revision.
    pub job: PlannedJob,
    /// The strictest environment among the nodes.
    pub environment: Option<Environment>,
    /// The nodes, in the order in which they start.
    pub nodes: Vec<PlannedNode>,
    /// How the request chose among the nodes that the job's filter matches; `None` where it took all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
    /// The option values; secrets by reference.
    pub options: BTreeMap<OptionName, PlannedValue>,
    /// The steps with their compiled commands.
    pub steps: Vec<PlannedStep>,
    /// How nodes and steps are walked.
    pub execution: Execution,
    /// Who asks.
    pub requester: Principal,
    /// How they asked.
    pub origin: Origin,
    /// Why, in their words.
    pub reason: String,
    /// When it is to start, if not at once.
    pub start_at: Option<Timestamp>,
    /// The approval policy that applies, with the digest of its text.
    pub policy: Option<PlannedPolicy>,
    /// The change freezes that it meets, whose lines stand among those of the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<MetFreeze>,
}

/// The job of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedJob {
    /// Its id.
    pub id: JobId,
    /// Its group and name at that revision.
    pub path: JobPath,
    /// The revision's number.
    pub revision: i64,
    /// The revision's digest.
    pub digest: Digest,
}

/// A node of a plan: the name and where it really is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedNode {
    /// Its name.
    pub name: NodeName,
    /// The host that SSH connects to.
    pub host: HostName,
    /// The port.
    pub port: u16,
    /// The account.
    pub user: Option<RemoteUser>,
    /// The private key that is offered.
    pub key: Option<KeyPath>,
    /// Hosts on the way.
    pub jumps: Vec<Jump>,
    /// How commands get there.
    pub transport: Transport,
    /// Its environment, as the inventory says.
    pub environment: Option<Environment>,
    /// The enrolled host keys' fingerprints, sorted; empty when it is not enrolled.
    pub host_keys: Vec<String>,
    /// `NODE_…` variables that the steps get on this node: name, hostname, username, tags and what placeholders name.
    pub variables: BTreeMap<String, String>,
}

/// How a request chose some of the job's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowed {
    /// It named them one by one.
    pub by_name: bool,
    /// It added a filter of its own.
    pub filter: Option<String>,
}

/// An option's value in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum PlannedValue {
    /// The text that the node gets.
    Text { value: String },
    /// A secret by its place and version; the value is fetched when the step starts.
    Secret { path: String, version: i64 },
    /// An uploaded file by its place and content.
    File { id: String, name: String, sha256: Digest, size: u64 },
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Its name.
    pub name: StepName,
    /// What runs.
    pub action: PlannedAction,
    /// The longest that it may take on one node.
    pub timeout: Option<Seconds>,
    /// How often it is tried again on a node.
    pub retry: Retry,
}

/// What a step runs, compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum PlannedAction {
    /// Shell text with variable references, run by `/bin/sh`.
    Run { command: String },
    /// A script for an interpreter.
    Script { body: String, interpreter: String },
}

/// How a plan is walked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// Order of nodes and steps.
    pub strategy: Strategy,
    /// Nodes at a time.
    pub concurrency: u32,
    /// Whether other nodes go on after one failed.
    pub keep_going: bool,
    /// Stop starting nodes beyond this.
    pub max_failures: Option<MaxFailures>,
    /// The whole run's limit.
    pub timeout: Option<Seconds>,
    /// Attempts of the whole run.
    pub retry: Retry,
    /// Whether unknown outcomes may be started again.
    pub idempotent: bool,
}

/// The approval policy of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPolicy {
    /// Its name in `project.yaml`.
    pub name: PolicyName,
    /// The digest of its content when the plan was frozen.
    pub digest: Digest,
    /// The lines that apply to this plan; absent in plans of before they stood in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub need: Vec<Need>,
}

/// How a run was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum Origin {
    /// The button on the job's page.
    Button,
    /// The JSON API.
    Api,
    /// The command line on the server.
    Cli,
    /// A command in a chat.
    Chat,
    /// A webhook's delivery.
    Webhook { name: String, event: EventId },
    /// A rule that matched an event.
    Rule { name: String, event: EventId },
    /// A schedule.
    Schedule { name: String },
}

impl Origin {
    /// One word for lists and filters.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Chat => "chat",
            Self::Webhook { .. } => "webhook",
            Self::Rule { .. } => "rule",
            Self::Schedule { .. } => "schedule",
        }
    }
}

/// Why a stored plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// Not a plan of a form that this version knows.
    #[error("the stored plan cannot be read: {0}")]
    Unreadable(String),
    /// The text does not have the digest that was recorded for it.
    #[error("the stored plan has digest {found}, but {expected} was recorded")]
    DigestMismatch {
        /// What was recorded.
        expected: Digest,
        /// What the text has now.
        found: Digest,
    },
}

impl Plan {
    /// The plan as canonical JSON. Two equal plans give equal text.
    #[must_use]
    pub fn canonical(&self) -> String {
        canonical_json(&serde_json::to_value(self).unwrap_or(serde_json::Value::Null))
    }

    /// The digest that signers approve.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Reads a stored plan and holds it against the recorded digest.
    ///
    /// # Errors
    /// [`BadPlan`] when the text is not a plan, or not the one that was recorded.
    pub fn read_verified(text: &str, expected: &Digest) -> Result<Self, BadPlan> {
        let found = Digest::of(text.as_bytes());
        if found != *expected {
            return Err(BadPlan::DigestMismatch { expected: *expected, found });
        }
        let plan: Self = serde_json::from_str(text).map_err(|e| BadPlan::Unreadable(e.to_string()))?;
        if plan.format != FORMAT {
            return Err(BadPlan::Unreadable(format!("it has form {}, this version knows {FORMAT}", plan.format)));
        }
        if plan.canonical() != text {
            return Err(BadPlan::Unreadable("it is not in canonical form".to_owned()));
        }
        Ok(plan)
    }
}
