//! Whether a rule or webhook may reach nodes by itself, as `project.yaml` and its own guard say now.

use std::sync::Arc;

use super::catalogue::ProjectState;
use super::error::{AppError, AppResult};
use crate::domain::guard::{Reached, environments};
use crate::domain::node::Node;
use crate::domain::plan::Origin;

/// Refuses with `environment` where one of the nodes lies outside. People and programs with their own rights are not
/// asked: their roles decide.
pub(super) fn reaches(project: &ProjectState, origin: &Origin, nodes: &[Arc<Node>]) -> AppResult<()> {
    let (source, own) = match origin {
        Origin::Webhook { name, .. } => (format!("webhook:{name}"), Vec::new()),
        Origin::Rule { name, .. } => {
            let own = project.rule(name).map(|r| r.rule.guards.environments.clone()).unwrap_or_default();
            (format!("rule:{name}"), own)
        }
        Origin::Button | Origin::Api | Origin::Cli | Origin::Chat | Origin::Schedule { .. } => return Ok(()),
    };
    let nodes: Vec<Reached> = nodes
        .iter()
        .map(|n| Reached {
            node: n.name.clone(),
            environment: project.project.strictest(std::iter::once(n.environment.as_ref())),
        })
        .collect();
    let named = project.project.production_sources.contains(&source);
    let result = environments(&source, &nodes, project.project.environments.last(), named, &own);
    if result.passed { Ok(()) } else { Err(AppError::forbidden("environment", result.detail)) }
}
