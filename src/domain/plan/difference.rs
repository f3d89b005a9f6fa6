//! What is different between two plans, in lines that a manager can read.

use super::freeze::shown;
use super::{Plan, PlannedAction};
use crate::domain::node::Transport;

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
    compared(&lines(old), &lines(new))
}

/// What has to be taken away and put in, in order: a script whose lines changed places is another script.
fn compared(before: &[String], after: &[String]) -> Vec<Change> {
    let mut changes = Vec::new();
    for operation in similar::capture_diff_slices(similar::Algorithm::Myers, before, after) {
        let (tag, old, new) = operation.as_tag_tuple();
        if tag == similar::DiffTag::Equal {
            continue;
        }
        changes.extend(before.get(old).unwrap_or_default().iter().cloned().map(Change::Removed));
        changes.extend(after.get(new).unwrap_or_default().iter().cloned().map(Change::Added));
    }
    changes
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
        if step.retry.count > 0 {
            let (count, delay) = (step.retry.count, step.retry.delay);
            out.push(format!("step {} {}: tried again {count} times, {delay} apart", index + 1, step.name));
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
        for jump in &node.jumps {
            let user = jump.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
            out.push(format!("node {}: by way of {user}{}:{}", node.name, jump.host, jump.port));
        }
        if let Some(key) = &node.key {
            out.push(format!("node {}: signs in with {key}", node.name));
        }
        let environment = node.environment.as_ref().map_or("none", |e| e.as_str());
        let how = match node.transport {
            Transport::Ssh => "over SSH",
            Transport::Local => "on the server itself",
        };
        out.push(format!("node {}: {how}, environment {environment}", node.name));
        for (name, value) in &node.variables {
            out.push(format!("node {}: {name} = {value}", node.name));
        }
    }
    let e = &plan.execution;
    out.push(format!("{} nodes at a time, {:?}, go on after a failure: {}", e.concurrency, e.strategy, e.keep_going));
    out.push(format!("time limit {}", e.timeout.map_or_else(|| "none".to_owned(), |t| t.to_string())));
    out.push(format!("retries {}, {} apart", e.retry.count, e.retry.delay));
    out.push(format!("stops after failures: {}", e.max_failures.as_ref().map_or("-".to_owned(), |m| format!("{m:?}"))));
    out.push(format!("may be started again when its outcome is unknown: {}", e.idempotent));
    for freeze in &plan.freezes {
        out.push(format!("change freeze {}", freeze.name));
    }
    out.push(format!("environment {}", plan.environment.as_ref().map_or("none", |e| e.as_str())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_changed_places_or_came_twice_are_told() {
        let text = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let before = text(&["stop", "remove", "start"]);
        assert_eq!(compared(&before, &before), []);
        let swapped = compared(&before, &text(&["remove", "stop", "start"]));
        assert_eq!(swapped.len(), 2, "{swapped:?}");
        let twice = compared(&before, &text(&["stop", "remove", "remove", "start"]));
        assert_eq!(twice, [Change::Added("remove".to_owned())]);
    }
}
