//! Freezes a job, its checked values and its resolved nodes into a plan.

use std::collections::BTreeMap;

use super::{
    Execution, FORMAT, Narrowed, Origin, Plan, PlannedAction, PlannedJob, PlannedNode, PlannedPolicy, PlannedStep,
    PlannedValue,
};
use crate::domain::access::Principal;
use crate::domain::change_freeze::MetFreeze;
use crate::domain::command;
use crate::domain::ids::{Environment, OptionName, ProjectName};
use crate::domain::job::{Dispatch, Job, StepAction};
use crate::domain::node::Node;
use crate::domain::time::Timestamp;

/// What a plan is made of, all of it looked up and checked.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// The project.
    pub project: ProjectName,
    /// Which revision of the job.
    pub identity: PlannedJob,
    /// The job.
    pub job: &'a Job,
    /// The strictest environment among the nodes.
    pub environment: Option<Environment>,
    /// The nodes in starting order, with their enrolled host keys' fingerprints.
    pub nodes: Vec<(&'a Node, Vec<String>)>,
    /// How the request chose among the job's nodes.
    pub narrowed: Option<Narrowed>,
    /// The values, secrets by reference.
    pub options: BTreeMap<OptionName, PlannedValue>,
    /// Who asks.
    pub requester: Principal,
    /// How they ask.
    pub origin: Origin,
    /// Why.
    pub reason: String,
    /// When it is to start.
    pub start_at: Option<Timestamp>,
    /// The approval policy that applies.
    pub policy: Option<PlannedPolicy>,
    /// The change freezes that it meets.
    pub freezes: Vec<MetFreeze>,
}

/// Makes the plan.
///
/// # Errors
/// The mistakes in the job's commands, which `check` would have found; a job that was saved has none.
pub fn freeze(from: Ingredients<'_>) -> Result<Plan, Vec<command::CommandError>> {
    let mut steps = Vec::with_capacity(from.job.steps.len());
    for step in &from.job.steps {
        let action = match &step.action {
            StepAction::Run { command } => {
                PlannedAction::Run { command: command::compile(command, &from.job.options)?.text }
            }
            StepAction::Script { body, interpreter } => {
                PlannedAction::Script { body: body.clone(), interpreter: interpreter.clone() }
            }
        };
        steps.push(PlannedStep { name: step.name.clone(), action, timeout: step.timeout, retry: step.retry });
    }
    let (concurrency, keep_going, max_failures) = match &from.job.dispatch {
        Dispatch::Local => (1, false, None),
        Dispatch::Nodes(nodes) => (nodes.concurrency, nodes.keep_going, nodes.max_failures),
    };
    Ok(Plan {
        format: FORMAT,
        project: from.project,
        job: from.identity,
        environment: from.environment,
        nodes: from.nodes.into_iter().map(|(node, host_keys)| planned_node(node, host_keys)).collect(),
        narrowed: from.narrowed,
        options: from.options,
        steps,
        execution: Execution {
            strategy: from.job.strategy,
            concurrency,
            keep_going,
            max_failures,
            timeout: from.job.timeout,
            retry: from.job.retry,
            idempotent: from.job.idempotent,
        },
        requester: from.requester,
        origin: from.origin,
        reason: from.reason,
        start_at: from.start_at,
        policy: from.policy,
        freezes: from.freezes,
    })
}

fn planned_node(node: &Node, mut host_keys: Vec<String>) -> PlannedNode {
    host_keys.sort();
    let mut variables = BTreeMap::new();
    for (name, value) in &node.attributes {
        // What a line of the environment cannot hold exactly is left out rather than changed.
        if !value.contains('\0') {
            variables.insert(command::node_variable(name), value.clone());
        }
    }
    variables.insert("NODE_NAME".to_owned(), node.name.to_string());
    variables.insert("NODE_HOSTNAME".to_owned(), node.host.to_string());
    if let Some(user) = &node.user {
        variables.insert("NODE_USERNAME".to_owned(), user.to_string());
    }
    let tags: Vec<&str> = node.tags.iter().map(String::as_str).collect();
    variables.insert("NODE_TAGS".to_owned(), tags.join(","));
    PlannedNode {
        name: node.name.clone(),
        host: node.host.clone(),
        port: node.port,
        user: node.user.clone(),
        key: node.key.clone(),
        jumps: node.jumps.clone(),
        transport: node.transport,
        environment: node.environment.clone(),
        host_keys,
        variables,
    }
}

/// The values of a plan as people and filters see them: secrets by their place, files by name.
#[must_use]
pub fn shown(value: &PlannedValue) -> String {
    match value {
        PlannedValue::Text { value } => value.clone(),
        PlannedValue::Secret { path, version } => format!("(secret {path}, version {version})"),
        PlannedValue::File { name, size, .. } => format!("(file {name}, {size} bytes)"),
    }
}
