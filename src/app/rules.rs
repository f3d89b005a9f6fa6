//! Rules as somebody sees them.

use super::App;
use super::error::AppResult;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::ProjectName;
use crate::spec;
use crate::store::definitions::{self, Kind};

/// A rule as lists show it.
#[derive(Debug, Clone)]
pub struct RuleView {
    /// The project.
    pub project: ProjectName,
    /// Its pack.
    pub pack: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The event type that it listens to.
    pub trigger: String,
    /// The job that it asks for, as written.
    pub action: String,
    /// The revision's number.
    pub revision: i64,
    /// The revision's digest.
    pub digest: Digest,
}

impl App {
    /// The rules that the actor may see, by project and name.
    ///
    /// # Errors
    /// The database.
    pub async fn rules(&self, actor: &Actor) -> AppResult<Vec<RuleView>> {
        self.catalogue().await?;
        let stored = self.db.read(|c| definitions::current(c, Kind::Rule, None)).await?;
        let visible = stored.into_iter().filter(|(definition, _)| {
            let resource = Resource::Rule { project: definition.project.clone(), name: definition.name.clone() };
            self.authorize(actor, Permission::View, &resource).is_ok()
        });
        // A stored rule was checked when it was saved; one that another version wrote may not be readable any more.
        let read = visible.filter_map(|(definition, revision)| {
            let rule = spec::read_rule(&revision.source).ok()?;
            Some(RuleView {
                project: definition.project,
                pack: rule.pack,
                name: rule.name,
                description: rule.description,
                trigger: rule.trigger,
                action: rule.action.shown(),
                revision: definition.revision,
                digest: definition.digest,
            })
        });
        Ok(read.collect())
    }
}
