//! Nodes: the inventory, and Rundeck's node filter.

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
