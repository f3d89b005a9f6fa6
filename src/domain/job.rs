//! A job: what may be run, on which nodes, with which options, under which sign-off.

use serde::{Deserialize, Serialize};

use super::ids::{JobId, JobPath, PolicyName, StepName};
use super::option::OptionSpec;
use super::time::Seconds;

/// A job as its author wrote it, checked. A stored revision of it is immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The id that the author gave; the store draws one for a new job without.
    pub id: Option<JobId>,
    /// Group and name, unique in the project.
    pub path: JobPath,
    /// Markdown; the first line is the summary.
    pub description: String,
    /// The typed options, in the author's order.
    pub options: Vec<OptionSpec>,
    /// Where the steps run.
    pub dispatch: Dispatch,
    /// The approval policy of the project that a run needs; `None` means no sign-off.
    pub approval: Option<PolicyName>,
    /// The longest that the whole run may take.
    pub timeout: Option<Seconds>,
    /// How many runs may be under way at once.
    pub concurrency: Option<Concurrency>,
    /// How often a failed run starts again by itself. Part of the approved plan.
    pub retry: Retry,
    /// Whether a run whose outcome is unknown may be started again.
    pub idempotent: bool,
    /// In which order nodes and steps are walked.
    pub strategy: Strategy,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Who hears about the outcome: channel names of `project.yaml`.
    pub notify: Notify,
    /// Whether the job may be run at all.
    pub enabled: bool,
}

impl Job {
    /// The first line of the description.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.description.lines().next().unwrap_or_default().trim()
    }
}

/// Where a job's steps run.
#[derive(Debug, Clone, PartialEq)]
pub enum Dispatch {
    /// On the machine that Interlock runs on. Refused unless the project allows it.
    Local,
    /// On the inventory's nodes that the filter matches.
    Nodes(NodeDispatch),
}

/// How the matched nodes are walked.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeDispatch {
    /// Rundeck's node filter.
    pub filter: String,
    /// Whether a node that the filter both includes and excludes is left out.
    pub exclude_precedence: bool,
    /// Nodes at a time; at least 1.
    pub concurrency: u32,
    /// Whether other nodes go on after one failed.
    pub keep_going: bool,
    /// Stop starting nodes once more than this many failed.
    pub max_failures: Option<MaxFailures>,
    /// The node attribute that nodes are ordered by; `name` by default.
    pub order_by: String,
    /// Whether the form offers the matched nodes to untick.
    pub user_may_narrow: bool,
}

/// The failures that a run bears before no more nodes are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxFailures {
    /// So many nodes.
    Count(u32),
    /// So many in a hundred of the planned nodes.
    Percent(u8),
}

/// How many runs of the job may be under way at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// At least 1.
    pub limit: u32,
    /// A template of options; runs are counted by its rendered text. Absent: by job.
    pub key: Option<String>,
    /// What happens to one too many.
    pub when_busy: WhenBusy,
}

/// What happens to a run that comes while the limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// The request is refused.
    Refuse,
    /// It waits its turn.
    Queue,
    /// The runs under way are canceled.
    CancelRunning,
}

/// How often and after which pause a failed run is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retry {
    /// Extra attempts; 0 means none.
    pub count: u32,
    /// The pause before each.
    pub delay: Seconds,
}

impl Default for Seconds {
    fn default() -> Self {
        Self::new(0)
    }
}

/// In which order nodes and steps are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// All steps on a node, then the next node.
    #[default]
    NodeFirst,
    /// A step on all nodes, then the next step.
    StepFirst,
    /// All steps of a node at once.
    Parallel,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique in the job; made from the position where the author gave none (`step-2`).
    pub name: StepName,
    /// What it does.
    pub action: StepAction,
    /// The longest that it may take on one node.
    pub timeout: Option<Seconds>,
    /// How often it is tried again on a node.
    pub retry: Retry,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAction {
    /// The author's shell text with placeholders; see [`super::command`].
    Run { command: String },
    /// A script that gets values by environment only.
    Script { body: String, interpreter: String },
}

/// Channels that hear about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// When it starts.
    pub on_start: Vec<String>,
    /// When it succeeded.
    pub on_success: Vec<String>,
    /// When it ended in any other way.
    pub on_failure: Vec<String>,
}
