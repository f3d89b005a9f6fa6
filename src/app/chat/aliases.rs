//! Aliases: which there are, and the run that somebody's own words ask for.

use std::sync::Arc;

use super::commands::{Speaker, help};
use crate::app::App;
use crate::app::catalogue::{ProjectState, StoredAlias, StoredJob};
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::alias::Alias;
use crate::domain::chat::{Slash, with_reason};
use crate::domain::ids::{JobPath, JobRef, ProjectName};
use crate::domain::notice::message::one_line;

/// Aliases that help shows at most.
const MOST: usize = 20;

/// An alias as lists show it.
#[derive(Debug, Clone)]
pub struct AliasView {
    /// The project.
    pub project: ProjectName,
    /// The alias.
    pub alias: Arc<Alias>,
    /// The revision's number.
    pub revision: i64,
    /// The job that it asks for, where there is one that the viewer may see.
    pub asks_for: Option<JobPath>,
    /// Whether they may change it.
    pub may_edit: bool,
}

/// What somebody's words ask for.
struct Meant {
    alias: Arc<Alias>,
    job: String,
    project: ProjectName,
    options: Vec<(String, String)>,
}

impl App {
    /// The aliases that the actor may see, by project and name.
    ///
    /// # Errors
    /// The database.
    pub async fn aliases(&self, actor: &Actor) -> AppResult<Vec<AliasView>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for (project, state) in &catalogue.projects {
            for StoredAlias { revision, alias } in state.aliases.values() {
                let resource = Resource::Alias { project: project.clone(), name: alias.name.clone() };
                if self.authorize(actor, Permission::View, &resource).is_err() {
                    continue;
                }
                out.push(AliasView {
                    project: project.clone(),
                    alias: Arc::clone(alias),
                    revision: *revision,
                    asks_for: self.job_of_alias(actor, state, alias).map(|job| job.job.path.clone()),
                    may_edit: self.authorize(actor, Permission::Edit, &resource).is_ok(),
                });
            }
        }
        Ok(out)
    }

    /// Carries out what somebody says in words of their own, where exactly one alias understands them. The job's own rights
    /// decide; an alias gives none.
    pub(super) async fn said_in_chat(&self, speaker: &Speaker, slash: &Slash, text: &str) -> AppResult<String> {
        let (mut meant, mut reason) = (self.understood(speaker, text).await?, String::new());
        if let (true, Some((words, why))) = (meant.is_empty(), with_reason(text)) {
            (meant, reason) = (self.understood(speaker, words).await?, why);
        }
        let names: Vec<String> = meant.iter().map(|m| format!("`{}/{}`", m.project, m.alias.name)).collect();
        let Some(one) = meant.pop() else {
            let shown = one_line(text, 60);
            return Ok(format!("I do not understand `{shown}`. `{} help` lists what I do.", slash.name));
        };
        if !meant.is_empty() {
            let message = format!(
                "These words mean several things, so none was done: the aliases {} understand them. Say `run JOB` instead, or have one of them changed.",
                names.join(" and ")
            );
            return Err(AppError::invalid("ambiguous_alias", message));
        }
        let job = format!("{}/{}", one.project, one.job);
        let started = self.run_in_chat(speaker, slash, &job, one.options, reason).await?;
        Ok(if one.alias.ack.is_empty() { started } else { format!("{}\n{started}", one.alias.ack) })
    }

    /// The commands, and the aliases whose jobs one may see.
    pub(super) fn help_in_chat(&self, speaker: &Speaker, name: &str) -> String {
        let catalogue = self.known();
        let mut lines = Vec::new();
        for state in speaker.places.iter().filter_map(|p| catalogue.projects.get(p)) {
            for alias in state.aliases.values().map(|s| &s.alias).filter(|a| a.enabled) {
                if self.job_of_alias(&speaker.actor, state, alias).is_some() {
                    let what = one_line(&alias.description, 100);
                    let what = if what.is_empty() { what } else { format!(": {what}") };
                    lines.extend(
                        alias.formats.iter().map(|f| format!("\n• {name} {}{what}", one_line(&f.display, 100))),
                    );
                }
            }
        }
        let more = lines.len().saturating_sub(MOST);
        lines.truncate(MOST);
        if more > 0 {
            lines.push(format!("\nand {more} more"));
        }
        format!("{}{}", help(name), lines.concat())
    }

    async fn understood(&self, speaker: &Speaker, text: &str) -> AppResult<Vec<Meant>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for (project, state) in catalogue.projects.iter().filter(|(name, _)| speaker.counts_in(name)) {
            for alias in state.aliases.values().map(|s| &s.alias).filter(|a| a.enabled) {
                let Some(options) = alias.understand(text) else { continue };
                let Some(job) = self.job_of_alias(&speaker.actor, state, alias) else { continue };
                out.push(Meant {
                    alias: Arc::clone(alias),
                    job: job.job.path.to_string(),
                    project: project.clone(),
                    options: options.into_iter().collect(),
                });
            }
        }
        Ok(out)
    }

    /// The job of an alias, where one may see it.
    fn job_of_alias<'s>(&self, actor: &Actor, state: &'s ProjectState, alias: &Alias) -> Option<&'s StoredJob> {
        let names = alias.job_names(&state.project.name);
        let job = names.iter().filter_map(|name| JobRef::parse(name).ok()).find_map(|name| state.job(&name))?;
        let resource = state.job_resource(job, &state.matched(&job.job));
        self.authorize(actor, Permission::View, &resource).ok().map(|_| job)
    }
}
