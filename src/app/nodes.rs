//! Nodes: what the inventory holds, and which host keys are trusted.

use serde_json::json;
use std::sync::Arc;

use super::App;
use super::error::{AppError, AppResult};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{NodeName, ProjectName};
use crate::domain::node::Node;
use crate::store::host_keys::{self, HostKeyRecord, NewHostKey};

/// A node as lists show it.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// The project.
    pub project: ProjectName,
    /// The node.
    pub node: Arc<Node>,
    /// The fingerprints of its enrolled host keys.
    pub fingerprints: Vec<String>,
    /// Whether the one who asks may look whether it answers.
    pub may_check: bool,
}

/// A host key that somebody accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedKey {
    /// `ssh-ed25519` and so on.
    pub kind: String,
    /// The key, base64.
    pub base64: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

impl App {
    /// The nodes that the actor may see, by project and name.
    ///
    /// # Errors
    /// The database.
    pub async fn nodes(&self, actor: &Actor, project: Option<&ProjectName>) -> AppResult<Vec<NodeView>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for (name, state) in catalogue.projects.iter().filter(|(n, _)| project.is_none_or(|p| p == *n)) {
            let keys = self.fingerprints(name).await?;
            for node in &state.nodes {
                let resource = state.node_resource(node);
                if self.authorize(actor, Permission::View, &resource).is_ok() {
                    let fingerprints = super::planning::fingerprints_of(&keys, node);
                    let may_check = self.authorize(actor, Permission::Administer, &resource).is_ok();
                    out.push(NodeView { project: name.clone(), node: Arc::clone(node), fingerprints, may_check });
                }
            }
        }
        Ok(out)
    }

    /// One node with what is enrolled for it.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn node(&self, actor: &Actor, project: &ProjectName, name: &NodeName) -> AppResult<NodeView> {
        let all = self.nodes(actor, Some(project)).await?;
        all.into_iter().find(|n| n.node.name == *name).ok_or_else(AppError::not_found)
    }

    /// Trusts these host keys for a node, in place of those before.
    ///
    /// # Errors
    /// Not found; forbidden without `edit` on the project.
    pub async fn enrol(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &NodeName,
        keys: Vec<AcceptedKey>,
        source: &Source,
    ) -> AppResult<()> {
        let view = self.node(actor, project, name).await?;
        let permit = self.authorize(actor, Permission::Edit, &Resource::Project { project: project.clone() })?;
        if keys.is_empty() {
            return Err(AppError::invalid("no_host_key", "There is no host key to trust."));
        }
        let now = self.clock.now();
        let (recorder, source, actor, project, node) =
            (self.recorder(), source.to_owned(), actor.clone(), project.clone(), Arc::clone(&view.node));
        let before = view.fingerprints;
        self.db
            .write(move |c| {
                host_keys::remove(c, &permit, &project, &node.host, node.port)?;
                for key in &keys {
                    let new = NewHostKey {
                        project: project.clone(),
                        host: node.host.clone(),
                        port: node.port,
                        kind: key.kind.clone(),
                        key_base64: key.base64.clone(),
                        fingerprint: key.fingerprint.clone(),
                    };
                    host_keys::put(c, &permit, &new, now)?;
                }
                let now_trusted: Vec<&str> = keys.iter().map(|k| k.fingerprint.as_str()).collect();
                let detail = json!({ "host": node.host, "port": node.port, "before": before, "now": now_trusted });
                recorder.note(
                    c,
                    &actor,
                    &source,
                    "node.enrolled",
                    format!("{project}:node/{}", node.name),
                    Some(&project),
                    detail,
                )?;
                Ok(())
            })
            .await
    }

    /// Every trusted host key of a project, for the executor.
    ///
    /// # Errors
    /// The database.
    pub async fn trusted_keys(&self, project: &ProjectName) -> AppResult<Vec<HostKeyRecord>> {
        self.fingerprints(project).await
    }
}
