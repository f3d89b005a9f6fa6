//! The definitions that hold now, read and checked, with the policy that they give. Loaded once and kept until a
//! definition changes, by whichever process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::error::{AppError, AppResult};
use crate::domain::access::{AccessRules, Permission, Resource};
use crate::domain::alias::Alias;
use crate::domain::digest::Digest;
use crate::domain::enricher::Enricher;
use crate::domain::ids::{EnricherName, JobId, JobPath, JobRef, KeyPath, ProjectName, SourceName, WebhookName};
use crate::domain::job::{Dispatch, Job};
use crate::domain::node::{Node, NodeFilter};
use crate::domain::project::Project;
use crate::domain::rule::{self, Rule, RuleIndex};
use crate::domain::secret::SecretText;
use crate::domain::source::Source;
use crate::domain::webhook::Webhook;
use crate::policy::Policy;
use crate::spec;
use crate::store::definitions::{self, DefinitionRecord, Kind, RevisionRecord};
use crate::store::{Conn, Db, StoreError, secrets};

/// All projects.
#[derive(Debug)]
pub struct Catalogue {
    stamp: Option<String>,
    /// The projects by name.
    pub projects: BTreeMap<ProjectName, ProjectState>,
    /// Who may do what.
    pub policy: Policy,
    /// Secrets that deliveries are verified with, once they were read. They go with the catalogue, which is another one
    /// as soon as any secret changes.
    hook_secrets: Mutex<BTreeMap<(ProjectName, KeyPath), SecretText>>,
}

/// One project as it is now.
#[derive(Debug)]
pub struct ProjectState {
    /// Its settings.
    pub project: Project,
    /// Its nodes, by name.
    pub nodes: Vec<Arc<Node>>,
    /// Its access rules.
    pub access: AccessRules,
    /// Their revision.
    pub access_revision: i64,
    /// Its jobs.
    pub jobs: BTreeMap<JobPath, StoredJob>,
    /// Its webhooks.
    pub webhooks: BTreeMap<WebhookName, StoredWebhook>,
    /// Its rules, by name.
    pub rules: Vec<StoredRule>,
    /// Its aliases of chats, by name.
    pub aliases: BTreeMap<String, StoredAlias>,
    /// Its sources of events.
    pub sources: BTreeMap<SourceName, StoredSource>,
    /// What labels its events.
    pub enrichers: BTreeMap<EnricherName, StoredEnricher>,
    /// Which of its rules an event can concern.
    pub rule_index: RuleIndex,
}

/// A job with its revision.
#[derive(Debug, Clone)]
pub struct StoredJob {
    /// The definition's id in the store.
    pub definition: String,
    /// The job's id.
    pub id: JobId,
    /// The revision's number.
    pub revision: i64,
    /// The revision's digest.
    pub digest: Digest,
    /// The job.
    pub job: Arc<Job>,
}

/// A webhook with its definition.
#[derive(Debug, Clone)]
pub struct StoredWebhook {
    /// The definition's id in the store.
    pub definition: String,
    /// The revision's number.
    pub revision: i64,
    /// The webhook.
    pub webhook: Arc<Webhook>,
}

/// A rule with its revision.
#[derive(Debug, Clone)]
pub struct StoredRule {
    /// The definition's id in the store.
    pub definition: String,
    /// The revision's number.
    pub revision: i64,
    /// The revision's digest.
    pub digest: Digest,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// An alias with its revision.
#[derive(Debug, Clone)]
pub struct StoredAlias {
    /// The revision's number.
    pub revision: i64,
    /// The alias.
    pub alias: Arc<Alias>,
}

/// A source of events with its revision.
#[derive(Debug, Clone)]
pub struct StoredSource {
    /// The definition's id in the store.
    pub definition: String,
    /// The revision's number.
    pub revision: i64,
    /// The source.
    pub source: Arc<Source>,
}

/// An enricher with its revision.
#[derive(Debug, Clone)]
pub struct StoredEnricher {
    /// The definition's id in the store.
    pub definition: String,
    /// The revision's number.
    pub revision: i64,
    /// The revision's digest.
    pub digest: Digest,
    /// The enricher.
    pub enricher: Arc<Enricher>,
}

impl Catalogue {
    /// No projects.
    ///
    /// # Errors
    /// When the policy cannot be set up at all.
    pub fn empty() -> AppResult<Self> {
        let policy = Policy::build(&BTreeMap::new()).map_err(AppError::fault)?;
        Ok(Self { stamp: None, projects: BTreeMap::new(), policy, hook_secrets: Mutex::default() })
    }

