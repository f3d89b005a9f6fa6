//! Enrichers and what they made of events, as somebody may see them.

use std::sync::Arc;

use crate::app::App;
use crate::app::catalogue::{ProjectState, StoredEnricher};
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::enricher::Enricher;
use crate::domain::ids::{EnricherName, EventId, ProjectName};
use crate::store::enrichment::labels::{self, LabelRecord};
use crate::store::{StoreError, events};

/// An enricher as lists show it.
#[derive(Debug, Clone)]
pub struct EnricherView {
    /// The project.
    pub project: ProjectName,
    /// The enricher.
    pub enricher: Arc<Enricher>,
    /// The revision's number.
    pub revision: i64,
    /// The rules that ask it and that the actor may see.
    pub rules: Vec<String>,
    /// What it made of an event last, for who may see events.
    pub last: Option<LabelRecord>,
    /// Whether the actor may change it.
    pub may_edit: bool,
}

impl EnricherView {
    /// `off`, `unused`, `waiting`, `failing` or `labelling`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match &self.last {
            _ if !self.enricher.enabled => "off",
            _ if self.rules.is_empty() => "unused",
            None => "waiting",
            // A table that has no line for a text has not failed.
            Some(last) if !last.label.trouble.is_empty() && self.enricher.kind.terms().is_some() => "failing",
            Some(_) => "labelling",
        }
    }
}

impl App {
    /// The enrichers that the actor may see, by project and name.
    ///
    /// # Errors
    /// The database.
    pub async fn enrichers(&self, actor: &Actor) -> AppResult<Vec<EnricherView>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for state in catalogue.projects.values() {
            for stored in state.enrichers.values() {
                if let Some(view) = self.enricher_view(actor, state, stored).await? {
                    out.push(view);
                }
            }
        }
        Ok(out)
    }

    /// One enricher.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn enricher(&self, actor: &Actor, project: &ProjectName, name: &str) -> AppResult<EnricherView> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        let stored = EnricherName::parse(name).ok().and_then(|name| state.enrichers.get(&name));
        let view = self.enricher_view(actor, state, stored.ok_or_else(AppError::not_found)?).await?;
        view.ok_or_else(AppError::not_found)
    }

    async fn enricher_view(
        &self,
        actor: &Actor,
        state: &ProjectState,
        stored: &StoredEnricher,
    ) -> AppResult<Option<EnricherView>> {
        let (project, name) = (state.project.name.clone(), stored.enricher.name.clone());
        let on = Resource::Enricher { project: project.clone(), name: name.to_string() };
        let may = |permission, on: &Resource| self.authorize(actor, permission, on).is_ok();
        if !may(Permission::View, &on) {
            return Ok(None);
        }
        let sees =
            |rule: &str| may(Permission::View, &Resource::Rule { project: project.clone(), name: rule.to_owned() });
        let asking = state.rules.iter().filter(|stored| stored.rule.enrich.contains(&name));
        let rules = asking.map(|stored| stored.rule.name.clone()).filter(|rule| sees(rule)).collect();
        let last = if may(Permission::View, &Resource::Events { project: project.clone() }) {
            let (project, definition) = (project.clone(), stored.definition.clone());
            self.db.read(move |c| labels::newest(c, &project, &definition)).await?
        } else {
            None
        };
        let may_edit = may(Permission::Edit, &on);
        Ok(Some(EnricherView {
            enricher: Arc::clone(&stored.enricher),
            revision: stored.revision,
            project,
            rules,
            last,
            may_edit,
        }))
    }

    /// What enrichers made of an event.
    ///
    /// # Errors
    /// Not found, also when the event may not be seen.
    pub async fn labels(&self, actor: &Actor, id: EventId) -> AppResult<Vec<LabelRecord>> {
        self.catalogue().await?;
        let (event, found) =
            self.db.read(move |c| Ok::<_, StoreError>((events::get(c, id)?, labels::of_event(c, id)?))).await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: event.project })?;
        Ok(found)
    }
}
