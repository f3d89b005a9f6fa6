//! Looking whether a node can be reached, and whether it shows the host key that is trusted.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::record::Source;
use crate::domain::access::{Actor, Permission};
use crate::domain::ids::{NodeName, ProjectName};
use crate::domain::node::{Node, Transport};

/// Asks a node for the fingerprints of its host keys as the network shows them now. Who puts the program together gives
/// one to [`App::reach_with`], as use cases know no network.
pub trait Reach: std::fmt::Debug + Send + Sync {
    /// The fingerprints, or a sentence that says why there are none.
    fn fingerprints(&self, project: ProjectName, node: Arc<Node>) -> BoxFuture<'_, Result<Vec<String>, String>>;
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// It answers, with a key that is trusted.
    Trusted,
    /// It answers, and no key of it is trusted yet.
    NotEnrolled(Vec<String>),
    /// It answers with other keys than those that are trusted.
    Changed(Vec<String>),
    /// It does not answer.
    NoAnswer(String),
}

impl Reached {
    /// The word on the record.
    const fn word(&self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::NotEnrolled(_) => "not_enrolled",
            Self::Changed(_) => "changed",
            Self::NoAnswer(_) => "no_answer",
        }
    }
}

impl App {
    /// Gives the way in which nodes are looked at. The first one holds.
    pub fn reach_with(&self, reach: Arc<dyn Reach>) {
        // Whoever comes later has the same in mind.
        let _ = self.reach.set(reach);
    }

    /// Looks whether a node answers, and with which host key.
    ///
    /// # Errors
    /// Not found, also when the node may not be seen; forbidden without `administer` on it; `local_node`;
    /// `no_network` where nodes cannot be looked at from this process.
    pub async fn check_node(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &NodeName,
        source: &Source,
    ) -> AppResult<Reached> {
        let view = self.node(actor, project, name).await?;
        let catalogue = self.catalogue().await?;
        let resource = catalogue.project(project)?.node_resource(&view.node);
        self.authorize(actor, Permission::Administer, &resource)?;
        if view.node.transport == Transport::Local {
            return Err(AppError::invalid("local_node", "This node is Interlock's own machine; it is always there."));
        }
        let none = || AppError::conflict("no_network", "Nodes cannot be looked at from here; start a server.");
        let reach = self.reach.get().ok_or_else(none)?;
        let reached = match reach.fingerprints(project.clone(), Arc::clone(&view.node)).await {
            Err(why) => Reached::NoAnswer(super::error::sentence(&why)),
            Ok(shown) if view.fingerprints.is_empty() => Reached::NotEnrolled(shown),
            Ok(shown) if shown.iter().any(|f| view.fingerprints.contains(f)) => Reached::Trusted,
            Ok(shown) => Reached::Changed(shown),
        };
        let (recorder, source, actor, project) = (self.recorder(), source.to_owned(), actor.clone(), project.clone());
        let (about, word) = (format!("{project}:node/{name}"), reached.word());
        self.db
            .write(move |c| {
                let detail = json!({ "outcome": word });
                recorder.note(c, &actor, &source, "node.checked", about.clone(), Some(&project), detail)?;
                Ok::<_, AppError>(())
            })
            .await?;
        Ok(reached)
    }
}