    /// What changes whenever a definition does.
    pub(crate) async fn stamp(db: &Db) -> AppResult<String> {
        Ok(db.read(stamp).await?)
    }

    pub(crate) fn is_of(&self, stamp: &str) -> bool {
        self.stamp.as_deref() == Some(stamp)
    }

    /// Reads everything. A stored definition was checked when it was saved; one that cannot be read any more (written by
    /// another version) is left out and logged, so that the rest goes on working.
    pub(crate) async fn load(db: &Db) -> AppResult<Self> {
        let (stamp, rows) = db
            .read(|c| {
                let mut rows = Vec::new();
                for kind in Kind::ALL {
                    rows.extend(definitions::current(c, *kind, None)?);
                }
                Ok::<_, StoreError>((stamp(c)?, rows))
            })
            .await?;
        let mut projects: BTreeMap<ProjectName, ProjectState> = BTreeMap::new();
        for (definition, revision) in rows {
            let name = definition.project.clone();
            let state = projects.entry(name.clone()).or_insert_with(|| ProjectState::new(name));
            if let Err(problem) = state.take(&definition, &revision) {
                tracing::error!(
                    project.name = %definition.project,
                    definition.kind = definition.kind.as_str(),
                    definition.name = definition.name,
                    error.cause = problem,
                    "a stored definition cannot be read and is left out; save it again"
                );
            }
        }
        for state in projects.values_mut() {
            state.rules.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
            state.rule_index = RuleIndex::build(state.rules.iter().map(|r| r.rule.as_ref()));
        }
        let rules = projects.iter().map(|(name, state)| (name.clone(), (state.access.clone(), state.access_revision)));
        let policy = Policy::build(&rules.collect()).map_err(AppError::fault)?;
        Ok(Self { stamp: Some(stamp), projects, policy, hook_secrets: Mutex::default() })
    }

    /// A secret that deliveries are verified with, if it was read before.
    pub(crate) fn hook_secret(&self, project: &ProjectName, path: &KeyPath) -> Option<SecretText> {
        let known = self.hook_secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(&(project.clone(), path.clone())).cloned()
    }

    /// Keeps such a secret.
    pub(crate) fn keep_hook_secret(&self, project: &ProjectName, path: &KeyPath, secret: SecretText) {
        let mut known = self.hook_secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert((project.clone(), path.clone()), secret);
    }

    /// A project.
    ///
    /// # Errors
    /// Not found.
    pub fn project(&self, name: &ProjectName) -> AppResult<&ProjectState> {
        self.projects.get(name).ok_or_else(AppError::not_found)
    }
}

fn stamp(c: &mut Conn) -> Result<String, StoreError> {
    Ok(format!("{} {}", definitions::stamp_of_all(c)?, secrets::stamp_of_all(c)?))
}

impl ProjectState {
    fn new(name: ProjectName) -> Self {
        Self {
            project: Project::empty(name),
            nodes: Vec::new(),
            access: AccessRules::default(),
            access_revision: 0,
            jobs: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            rules: Vec::new(),
            aliases: BTreeMap::new(),
            sources: BTreeMap::new(),
            enrichers: BTreeMap::new(),
            rule_index: RuleIndex::default(),
        }
    }

