//! Jobs as somebody sees them: which there are, what they may do with each, where it would run and who would have to
//! sign. Reads only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::App;
use super::catalogue::{Catalogue, ProjectState, StoredJob};
use super::choosing::nameable;
use super::error::{AppError, AppResult, sentence};
use super::planning::fingerprints_of;
use super::sign_off::{Asking, SignOff};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::change_freeze::MetFreeze;
use crate::domain::ids::{Environment, JobId, JobPath, JobRef, ProjectName, RunNumber};
use crate::domain::job::Dispatch;
use crate::domain::node::{Node, Transport};
use crate::domain::option::OptionKind;
use crate::domain::run::State;
use crate::domain::time::Timestamp;

/// A job as the list shows it.
#[derive(Debug, Clone)]
pub struct JobSummary {
    /// The project.
    pub project: ProjectName,
    /// Group and name.
    pub path: JobPath,
    /// Its id.
    pub id: JobId,
    /// The first line of its description.
    pub summary: String,
    /// Whether it may be run at all.
    pub enabled: bool,
    /// Whether a run on all its nodes would wait for a signature.
    pub needs_approval: bool,
    /// Whether the one who asks may run it.
    pub may_run: bool,
    /// Its last outcomes, newest last.
    pub outcomes: Vec<(RunNumber, State)>,
}

/// A job as its page shows it.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The project.
    pub project: ProjectName,
    /// The job with its revision.
    pub stored: StoredJob,
    /// The nodes that its filter matches.
    pub nodes: Vec<NodeChoice>,
    /// The strictest environment of all of them.
    pub environment: Option<Environment>,
    /// Why the one who asks may not run it, if so.
    pub refusal: Option<String>,
    /// Whether they may change its definition.
    pub may_edit: bool,
    /// The sign-off that a run on all nodes needs, with who could give it.
    pub sign_off: Option<(SignOff, Vec<String>)>,
    /// The change freezes that a run on all nodes would meet now.
    pub freezes: Vec<MetFreeze>,
    /// The names that each `node` option takes.
    pub nameable: BTreeMap<String, Vec<String>>,
}

/// A node that a run may be narrowed to.
#[derive(Debug, Clone)]
pub struct NodeChoice {
    /// The node.
    pub node: Arc<Node>,
    /// Whether a host key is enrolled for it (or none is needed).
    pub enrolled: bool,
    /// Whether the one who asks may run the job there.
    pub allowed: bool,
}

impl App {
    /// The jobs that the actor may see, by project, group and name.
    ///
    /// # Errors
    /// The database.
    pub async fn browse_jobs(&self, actor: &Actor) -> AppResult<Vec<JobSummary>> {
        let catalogue = self.catalogue().await?;
        let now = self.clock.now();
        let mut out = Vec::new();
        for (name, project) in &catalogue.projects {
            let sees = catalogue.policy.grants(actor, Permission::View, name);
            let runs = catalogue.policy.grants(actor, Permission::Run, name);
            let mut of_project = Vec::new();
            for job in project.jobs.values() {
                let nodes = project.matched(&job.job);
                let resource = project.job_resource(job, &nodes);
                if !sees.allows(&resource) {
                    continue;
                }
                let narrowed = || nodes.iter().any(|n| runs.allows(&project.job_resource(job, &[Arc::clone(n)])));
                of_project.push(JobSummary {
                    project: name.clone(),
                    path: job.job.path.clone(),
                    id: job.id.clone(),
                    summary: job.job.summary().to_owned(),
                    enabled: job.job.enabled,
                    needs_approval: expected_sign_off(project, job, &nodes, actor, now).is_some(),
                    may_run: job.job.enabled && (runs.allows(&resource) || may_narrow(job) && narrowed()),
                    outcomes: Vec::new(),
                });
            }
            let outcomes = self.outcomes(name, of_project.iter().map(|j| j.id.clone()).collect()).await?;
            for job in &mut of_project {
                let of_job = outcomes.get(&job.id).into_iter().flatten();
                job.outcomes = of_job.map(|o| (o.number, o.state)).collect();
            }
            of_project.sort_by(|a, b| (a.path.group(), a.path.name()).cmp(&(b.path.group(), b.path.name())));
            out.extend(of_project);
        }
        Ok(out)
    }

