//! "Who may do this?", "why was that refused?"

use super::App;
use super::error::{AppError, AppResult, sentence};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{JobPath, KeyPath, NodeName, ProjectName};

pub use crate::policy::Explanation;

impl App {
    /// Explains a decision about somebody on a resource, written as in `on:`: `job/services/restart-service`.
    ///
    /// # Errors
    /// `bad_resource`; not found; forbidden without `administer` on the project.
    pub async fn explain(
        &self,
        asker: &Actor,
        about: Actor,
        permission: Permission,
        project: &ProjectName,
        resource: &str,
    ) -> AppResult<Explanation> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        self.authorize(asker, Permission::Administer, &Resource::Project { project: project.clone() })?;
        let resource = self.resource_named(state, project, resource)?;
        Ok(catalogue.policy.explain(&about, permission, &resource))
    }

    /// A resource by its path, in the environment that it has now.
    fn resource_named(
        &self,
        state: &super::catalogue::ProjectState,
        project: &ProjectName,
        text: &str,
    ) -> AppResult<Resource> {
        let project = project.clone();
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        let bad = |e: crate::domain::ids::BadId| AppError::invalid("bad_resource", sentence(&e.to_string()));
        Ok(match kind {
            "job" => {
                let path = JobPath::parse(name).map_err(bad)?;
                match state.jobs.get(&path) {
                    Some(job) => state.job_resource(job, &state.matched(&job.job)),
                    None => Resource::Job { project, path, environment: None },
                }
            }
            "node" => {
                let name = NodeName::parse(name).map_err(bad)?;
                match state.nodes.iter().find(|n| n.name == name) {
                    Some(node) => state.node_resource(node),
                    None => Resource::Node { project, name, environment: None },
                }
            }
            "key" => Resource::Key { project, path: KeyPath::parse(name).map_err(bad)? },
            "webhook" => Resource::Webhook { project, name: name.to_owned() },
            "rule" => Resource::Rule { project, name: name.to_owned() },
            "event" => Resource::Events { project },
            "project" => Resource::Project { project },
            _ => {
                let message = "Write what it is about as in access.yaml: job/GROUP/NAME, node/NAME, key/keys/…, webhook/NAME, rule/NAME, event or project.";
                return Err(AppError::invalid("bad_resource", message));
            }
        })
    }
}