    fn take(&mut self, definition: &DefinitionRecord, revision: &RevisionRecord) -> Result<(), String> {
        let source = revision.source.as_str();
        let first = |all: Vec<spec::Diagnostic>| all.first().map(|d| d.message.clone()).unwrap_or_default();
        match definition.kind {
            Kind::Project => self.project = spec::read_project(&definition.project, source).map_err(first)?,
            Kind::Nodes => {
                let format = spec::NodesFormat::of_file(&definition.name).unwrap_or(spec::NodesFormat::Yaml);
                self.nodes.extend(spec::read_nodes(format, source).map_err(first)?.into_iter().map(Arc::new));
            }
            Kind::Access => {
                self.access = spec::read_access(source).map_err(first)?;
                self.access_revision = definition.revision;
            }
            Kind::Job => {
                let job = spec::read_job(source).map_err(first)?;
                let id = definition.job_id.clone().ok_or("it has no job id")?;
                let stored = StoredJob {
                    definition: definition.id.clone(),
                    id,
                    revision: definition.revision,
                    digest: revision.digest,
                    job: Arc::new(job),
                };
                self.jobs.insert(stored.job.path.clone(), stored);
            }
            Kind::Webhook => {
                let webhook = spec::read_webhook(source).map_err(first)?;
                let stored = StoredWebhook {
                    definition: definition.id.clone(),
                    revision: definition.revision,
                    webhook: Arc::new(webhook),
                };
                self.webhooks.insert(stored.webhook.name.clone(), stored);
            }
            Kind::Rule => {
                let rule = spec::read_rule(source).map_err(first)?;
                self.rules.push(StoredRule {
                    definition: definition.id.clone(),
                    revision: definition.revision,
                    digest: revision.digest,
                    rule: Arc::new(rule),
                });
            }
            Kind::Alias => {
                let alias = Arc::new(spec::read_alias(source).map_err(first)?);
                self.aliases.insert(alias.name.clone(), StoredAlias { revision: definition.revision, alias });
            }
            Kind::Source => {
                let source = Arc::new(spec::read_source(source).map_err(first)?);
                let (definition, revision) = (definition.id.clone(), definition.revision);
                self.sources.insert(source.name.clone(), StoredSource { definition, revision, source });
            }
            Kind::Enricher => {
                let enricher = Arc::new(spec::read_enricher(source).map_err(first)?);
                let stored = StoredEnricher {
                    definition: definition.id.clone(),
                    revision: definition.revision,
                    digest: revision.digest,
                    enricher,
                };
                self.enrichers.insert(stored.enricher.name.clone(), stored);
            }
        }
        Ok(())
    }

    /// The job that a reference means: its id first, then group and name.
    #[must_use]
    pub fn job(&self, reference: &JobRef) -> Option<&StoredJob> {
        let by_id = self.jobs.values().find(|j| j.id.as_str() == reference.as_str());
        by_id.or_else(|| JobPath::parse(reference.as_str()).ok().and_then(|path| self.jobs.get(&path)))
    }

    /// The job that the action of a rule in a pack means.
    #[must_use]
    pub fn action_job(&self, reference: &str, pack: &str) -> Option<&StoredJob> {
        let names = rule::job_names(reference, pack, &self.project.name);
        names.iter().filter_map(|name| JobRef::parse(name).ok()).find_map(|name| self.job(&name))
    }

    /// The enrichers that a rule asks, in its order.
    pub fn asked_by<'s>(&'s self, rule: &'s Rule) -> impl Iterator<Item = &'s StoredEnricher> {
        rule.enrich.iter().filter_map(|name| self.enrichers.get(name))
    }

    /// The rule of a name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&StoredRule> {
        self.rules.iter().find(|r| r.rule.name == name)
    }

    /// The nodes that a job's filter matches, in the job's order. None for a job on Interlock's own machine.
    #[must_use]
    pub fn matched(&self, job: &Job) -> Vec<Arc<Node>> {
        let Dispatch::Nodes(dispatch) = &job.dispatch else { return Vec::new() };
        let Ok(filter) = NodeFilter::parse(&dispatch.filter) else { return Vec::new() };
        let filter = filter.with_exclude_precedence(dispatch.exclude_precedence);
        let mut nodes: Vec<Arc<Node>> = self.nodes.iter().filter(|n| filter.matches(n)).cloned().collect();
        nodes.sort_by(|a, b| crate::domain::node::in_order(a, b, &dispatch.order_by));
        nodes
    }

    /// A job as a resource, in the strictest environment of these nodes.
    #[must_use]
    pub fn job_resource(&self, job: &StoredJob, nodes: &[Arc<Node>]) -> Resource {
        let environment = self.project.strictest(nodes.iter().map(|n| n.environment.as_ref()));
        Resource::Job { project: self.project.name.clone(), path: job.job.path.clone(), environment }
    }

    /// A node as a resource. A node that names no environment counts as the strictest.
    #[must_use]
    pub fn node_resource(&self, node: &Node) -> Resource {
        let environment = self.project.strictest(std::iter::once(node.environment.as_ref()));
        Resource::Node { project: self.project.name.clone(), name: node.name.clone(), environment }
    }

    /// What somebody needs on a node to run a job there.
    #[must_use]
    pub fn needed_on_nodes(&self) -> Permission {
        self.access.needed_on_nodes()
    }
}
