//! Who asks, for what, on what: the words of access control, and the permit that proves a yes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{Environment, GroupName, JobPath, KeyPath, NodeName, ProjectName, UserName};
use super::time::Timestamp;
use super::words::words;

/// Who is responsible for an act. Written `user:alice`, `service:pagerduty`, `operator:root`, `system`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A person with an account.
    User(UserName),
    /// A service account: named in `access.yaml`, without a password.
    Service(UserName),
    /// Somebody with access to the data folder itself, by the name of their operating-system account.
    Operator(String),
    /// Interlock itself, for what follows from earlier decisions: expiry, dispatch.
    System,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::System => f.write_str("system"),
        }
    }
}

impl Principal {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("user", name)) => UserName::parse(name).ok().map(Self::User),
            Some(("service", name)) => UserName::parse(name).ok().map(Self::Service),
            Some(("operator", name)) => Some(Self::Operator(name.to_owned())),
            None if text == "system" => Some(Self::System),
            _ => None,
        }
    }

    /// The name without its kind, for pages.
    #[must_use]
    pub fn short(&self) -> &str {
        match self {
            Self::User(name) | Self::Service(name) => name.as_str(),
            Self::Operator(name) => name,
            Self::System => "system",
        }
    }
}

impl Serialize for Principal {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a principal such as user:alice"))
    }
}

/// The door that the principal came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A signed-in browser or API session; the time of the last password check.
    Session { authenticated_at: Timestamp },
    /// An API token, narrowed to these permissions if there are any.
    Token { id: String, scopes: Option<BTreeSet<Permission>> },
    /// A button in a chat, pressed by somebody whose account there an administrator has named; when.
    Chat { pressed_at: Timestamp },
    /// The command line on the data folder.
    CommandLine,
    /// A verified webhook delivery.
    Webhook { name: String },
    /// An engine loop.
    Engine,
}

/// Who asks, with what is known of them now (not when they signed in).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// The groups of a user.
    pub groups: BTreeSet<GroupName>,
    /// How they came in.
    pub via: Via,
    /// Whether the account administers the whole installation. Never implies `approve`.
    pub administrator: bool,
}

impl Actor {
    /// Interlock itself.
    #[must_use]
    pub fn system() -> Self {
        Self { principal: Principal::System, groups: BTreeSet::new(), via: Via::Engine, administrator: false }
    }

    /// Whether this is a person in front of a screen: only they may sign.
    #[must_use]
    pub fn is_person(&self) -> bool {
        matches!((&self.principal, &self.via), (Principal::User(_), Via::Session { .. } | Via::Chat { .. }))
    }

    /// Whether this is a program with somebody's API token.
    #[must_use]
    pub fn is_token(&self) -> bool {
        matches!(self.via, Via::Token { .. })
    }
}

words! {
    /// What one can be allowed to do. The words are those of `access.yaml`.
    Permission {
        /// See that it is there, its runs and logs.
        View => "view",
        /// Ask for a run; needed on the job and on each node.
        Run => "run",
        /// Sign for others' runs. Never implied by anything.
        Approve => "approve",
        /// Stop runs.
        Cancel => "cancel",
        /// Change definitions.
        Edit => "edit",
        /// Switch a rule or webhook to live.
        Promote => "promote",
        /// Run at once without signatures, to be reviewed afterwards.
        BreakGlass => "break_glass",
        /// See which secrets exist.
        ViewSecretNames => "view_secret_names",
        /// Let a run use a secret; change it.
        UseSecret => "use_secret",
        /// Users, tokens, settings, audit.
        Administer => "administer",
    }
}

