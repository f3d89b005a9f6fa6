//! Nodes: the inventory, and Rundeck's node filter.
//!
//! Promises that a node's name, host, account and jump hosts can be handed to `ssh` as they are. Knows nothing of files.

mod attributes;
mod filter;

pub use attributes::{AttributeError, ListedNode};
pub use filter::{FilterError, NodeFilter};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::{Environment, HostName, KeyPath, NodeName, RemoteUser};

/// A machine that jobs may run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Unique in the project.
    pub name: NodeName,
    /// Where SSH connects to.
    pub host: HostName,
    /// SSH port.
    pub port: u16,
    /// The account; absent means the server's default.
    pub user: Option<RemoteUser>,
    /// Tags, for filters.
    pub tags: BTreeSet<String>,
    /// What the author says it is for.
    pub description: String,
    /// The `environment` attribute; absent counts as the strictest.
    pub environment: Option<Environment>,
    /// The private key: attribute `ssh-key-storage-path`.
    pub key: Option<KeyPath>,
    /// Hosts to go through, first hop first: attribute `ssh-jump`, comma-separated `user@host:port`.
    pub jumps: Vec<Jump>,
    /// How commands get there; attribute `node-executor`.
    pub transport: Transport,
    /// Every attribute as written, for filters and placeholders.
    pub attributes: BTreeMap<String, String>,
}

/// How commands reach a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// OpenSSH.
    Ssh,
    /// The machine that Interlock runs on.
    Local,
}

/// A host on the way to a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Jump {
    /// The account there; absent means the node's.
    pub user: Option<RemoteUser>,
    /// Its address.
    pub host: HostName,
    /// Its SSH port.
    pub port: u16,
}

impl Node {
    /// The attribute that a filter, an order or a placeholder names: `name`, `hostname`, `username`, `description`,
    /// `environment`, `tags` (joined by commas), `os-name` and its kin, or any other as written. `None` when it is
    /// absent or empty.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<String> {
        let written = |key: &str| self.attributes.get(key).cloned();
        let value = match key {
            "name" | "nodename" => Some(self.name.to_string()),
            "hostname" => Some(self.host.to_string()),
            "username" => self.user.as_ref().map(ToString::to_string),
            "description" => Some(self.description.clone()),
            "tags" => Some(self.tags.iter().cloned().collect::<Vec<_>>().join(",")),
            "os-name" => written("osName").or_else(|| written(key)),
            "os-family" => written("osFamily").or_else(|| written(key)),
            "os-arch" => written("osArch").or_else(|| written(key)),
            "os-version" => written("osVersion").or_else(|| written(key)),
            other => written(other),
        };
        value.filter(|v| !v.is_empty())
    }
}

impl Node {
    /// The machine that Interlock runs on, as a node for jobs that name none.
    ///
    /// # Errors
    /// Never in practice: the names are fixed.
    pub fn local() -> Result<Self, super::ids::BadId> {
        Ok(Self {
            name: NodeName::parse("localhost")?,
            host: HostName::parse("localhost")?,
            port: 22,
            user: None,
            tags: BTreeSet::new(),
            description: "the machine that Interlock runs on".to_owned(),
            environment: None,
            key: None,
            jumps: Vec::new(),
            transport: Transport::Local,
            attributes: BTreeMap::new(),
        })
    }

    /// Whether it stands in an inventory: [`Node::local`] does not. What is listed has attributes, its `hostname` at least.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.attributes.is_empty()
    }
}

/// The order of two nodes by name or by an attribute: as numbers where both are numbers, otherwise as text; nodes
/// without the attribute come last, and equal ones by name.
#[must_use]
pub fn in_order(a: &Node, b: &Node, attribute: &str) -> std::cmp::Ordering {
    let by_attribute = match (a.attribute(attribute), b.attribute(attribute)) {
        (Some(a), Some(b)) => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => x.total_cmp(&y),
            // Numbers before text keeps the order total.
            (Ok(_), Err(_)) => std::cmp::Ordering::Less,
            (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(&b),
        },
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => std::cmp::Ordering::Equal,
    };
    by_attribute.then_with(|| a.name.cmp(&b.name))
}

#[cfg(test)]
mod tests;
