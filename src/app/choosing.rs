//! The nodes that a request is for: matched by the job, narrowed by whoever asks, and theirs to run on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::catalogue::{Catalogue, ProjectState, StoredJob};
use super::error::{AppError, AppResult, Refusal, RefusalKind, sentence};
use super::planning::{RunRequest, field};
use crate::domain::access::{Actor, Permission};
use crate::domain::ids::NodeName;
use crate::domain::job::Dispatch;
use crate::domain::node::{Node, NodeFilter};
use crate::domain::plan::{Narrowed, Origin};

/// The matched nodes, narrowed as the request asks.
pub(super) fn chosen(
    project: &ProjectState,
    job: &StoredJob,
    matched: Vec<Arc<Node>>,
    request: &RunRequest,
) -> AppResult<(Vec<Arc<Node>>, Option<Narrowed>)> {
    let Dispatch::Nodes(dispatch) = &job.job.dispatch else {
        return Ok((local(project, request)?, None));
    };
    let mut nodes = matched;
    let mut narrowed = Narrowed { by_name: false, filter: request.node_filter.clone() };
    if let Some(text) = &request.node_filter {
        let filter =
            NodeFilter::parse(text).map_err(|e| AppError::invalid("bad_node_filter", sentence(&e.to_string())))?;
        nodes.retain(|n| filter.matches(n));
    }
    if let Some(wanted) = &request.nodes {
        let known: BTreeSet<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
        let strange: Vec<&str> = wanted.iter().map(String::as_str).filter(|w| !known.contains(w)).collect();
        if !strange.is_empty() {
            let message = format!("This job does not run on {}. It runs on: {}.", strange.join(", "), listed(&nodes));
            return Err(field("nodes", "no_such_node", message));
        }
        if !dispatch.user_may_narrow && wanted.len() < known.len() {
            let message = "This job always runs on all its nodes; its definition does not let you choose among them.";
            return Err(field("nodes", "may_not_narrow", message.to_owned()));
        }
        // The page sends every tick; with all of them set, the job's own filter still decides.
        narrowed.by_name = request.origin != Origin::Button || wanted.len() < known.len();
        nodes.retain(|n| wanted.iter().any(|w| w == n.name.as_str()));
    }
    if nodes.is_empty() {
        let message = if request.nodes.is_some() {
            "Choose at least one node.".to_owned()
        } else {
            format!(
                "No node matches `{}`. Look at the nodes page, or ask who looks after the inventory.",
                dispatch.filter
            )
        };
        return Err(field("nodes", "no_nodes", message));
    }
    if let Some(own) = project.project.closed_machine(nodes.iter().map(|n| &**n)) {
        let message = format!(
            "{} is Interlock's own machine, on which this project does not allow anything to run. Leave it out, or add `local_execution: true` to project.yaml.",
            own.name
        );
        return Err(AppError::conflict("local_not_allowed", message));
    }
    let some = narrowed.by_name || narrowed.filter.is_some();
    Ok((nodes, Some(narrowed).filter(|_| some)))
}

/// The one "node" of a job without nodes: the machine that Interlock runs on, where the project allows it.
fn local(project: &ProjectState, request: &RunRequest) -> AppResult<Vec<Arc<Node>>> {
    if !project.project.local_execution {
        let message = "This job names no nodes, so it would run on Interlock's own machine, which this project does not allow. Add `nodes:` to the job, or `local_execution: true` to project.yaml.";
        return Err(AppError::conflict("local_not_allowed", message));
    }
    if request.nodes.as_ref().is_some_and(|n| n.iter().any(|n| n != "localhost")) {
        return Err(field("nodes", "no_such_node", "This job runs on Interlock's own machine only.".to_owned()));
    }
    Ok(vec![Arc::new(Node::local()?)])
}

fn listed(nodes: &[Arc<Node>]) -> String {
    let mut names: Vec<&str> = nodes.iter().take(20).map(|n| n.name.as_str()).collect();
    if nodes.len() > 20 {
        names.push("…");
    }
    if names.is_empty() { "no node at all".to_owned() } else { names.join(", ") }
}

/// The right to run on every single node.
pub(super) fn may_run_on(
    catalogue: &Catalogue,
    project: &ProjectState,
    actor: &Actor,
    nodes: &[Arc<Node>],
) -> AppResult<()> {
    let refused = refused_nodes(catalogue, project, actor, nodes);
    if refused.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = refused.iter().take(10).map(|n| n.as_str()).collect();
    let needed = project.needed_on_nodes();
    let message = format!(
        "You may not run on {}; `{needed}` on `node/…` is missing in access.yaml. Nothing was started.",
        names.join(", ")
    );
    Err(Refusal::new(RefusalKind::Forbidden, "forbidden_node", message).into())
}

/// The nodes that the actor may not run on. Nobody has rights on the machine of a job without nodes: it is no node.
pub(crate) fn refused_nodes<'n>(
    catalogue: &Catalogue,
    project: &ProjectState,
    actor: &Actor,
    nodes: &'n [Arc<Node>],
) -> Vec<&'n NodeName> {
    let needed = project.needed_on_nodes();
    nodes
        .iter()
        .filter(|n| n.is_listed())
        .filter(|n| catalogue.policy.authorize(actor, needed, &project.node_resource(n)).is_err())
        .map(|n| &n.name)
        .collect()
}

/// The nodes that somebody may name in a `node` option.
pub(crate) fn nameable(
    catalogue: &Catalogue,
    project: &ProjectState,
    actor: &Actor,
    filter: Option<&str>,
) -> Vec<String> {
    let filter = filter.and_then(|f| NodeFilter::parse(f).ok());
    project
        .nodes
        .iter()
        .filter(|n| filter.as_ref().is_none_or(|f| f.matches(n)))
        .filter(|n| catalogue.policy.authorize(actor, Permission::View, &project.node_resource(n)).is_ok())
        .map(|n| n.name.to_string())
        .collect()
}