    /// A job with everything that its form needs.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn browse_job(&self, actor: &Actor, project: &ProjectName, job: &JobRef) -> AppResult<JobView> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        let job = state.job(job).ok_or_else(AppError::not_found)?;
        self.view_of(actor, &catalogue, state, job).await
    }

    /// What the actor sees of a job, be it stored or only a draft.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub(super) async fn view_of(
        &self,
        actor: &Actor,
        catalogue: &Catalogue,
        state: &ProjectState,
        job: &StoredJob,
    ) -> AppResult<JobView> {
        let project = &state.project.name;
        let nodes = state.matched(&job.job);
        let resource = state.job_resource(job, &nodes);
        self.authorize(actor, Permission::View, &resource)?;
        let keys = self.fingerprints(project).await?;
        let choices: Vec<NodeChoice> = nodes
            .iter()
            .map(|node| NodeChoice {
                node: Arc::clone(node),
                enrolled: node.transport == Transport::Local || !fingerprints_of(&keys, node).is_empty(),
                allowed: may_run_there(catalogue, state, job, node, actor),
            })
            .collect();
        let sign_off = expected_sign_off(state, job, &nodes, actor, self.clock.now()).map(|s| {
            let who = self.who_could_sign(project, &s.need);
            (s, who)
        });
        let options = BTreeMap::new();
        let asking = Asking { project: state, job, nodes: &nodes, requester: &actor.principal, options: &options };
        let freezes = asking.freezes(self.clock.now());
        let nameable = job.job.options.iter().filter_map(|o| match &o.kind {
            OptionKind::Node { filter } => {
                Some((o.name.to_string(), nameable(catalogue, state, actor, filter.as_deref())))
            }
            _ => None,
        });
        Ok(JobView {
            project: project.clone(),
            environment: resource.environment().cloned(),
            refusal: self.why_not_run(state, job, &resource, &choices, actor),
            may_edit: self.authorize(actor, Permission::Edit, &resource).is_ok(),
            nameable: nameable.collect(),
            sign_off,
            freezes,
            nodes: choices,
            stored: job.clone(),
        })
    }

    fn why_not_run(
        &self,
        project: &ProjectState,
        job: &StoredJob,
        resource: &Resource,
        choices: &[NodeChoice],
        actor: &Actor,
    ) -> Option<String> {
        if !job.job.enabled {
            return Some("It is disabled: its definition says `enabled: false`.".to_owned());
        }
        if job.job.dispatch == Dispatch::Local && !project.project.local_execution {
            return Some(
                "It names no nodes, and its project does not let jobs run on Interlock's own machine.".to_owned(),
            );
        }
        let closed = project.project.closed_machine(choices.iter().map(|c| &*c.node));
        if let Some(own) = closed.filter(|_| !may_narrow(job)) {
            return Some(format!(
                "It runs on {}, which is Interlock's own machine, and its project does not let jobs run there.",
                own.name
            ));
        }
        let refused = self.authorize(actor, Permission::Run, resource).err()?;
        if may_narrow(job) && choices.iter().any(|c| c.allowed) {
            return None;
        }
        Some(sentence(&refused.to_string()))
    }
}

/// The sign-off of a run on these nodes at a time, as far as it is known before any value is. A run that would be refused
/// for its policy says so when it is asked for.
fn expected_sign_off(
    project: &ProjectState,
    job: &StoredJob,
    nodes: &[Arc<Node>],
    actor: &Actor,
    at: Timestamp,
) -> Option<SignOff> {
    let options = BTreeMap::new();
    let asking = Asking { project, job, nodes, requester: &actor.principal, options: &options };
    asking.sign_off(asking.freezes(at)).ok().flatten()
}

fn may_narrow(job: &StoredJob) -> bool {
    matches!(&job.job.dispatch, Dispatch::Nodes(d) if d.user_may_narrow)
}

/// Whether the actor may run the job on this one node.
fn may_run_there(
    catalogue: &Catalogue,
    project: &ProjectState,
    job: &StoredJob,
    node: &Arc<Node>,
    actor: &Actor,
) -> bool {
    let needed = project.needed_on_nodes();
    let on_job = project.job_resource(job, std::slice::from_ref(node));
    let on_node = catalogue.policy.authorize(actor, needed, &project.node_resource(node)).is_ok();
    on_node && catalogue.policy.authorize(actor, Permission::Run, &on_job).is_ok()
}
