//! "Who may do this?", "why was that refused?"

use std::collections::BTreeSet;

use super::App;
use super::error::{AppError, AppResult, sentence};
use crate::domain::access::{AccessRules, Actor, Permission, Principal, Resource, Via};
use crate::domain::ids::{GroupName, JobPath, KeyPath, NodeName, ProjectName};

use crate::store::users;

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
            "source" => Resource::Source { project, name: name.to_owned() },
            "alias" => Resource::Alias { project, name: name.to_owned() },
            "enricher" => Resource::Enricher { project, name: name.to_owned() },
            "event" => Resource::Events { project },
            "project" => Resource::Project { project },
            _ => {
                let message = "Write what it is about as in access.yaml: job/GROUP/NAME, node/NAME, key/keys/…, webhook/NAME, rule/NAME, source/NAME, enricher/NAME, alias/NAME, event or project.";
                return Err(AppError::invalid("bad_resource", message));
            }
        })
    }
}

/// A project's access rules as somebody may see them.
#[derive(Debug, Clone)]
pub struct AccessView {
    /// The project.
    pub project: ProjectName,
    /// Its roles and members.
    pub rules: AccessRules,
    /// The revision of `access.yaml`.
    pub revision: i64,
    /// Whether the one who asks may have decisions explained.
    pub may_explain: bool,
    /// Whether they may change the file.
    pub may_edit: bool,
}

impl App {
    /// The access rules of the projects that the actor may see.
    ///
    /// # Errors
    /// The database.
    pub async fn access_rules(&self, actor: &Actor) -> AppResult<Vec<AccessView>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for (name, state) in &catalogue.projects {
            let resource = Resource::Project { project: name.clone() };
            let may = |permission| self.authorize(actor, permission, &resource).is_ok();
            if may(Permission::View) {
                out.push(AccessView {
                    project: name.clone(),
                    rules: state.access.clone(),
                    revision: state.access_revision,
                    may_explain: may(Permission::Administer),
                    may_edit: may(Permission::Edit),
                });
            }
        }
        Ok(out)
    }

    /// [`App::explain`] about somebody by name, as if they were signed in now: `alice`, `user:alice`, `service:pagerduty`.
    ///
    /// # Errors
    /// `bad_principal`; those of [`App::explain`].
    pub async fn explain_named(
        &self,
        asker: &Actor,
        who: &str,
        more_groups: BTreeSet<GroupName>,
        permission: Permission,
        project: &ProjectName,
        resource: &str,
    ) -> AppResult<Explanation> {
        self.catalogue().await?;
        self.authorize(asker, Permission::Administer, &Resource::Project { project: project.clone() })?;
        let who = who.trim();
        let principal = Principal::parse(who).or_else(|| Principal::parse(&format!("user:{who}")));
        let about = match principal {
            Some(Principal::User(name)) => {
                let wanted = name.clone();
                let known = self.db.read(move |c| users::find(c, &wanted)).await?;
                let message = format!("There is no account `{name}`. Look at the people in Settings.");
                let user = known.ok_or_else(|| AppError::invalid("bad_principal", message))?;
                Actor {
                    principal: Principal::User(name),
                    groups: user.groups.into_iter().chain(more_groups).collect(),
                    via: Via::Session { authenticated_at: self.clock.now() },
                    administrator: user.administrator,
                }
            }
            Some(service @ Principal::Service(_)) => Actor {
                principal: service,
                groups: std::collections::BTreeSet::new(),
                via: Via::Engine,
                administrator: false,
            },
            _ => {
                return Err(AppError::invalid(
                    "bad_principal",
                    "Write who it is about: `alice` or `service:pagerduty`.",
                ));
            }
        };
        self.explain(asker, about, permission, project, resource).await
    }
}
