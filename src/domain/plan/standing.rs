//! Whether the nodes of a frozen plan are still those that would be planned now.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Plan, PlannedNode};
use crate::domain::ids::NodeName;
use crate::domain::node::{Node, NodeFilter};

/// Whether a node is still where and what it was.
///
/// # Errors
/// What was changed, in words.
pub fn node_stands(planned: &PlannedNode, now: &Node, mut host_keys: Vec<String>) -> Result<(), String> {
    let same = now.host == planned.host
        && now.port == planned.port
        && now.user == planned.user
        && now.key == planned.key
        && now.jumps == planned.jumps
        && now.transport == planned.transport
        && now.environment == planned.environment;
    if !same {
        return Err(format!("the node {} was changed in the inventory", planned.name));
    }
    host_keys.sort();
    if host_keys != planned.host_keys {
        return Err(format!("the enrolled host key of the node {} was changed", planned.name));
    }
    Ok(())
}

/// The nodes that a request may still run on: those that the job's filter and the request's own match.
#[derive(Debug)]
pub struct Reach<'n> {
    matched: BTreeSet<&'n NodeName>,
    filter: Option<NodeFilter>,
}

impl<'n> Reach<'n> {
    /// Of a plan, among the nodes that its job's filter matches now.
    ///
    /// # Errors
    /// When the request's own filter cannot be read.
    pub fn of(plan: &Plan, matched: &'n [Arc<Node>]) -> Result<Self, String> {
        Ok(Self { matched: matched.iter().map(|n| &n.name).collect(), filter: request_filter(plan)? })
    }

    /// Whether a node is still within.
    ///
    /// # Errors
    /// Which filter leaves it out.
    pub fn covers(&self, node: &Node) -> Result<(), String> {
        if !self.matched.contains(&node.name) {
            return Err(format!("the job does not run on {} any more: its filter does not match it", node.name));
        }
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(node)) {
            return Err(format!("the request's own filter does not match {} any more", node.name));
        }
        Ok(())
    }
}

/// Whether no node came to those that the plan was made for. A request that named its nodes keeps them.
///
/// # Errors
/// The first node that would be planned now as well.
pub fn list_stands(plan: &Plan, matched: &[Arc<Node>]) -> Result<(), String> {
    if plan.narrowed.as_ref().is_some_and(|n| n.by_name) {
        return Ok(());
    }
    let filter = request_filter(plan)?;
    let mut wanted = matched.iter().filter(|n| filter.as_ref().is_none_or(|f| f.matches(n)));
    match wanted.find(|n| !plan.nodes.iter().any(|planned| planned.name == n.name)) {
        Some(new) => Err(format!("the job would run on {} as well: it came to the nodes since", new.name)),
        None => Ok(()),
    }
}

fn request_filter(plan: &Plan) -> Result<Option<NodeFilter>, String> {
    let text = plan.narrowed.as_ref().and_then(|n| n.filter.as_deref());
    text.map(NodeFilter::parse).transpose().map_err(|e| e.to_string())
}
