//! The change freezes that are on, as somebody sees them.

use std::sync::Arc;

use super::App;
use super::error::AppResult;
use crate::domain::access::{Actor, Permission};
use crate::domain::approval::describe;
use crate::domain::change_freeze::ChangeFreeze;
use crate::domain::ids::{FreezeName, ProjectName};
use crate::domain::time::Timestamp;

/// A change freeze that is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeNow {
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub name: FreezeName,
    /// Why nothing is to change.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
    /// Its end on its own clock.
    pub end: String,
    /// What it covers, in words.
    pub covers: String,
    /// Who lets a run through; empty where nobody does.
    pub need: String,
}

impl App {
    /// The change freezes that are on now and cover a job that the actor may see, by project and as `project.yaml` has them.
    ///
    /// # Errors
    /// The database.
    pub async fn freezes_now(&self, actor: &Actor) -> AppResult<Vec<FreezeNow>> {
        let (catalogue, now) = (self.catalogue().await?, self.clock.now());
        let mut out = Vec::new();
        for (name, project) in &catalogue.projects {
            let on: Vec<(&ChangeFreeze, Timestamp)> =
                project.project.freezes.iter().filter_map(|f| Some((f, f.on_until(now)?))).collect();
            if on.is_empty() {
                continue;
            }
            let sees = catalogue.policy.grants(actor, Permission::View, name);
            for (freeze, until) in on {
                let visible = project.jobs.values().any(|job| {
                    let nodes = project.matched(&job.job);
                    let place = |n: &Arc<_>| project.project.strictest(std::iter::once(node_environment(n)));
                    let places = nodes.iter().filter_map(place).collect();
                    freeze.covers(&job.job.path, &places) && sees.allows(&project.job_resource(job, &nodes))
                });
                if visible {
                    out.push(shown(name, freeze, until));
                }
            }
        }
        Ok(out)
    }
}

fn node_environment(node: &Arc<crate::domain::node::Node>) -> Option<&crate::domain::ids::Environment> {
    node.environment.as_ref()
}

fn shown(project: &ProjectName, freeze: &ChangeFreeze, until: Timestamp) -> FreezeNow {
    let listed = |names: Vec<&str>| names.join(", ");
    let jobs = match freeze.jobs.as_slice() {
        [] => "every job".to_owned(),
        globs => format!("jobs {}", listed(globs.iter().map(String::as_str).collect())),
    };
    let places = match freeze.environments.as_slice() {
        [] => String::new(),
        names => format!(" in {}", listed(names.iter().map(AsRef::as_ref).collect())),
    };
    FreezeNow {
        project: project.clone(),
        name: freeze.name.clone(),
        reason: freeze.reason.clone(),
        until,
        end: freeze.time_zone.words(until),
        covers: format!("{jobs}{places}"),
        need: describe(&freeze.need),
    }
}