impl Permission {
    /// Reads what a token is narrowed to. No word means all of the owner's rights; a word that is none narrows to
    /// nothing that was meant, so it is never left out.
    ///
    /// # Errors
    /// The first word that is no permission, in a sentence that names those there are.
    pub fn scopes(words: &[String]) -> Result<Option<BTreeSet<Self>>, String> {
        let read = |word: &String| {
            Self::parse(word).ok_or_else(|| {
                let known: Vec<&str> = Self::ALL.iter().map(|p| p.as_str()).collect();
                format!("`{word}` is no permission; there are {}", known.join(", "))
            })
        };
        let scopes = words.iter().map(read).collect::<Result<BTreeSet<Self>, String>>()?;
        Ok(Some(scopes).filter(|_| !words.is_empty()))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a permission is asked on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// A job, with the strictest environment of the nodes at hand where it is known.
    Job { project: ProjectName, path: JobPath, environment: Option<Environment> },
    /// A node with its environment.
    Node { project: ProjectName, name: NodeName, environment: Option<Environment> },
    /// A secret's place.
    Key { project: ProjectName, path: KeyPath },
    /// A webhook.
    Webhook { project: ProjectName, name: String },
    /// A rule.
    Rule { project: ProjectName, name: String },
    /// An alias of a chat.
    Alias { project: ProjectName, name: String },
    /// A source of events.
    Source { project: ProjectName, name: String },
    /// What labels events before rules look at them.
    Enricher { project: ProjectName, name: String },
    /// The events of a project.
    Events { project: ProjectName },
    /// A project's own settings: access, approvals, inventory.
    Project { project: ProjectName },
    /// A person's own account: password, sessions, tokens.
    Account { name: UserName },
    /// The whole installation: users, tokens of others, audit, settings.
    System,
}

impl Resource {
    /// The path that `on:` globs are held against: `job/services/restart-service`, `node/web1`, `key/keys/ops/db`,
    /// `webhook/pagerduty-incident`, `rule/NAME`, `source/NAME`, `enricher/NAME`, `alias/NAME`, `event`, `project`,
    /// `account/alice`, `system`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Job { path, .. } => format!("job/{path}"),
            Self::Node { name, .. } => format!("node/{name}"),
            Self::Key { path, .. } => format!("key/{path}"),
            Self::Webhook { name, .. } => format!("webhook/{name}"),
            Self::Rule { name, .. } => format!("rule/{name}"),
            Self::Source { name, .. } => format!("source/{name}"),
            Self::Alias { name, .. } => format!("alias/{name}"),
            Self::Enricher { name, .. } => format!("enricher/{name}"),
            Self::Events { .. } => "event".to_owned(),
            Self::Project { .. } => "project".to_owned(),
            Self::Account { name } => format!("account/{name}"),
            Self::System => "system".to_owned(),
        }
    }

    /// The project that it belongs to; `None` for the installation.
    #[must_use]
    pub fn project(&self) -> Option<&ProjectName> {
        match self {
            Self::Job { project, .. }
            | Self::Node { project, .. }
            | Self::Key { project, .. }
            | Self::Webhook { project, .. }
            | Self::Rule { project, .. }
            | Self::Source { project, .. }
            | Self::Alias { project, .. }
            | Self::Enricher { project, .. }
            | Self::Events { project }
            | Self::Project { project } => Some(project),
            Self::Account { .. } | Self::System => None,
        }
    }

    /// The environment, where the resource has one.
    #[must_use]
    pub fn environment(&self) -> Option<&Environment> {
        match self {
            Self::Job { environment, .. } | Self::Node { environment, .. } => environment.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.project() {
            Some(project) => write!(f, "{project}:{}", self.path()),
            None => f.write_str(&self.path()),
        }
    }
}

/// `access.yaml`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// Roles by name, each with its grants in the author's order.
    pub roles: std::collections::BTreeMap<super::ids::RoleName, Vec<Grant>>,
    /// Who holds which role.
    pub members: std::collections::BTreeMap<super::ids::RoleName, BTreeSet<Member>>,
    /// Whether `run` is needed on every node, whatever the lines speak of: `nodes_need: run`.
    pub nodes_need_run: bool,
}

impl AccessRules {
    /// What somebody needs on a node to run a job there.
    ///
    /// `run` where the file asks for it with `nodes_need: run`, and once any of its lines speaks of `run` on nodes;
    /// before that, seeing the node is enough. So a small team writes no line about nodes, and the first line that it
    /// writes closes all other nodes.
    #[must_use]
    pub fn needed_on_nodes(&self) -> Permission {
        let speaks = |grant: &Grant| grant.permissions.contains(&Permission::Run) && may_cover_a_node(&grant.on);
        if self.nodes_need_run || self.roles.values().flatten().any(speaks) {
            Permission::Run
        } else {
            Permission::View
        }
    }

    /// Whether these rules ask less on nodes than the ones before, because the last line about them went.
    #[must_use]
    pub fn opens_nodes_since(&self, before: &Self) -> bool {
        before.needed_on_nodes() == Permission::Run && self.needed_on_nodes() == Permission::View
    }
}

/// Whether a glob may cover a node's path. In doubt it does, which asks for more.
fn may_cover_a_node(on: &str) -> bool {
    let first = on.split('/').next().unwrap_or(on);
    let fixed = first.split(['*', '?', '[', '{']).next().unwrap_or(first);
    first == "node" || (fixed.len() < first.len() && "node".starts_with(fixed))
}

/// One line of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Allow or deny; a deny wins over every allow.
    pub effect: GrantEffect,
    /// What it is about.
    pub permissions: BTreeSet<Permission>,
    /// A glob over [`Resource::path`]: `*` stays within one part, `**` crosses `/`.
    pub on: String,
    /// Only in this environment.
    pub environment: Option<Environment>,
    /// The line in `access.yaml`, to show which one decided. 1-based.
    pub line: u32,
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantEffect {
    /// The line allows.
    Allow,
    /// The line denies.
    Deny,
}

/// Who can hold a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// `user:alice`.
    User(UserName),
    /// `group:sre`.
    Group(GroupName),
    /// `service:pagerduty`.
    Service(UserName),
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

/// Proof that an actor may do something on a resource. Made only by `policy`; a test holds that.
#[derive(Debug, Clone)]
pub struct Permit {
    actor: Actor,
    permission: Permission,
    resource: Resource,
}

impl Permit {
    /// Makes the proof. Only `policy` calls this, after casbin said yes.
    pub(crate) fn mint(actor: Actor, permission: Permission, resource: Resource) -> Self {
        Self { actor, permission, resource }
    }

    /// Who may.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What they may do.
    #[must_use]
    pub fn permission(&self) -> Permission {
        self.permission
    }

    /// On what.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
}

/// A refusal of access.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The actor may not even know that it exists; answered like something that is not there.
    #[error("there is no such thing here, or you may not see it")]
    Hidden,
    /// The actor may see it but not do this.
    #[error("{principal} may not {permission} {resource}; {why}")]
    Forbidden {
        /// Who asked.
        principal: String,
        /// What for.
        permission: Permission,
        /// On what, as a path.
        resource: String,
        /// Which line decided, or that none allows it.
        why: String,
    },
}
