//! Looking at projects and jobs: what there is, what running one would touch and need.

use std::sync::Arc;

use super::App;
use super::catalogue::{Catalogue, StoredJob};
use super::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{Environment, JobRef, ProjectName};
use crate::domain::node::Node;

/// A job that somebody may see.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The project.
    pub project: ProjectName,
    /// The job with its revision.
    pub stored: StoredJob,
    /// The nodes that it matches now, in starting order.
    pub nodes: Vec<Arc<Node>>,
    /// The strictest environment among them.
    pub environment: Option<Environment>,
    /// Whether the asker may run it.
    pub may_run: bool,
    /// Whether the asker may change it.
    pub may_edit: bool,
}

impl App {
    /// The projects in which the actor may see anything: the project itself, or one of its jobs.
    ///
    /// # Errors
    /// The database.
    pub async fn projects(&self, actor: &Actor) -> AppResult<Vec<ProjectName>> {
        let catalogue = self.catalogue().await?;
        let visible = |name: &ProjectName| {
            let project = Resource::Project { project: name.clone() };
            catalogue.policy.authorize(actor, Permission::View, &project).is_ok()
                || !catalogue.policy.grants(actor, Permission::View, name).is_empty()
        };
        Ok(catalogue.projects.keys().filter(|name| visible(name)).cloned().collect())
    }

    /// The jobs that the actor may see, by project, group and name.
    ///
    /// # Errors
    /// The database.
    pub async fn jobs(&self, actor: &Actor, project: Option<&ProjectName>) -> AppResult<Vec<JobView>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for (name, state) in catalogue.projects.iter().filter(|(n, _)| project.is_none_or(|p| p == *n)) {
            out.extend(state.jobs.values().filter_map(|job| view(&catalogue, actor, name, job)));
        }
        Ok(out)
    }

    /// One job.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn job(&self, actor: &Actor, project: &ProjectName, reference: &JobRef) -> AppResult<JobView> {
        let catalogue = self.catalogue().await?;
        let job = catalogue.project(project)?.job(reference).ok_or_else(AppError::not_found)?;
        view(&catalogue, actor, project, job).ok_or_else(AppError::not_found)
    }
}

fn view(catalogue: &Catalogue, actor: &Actor, project: &ProjectName, job: &StoredJob) -> Option<JobView> {
    let state = catalogue.projects.get(project)?;
    let nodes = state.matched(&job.job);
    let resource = state.job_resource(job, &nodes);
    let may = |permission| catalogue.policy.authorize(actor, permission, &resource).is_ok();
    may(Permission::View).then(|| JobView {
        project: project.clone(),
        stored: job.clone(),
        environment: resource.environment().cloned(),
        may_run: may(Permission::Run) && job.job.enabled,
        may_edit: may(Permission::Edit),
        nodes,
    })
}
