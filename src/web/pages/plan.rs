//! A frozen plan as people read it: commands with their values, options, nodes.

use std::collections::BTreeMap;

use askama::Template;

use super::words;
use crate::domain::command::{illustrate, option_variable};
use crate::domain::job::Strategy;
use crate::domain::node::Transport;
use crate::domain::plan::{Plan, PlannedAction, PlannedNode, PlannedValue};
use crate::web::ansi::visible;
use crate::web::page::fragment;

struct PlanView {
    job: String,
    revision: i64,
    environment: String,
    walk: String,
    steps: Vec<StepText>,
    options: Vec<OptionLine>,
    nodes: Vec<NodeLine>,
}

/// A step as it is shown.
pub struct StepText {
    /// Its name.
    pub name: String,
    /// How it runs.
    pub about: String,
    /// The text.
    pub text: String,
}

/// An option with its value.
pub struct OptionLine {
    /// Its name.
    pub name: String,
    /// What the node gets.
    pub value: String,
    /// The variable that holds it.
    pub variable: String,
}

struct NodeLine {
    name: String,
    address: String,
    environment: String,
    host_key: String,
}

#[derive(Template)]
#[template(path = "parts/plan.html")]
struct PlanPart {
    plan: PlanView,
}

/// The plan as HTML.
pub fn html(plan: &Plan) -> String {
    fragment(&PlanPart { plan: view(plan) })
}

/// The option values of a plan, secrets by their place.
pub fn options(plan: &Plan) -> Vec<OptionLine> {
    let line = |(name, value): (&crate::domain::ids::OptionName, &PlannedValue)| OptionLine {
        name: name.to_string(),
        value: shown(value),
        variable: format!("${}", option_variable(name)),
    };
    plan.options.iter().map(line).collect()
}

fn shown(value: &PlannedValue) -> String {
    match value {
        PlannedValue::Text { value } => visible(value),
        PlannedValue::Secret { path, .. } if path.starts_with("typed/") => {
            "secret, typed by who asked; nobody sees it".to_owned()
        }
        PlannedValue::Secret { path, version } => format!("secret {path}, version {version}"),
        PlannedValue::File { name, sha256, size, .. } => {
            format!("file {} ({size} bytes, sha256 {})", visible(name), sha256.short())
        }
    }
}

fn view(plan: &Plan) -> PlanView {
    let execution = &plan.execution;
    let order = match execution.strategy {
        Strategy::NodeFirst => "all steps on a node, then the next node",
        Strategy::StepFirst => "a step on all nodes, then the next step",
        Strategy::Parallel => "all steps of a node at once",
    };
    let mut walk = format!("{order}; {} at a time", words::count(execution.concurrency as usize, "node"));
    walk.push_str(if execution.keep_going { "; goes on when a node fails" } else { "; stops when a node fails" });
    if let Some(limit) = execution.timeout {
        walk.push_str(&format!("; at most {limit}"));
    }
    if execution.retry.count > 0 {
        walk.push_str(&format!("; tried again up to {} times", execution.retry.count));
    }
    PlanView {
        job: plan.job.path.to_string(),
        revision: plan.job.revision,
        environment: plan.environment.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
        walk,
        steps: steps(plan),
        options: options(plan),
        nodes: plan.nodes.iter().map(node).collect(),
    }
}

fn steps(plan: &Plan) -> Vec<StepText> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &plan.options {
        values.insert(option_variable(name), shown(value));
    }
    // What differs from node to node can only be shown in place when there is one.
    if let [only] = plan.nodes.as_slice() {
        values.extend(only.variables.iter().map(|(name, value)| (name.clone(), visible(value))));
    }
    plan.steps
        .iter()
        .map(|step| {
            let (mut about, text) = match &step.action {
                PlannedAction::Run { command } => ("command".to_owned(), illustrate(command, &values)),
                PlannedAction::Script { body, interpreter } => {
                    (format!("script for {interpreter}; values come as variables"), body.clone())
                }
            };
            if let Some(timeout) = step.timeout {
                about.push_str(&format!(", at most {timeout}"));
            }
            if step.retry.count > 0 {
                about.push_str(&format!(", tried again up to {} times", step.retry.count));
            }
            StepText { name: step.name.to_string(), about, text: visible(text.trim_end()) }
        })
        .collect()
}

fn node(node: &PlannedNode) -> NodeLine {
    let user = node.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
    let (address, host_key) = match node.transport {
        Transport::Local => ("Interlock's own machine".to_owned(), "not needed".to_owned()),
        Transport::Ssh if node.host_keys.is_empty() => {
            (format!("{user}{}:{}", node.host, node.port), "not enrolled".to_owned())
        }
        Transport::Ssh => (format!("{user}{}:{}", node.host, node.port), node.host_keys.join(" ")),
    };
    NodeLine {
        name: node.name.to_string(),
        address,
        environment: node.environment.as_ref().map_or_else(|| "not said".to_owned(), ToString::to_string),
        host_key,
    }
}
