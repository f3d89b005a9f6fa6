//! A project's own settings: environments in order of strictness, approval policies, channels, retention.

use std::collections::BTreeMap;

use super::approval::ApprovalPolicy;
use super::change_freeze::{self, ChangeFreeze};
use super::ids::{Environment, PolicyName, ProjectName};
use super::node::{Node, Transport};
use super::notice::address::MailAddress;

/// `project.yaml`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The folder's name unless the file names it.
    pub name: ProjectName,
    /// Markdown.
    pub description: String,
    /// From the least to the most strict.
    pub environments: Vec<Environment>,
    /// Approval policies by name.
    pub approvals: BTreeMap<PolicyName, ApprovalPolicy>,
    /// Times in which runs need more than that, in the order of the file.
    pub freezes: Vec<ChangeFreeze>,
    /// Notification channels by name.
    pub channels: BTreeMap<String, Channel>,
    /// Which of them hear of what.
    pub notify: Notify,
    /// Days that runs and events are kept; `None` keeps them for good.
    pub retention_days: Option<u32>,
    /// Whether anything may run on the machine that Interlock runs on: jobs without nodes, and listed nodes that are it.
    pub local_execution: bool,
    /// Whether anybody may run without waiting where a policy has such a way.
    pub break_glass: bool,
    /// Rules and webhooks (by `rule:NAME`, `webhook:NAME`) that may reach the strictest environment by themselves.
    pub production_sources: Vec<String>,
}

/// Where a notification goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// Mail to these addresses.
    Email { to: Vec<MailAddress> },
    /// A chat's incoming webhook; the address is a secret of the key store.
    Chat { flavour: String, url: super::ids::KeyPath },
    /// A signed webhook (Standard Webhooks).
    Webhook { url: String, secret: super::ids::KeyPath },
}

/// The word for mail to each person at their own address.
pub const MAIL: &str = "mail";

/// Which channels hear of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Channels that hear of approval requests and what becomes of them; [`MAIL`] is mail to each person whom it is for.
    pub approvals: Vec<String>,
    /// Channels that hear of rules which name none themselves; [`MAIL`] is mail to each person who may promote the rule.
    pub rules: Vec<String>,
    /// Whether requests in Slack have a button that approves.
    pub slack_buttons: bool,
    /// Whether people may list, start and cancel its runs by commands in Slack.
    pub slack_commands: bool,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            approvals: vec![MAIL.to_owned()],
            rules: vec![MAIL.to_owned()],
            slack_buttons: false,
            slack_commands: false,
        }
    }
}

impl Project {
    /// A project with nothing set: the default environments, no policies.
    #[must_use]
    pub fn empty(name: ProjectName) -> Self {
        let environments = ["development", "testing", "staging", "production"]
            .into_iter()
            .filter_map(|e| Environment::parse(e).ok())
            .collect();
        Self {
            name,
            description: String::new(),
            environments,
            approvals: BTreeMap::new(),
            freezes: Vec::new(),
            channels: BTreeMap::new(),
            notify: Notify::default(),
            retention_days: None,
            local_execution: false,
            break_glass: true,
            production_sources: Vec::new(),
        }
    }

    /// The policy that a plan names: one of the project's, or that of a run which needs signatures for a freeze alone.
    #[must_use]
    pub fn policy(&self, name: &PolicyName) -> Option<ApprovalPolicy> {
        if name.as_str() == change_freeze::POLICY {
            return change_freeze::policy();
        }
        self.approvals.get(name).cloned()
    }

    /// The strictest of these environments; a node without one, or with one that the project does not list, counts as
    /// the strictest of all.
    #[must_use]
    pub fn strictest<'a>(&self, of: impl Iterator<Item = Option<&'a Environment>>) -> Option<Environment> {
        let top = self.environments.len().saturating_sub(1);
        let rank =
            |e: Option<&Environment>| e.and_then(|e| self.environments.iter().position(|x| x == e)).unwrap_or(top);
        of.map(rank).max().and_then(|i| self.environments.get(i).cloned())
    }

    /// The first of these nodes that is the machine that Interlock runs on, where nothing may run there.
    #[must_use]
    pub fn closed_machine<'n>(&self, mut nodes: impl Iterator<Item = &'n Node>) -> Option<&'n Node> {
        if self.local_execution { None } else { nodes.find(|n| n.transport == Transport::Local) }
    }
}
