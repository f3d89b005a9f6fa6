//! What is different between two plans, in lines that a manager can read.

use std::collections::BTreeSet;

use super::freeze::shown;
use super::{Plan, PlannedAction};

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only the new plan has it.
    Added(String),
    /// Only the old plan had it.
    Removed(String),
}

/// The differences from `old` to `new` that matter to who decides: commands, nodes, values, walk. Who asked and why is
/// different every time and stands elsewhere.
#[must_use]
pub fn difference(old: &Plan, new: &Plan) -> Vec<Change> {
    let (before, after) = (lines(old), lines(new));
    let was: BTreeSet<&String> = before.iter().collect();
    let is: BTreeSet<&String> = after.iter().collect();
    let removed = before.iter().filter(|line| !is.contains(line)).map(|line| Change::Removed(line.clone()));
    let added = after.iter().filter(|line| !was.contains(line)).map(|line| Change::Added(line.clone()));
    removed.chain(added).collect()
}

fn lines(plan: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let (how, text) = match &step.action {
            PlannedAction::Run { command } => ("run".to_owned(), command),
            PlannedAction::Script { body, interpreter } => (format!("script for {interpreter}"), body),
        };
        for line in text.lines() {
            out.push(format!("step {} {} ({how}): {line}", index + 1, step.name));
        }
        if let Some(timeout) = step.timeout {
            out.push(format!("step {} {}: time limit {timeout}", index + 1, step.name));
        }
    }
    for (name, value) in &plan.options {
        out.push(format!("option {name} = {}", shown(value)));
    }
    for node in &plan.nodes {
        let user = node.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        out.push(format!("node {} at {user}{}:{}", node.name, node.host, node.port));
        for key in &node.host_keys {
            out.push(format!("node {}: host key {key}", node.name));
        }
    }
    let e = &plan.execution;
    out.push(format!("{} nodes at a time, {:?}, go on after a failure: {}", e.concurrency, e.strategy, e.keep_going));
    out.push(format!("time limit {}", e.timeout.map_or_else(|| "none".to_owned(), |t| t.to_string())));
    out.push(format!("retries {}", e.retry.count));
    out.push(format!("environment {}", plan.environment.as_ref().map_or("none", |e| e.as_str())));
    out
}
