//! Definitions: checking a folder, applying it with a plan first, saving a single one.

mod compare;
mod keys;
mod revisions;
mod sides;

use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Permit, Resource};
use crate::domain::ids::{JobPath, ProjectName};
use crate::spec;
use crate::store::definitions::{self as rows, DefinitionRecord};
use crate::store::{StoreError, projects};

use compare::{Stored, Wanted, changes, checked, opened, refuse_mistakes, wanted_of, with_one};

pub use crate::spec::Diagnostic;
pub use crate::store::definitions::Kind;
pub(super) use compare::{name_in, path_of};
pub use revisions::RevisionView;
pub use sides::{Line, Row, side_by_side};

/// What would happen, or happened, to one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionChange {
    /// What it defines.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What happens.
    pub action: ChangeAction,
    /// A unified diff of the authored text; empty when nothing changes.
    pub diff: String,
    /// What the change does beyond what the diff shows at a glance.
    pub warning: Option<String>,
}

/// What happens to a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeAction {
    /// It is new.
    Create,
    /// It has a new revision.
    Update,
    /// It goes away; its revisions stay.
    Delete,
    /// It stays.
    Unchanged,
}

impl ChangeAction {
    /// The word in plans.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Unchanged => "unchanged",
        }
    }
}

impl App {
    /// Compares a project's folder with what is stored.
    ///
    /// # Errors
    /// `invalid_definitions` with every mistake; forbidden.
    pub async fn plan_apply(
        &self,
        actor: &Actor,
        project: &ProjectName,
        files: &[(String, Vec<u8>)],
    ) -> AppResult<Vec<DefinitionChange>> {
        let stored = self.stored(project).await?;
        let wanted = checked(project, files, &stored)?;
        self.authorize(actor, Permission::Edit, &Resource::Project { project: project.clone() })?;
        Ok(changes(&wanted, &stored))
    }

    /// Makes the stored definitions of a project equal to a folder, in one transaction.
    ///
    /// # Errors
    /// As [`App::plan_apply`]; `conflict` when somebody saved one of them meanwhile. Nothing is changed then.
    pub async fn apply(
        &self,
        actor: &Actor,
        project: &ProjectName,
        files: &[(String, Vec<u8>)],
        message: &str,
        source: &Source,
    ) -> AppResult<Vec<DefinitionChange>> {
        let stored = self.stored(project).await?;
        let wanted = checked(project, files, &stored)?;
        let plan = changes(&wanted, &stored);
        self.store_changes(actor, project, wanted, stored, true, message, source).await?;
        Ok(plan)
    }

    /// Saves one definition from its authored text. `expected` is the revision that the author started from.
    ///
    /// # Errors
    /// `invalid_definitions` with every mistake; `conflict` when it was saved meanwhile; forbidden.
    #[expect(clippy::too_many_arguments, reason = "they are what a revision is made of")]
    pub async fn save(
        &self,
        actor: &Actor,
        project: &ProjectName,
        kind: Kind,
        text: &str,
        expected: Option<i64>,
        message: &str,
        source: &Source,
    ) -> AppResult<DefinitionRecord> {
        self.catalogue().await?;
        let resource = match name_in(project, kind, text) {
            Some(name) => rows::resource(project, kind, &name)?,
            None => Resource::Project { project: project.clone() },
        };
        // Who may not save learns nothing about the rest of the project from its mistakes.
        self.authorize(actor, Permission::Edit, &resource)?;
        let stored = self.stored(project).await?;
        let one = self.check_one(project, kind, text, &stored)?;
        let name = one.name.clone();
        let holds = stored.iter().find(|(d, _)| d.kind == kind && d.name == name).map_or(0, |(d, _)| d.revision);
        if expected.is_some_and(|e| e != holds) {
            let message = format!(
                "`{name}` was changed meanwhile (revision {holds}). Look at the newer revision and put your change on top of it; your text is still in the editor."
            );
            return Err(AppError::conflict("stale_revision", message));
        }
        self.store_changes(actor, project, vec![one], stored, false, message, source).await?;
        let project = project.clone();
        let found = self.db.read(move |c| rows::find(c, &project, kind, &name)).await?;
        found.ok_or_else(AppError::not_found)
    }

    /// Checks one definition together with the rest of its project: every mistake that saving it would make.
    ///
    /// # Errors
    /// Not found; the database.
    pub async fn check(
        &self,
        actor: &Actor,
        project: &ProjectName,
        kind: Kind,
        text: &str,
    ) -> AppResult<Vec<Diagnostic>> {
        self.catalogue().await?;
        self.authorize(actor, Permission::View, &Resource::Project { project: project.clone() })
            .or_else(|_| self.authorize(actor, Permission::Edit, &Resource::Project { project: project.clone() }))?;
        let stored = self.stored(project).await?;
        let (_, mut diagnostics) = with_one(project, kind, text, &stored);
        let access = stored.iter().find(|(d, _)| d.kind == Kind::Access && kind == Kind::Access);
        if let Some(message) = access.and_then(|(_, before)| opened(&before.source, text)) {
            diagnostics.insert(0, warning("nodes_opened", path_of(kind, "access"), message));
        }
        Ok(diagnostics)
    }

    /// The name that a job's text gives it, if it can be read that far and the actor may look into the project.
    ///
    /// # Errors
    /// Not found.
    pub async fn name_of_job(&self, actor: &Actor, project: &ProjectName, text: &str) -> AppResult<Option<JobPath>> {
        if !self.projects(actor).await?.contains(project) {
            return Err(AppError::not_found());
        }
        Ok(name_in(project, Kind::Job, text).and_then(|name| JobPath::parse(&name).ok()))
    }

    fn check_one(&self, project: &ProjectName, kind: Kind, text: &str, stored: &[Stored]) -> AppResult<Wanted> {
        let (spec, diagnostics) = with_one(project, kind, text, stored);
        refuse_mistakes(&diagnostics)?;
        let all = wanted_of(&spec, stored);
        let edited = all.into_iter().filter(|w| w.kind == kind).find(|w| w.source.trim_end() == text.trim_end());
        edited.ok_or_else(|| AppError::invalid("empty_definition", "The text defines nothing. Write one definition."))
    }

    async fn stored(&self, project: &ProjectName) -> AppResult<Vec<Stored>> {
        let project = project.clone();
        let found = self
            .db
            .read(move |c| {
                let mut all = Vec::new();
                for kind in Kind::ALL {
                    all.extend(rows::current(c, *kind, Some(&project))?);
                }
                Ok::<_, StoreError>(all)
            })
            .await?;
        Ok(found)
    }

    #[expect(clippy::too_many_arguments, reason = "one transaction needs all of them, and they have no common owner")]
    async fn store_changes(
        &self,
        actor: &Actor,
        project: &ProjectName,
        wanted: Vec<Wanted>,
        stored: Vec<Stored>,
        delete_others: bool,
        message: &str,
        source: &Source,
    ) -> AppResult<()> {
        let now = self.clock.now();
        let mut saves: Vec<(Permit, rows::NewRevision, i64)> = Vec::new();
        let mut deletes: Vec<(Permit, DefinitionRecord)> = Vec::new();
        let project_permit = self.authorize(actor, Permission::Edit, &Resource::Project { project: project.clone() });
        for one in &wanted {
            let known = stored.iter().find(|(d, _)| d.kind == one.kind && d.name == one.name);
            if known.is_some_and(|(d, r)| d.digest == one.digest && r.source == one.source) {
                continue;
            }
            let permit = self.authorize(actor, Permission::Edit, &rows::resource(project, one.kind, &one.name)?)?;
            self.may_use_keys(actor, project, one)?;
            let new = rows::NewRevision {
                id: uuid::Uuid::now_v7().to_string(),
                project: project.clone(),
                kind: one.kind,
                name: one.name.clone(),
                job_id: one.job_id.clone(),
                source: one.source.clone(),
                canonical: one.canonical.clone(),
                digest: one.digest,
                message: message.chars().take(500).collect(),
            };
            saves.push((permit, new, known.map_or(0, |(d, _)| d.revision)));
        }
        if delete_others {
            for (definition, _) in &stored {
                if !wanted.iter().any(|w| w.kind == definition.kind && w.name == definition.name) {
                    let resource = rows::resource(project, definition.kind, &definition.name)?;
                    deletes.push((self.authorize(actor, Permission::Edit, &resource)?, definition.clone()));
                }
            }
        }
        if saves.is_empty() && deletes.is_empty() {
            return Ok(());
        }
        let new_project = !self.known().projects.contains_key(project);
        let project_permit = if new_project { Some(project_permit?) } else { project_permit.ok() };
        let (recorder, actor, source, project_owned) =
            (self.recorder(), actor.clone(), source.to_owned(), project.clone());
        self.db
            .write(move |c| {
                if let Some(permit) = &project_permit {
                    projects::ensure(c, permit, &project_owned, now)?;
                }
                let mut entries = Vec::new();
                // Deleting comes first, so that a job that was renamed can keep its id.
                for (permit, definition) in &deletes {
                    rows::delete(c, permit, &definition.id, definition.revision, now)?;
                    entries.push((
                        definition.kind,
                        definition.name.clone(),
                        "deleted",
                        definition.revision,
                        definition.digest,
                    ));
                }
                for (permit, new, expected) in &saves {
                    let saved = rows::save_revision(c, permit, new, *expected, now)?;
                    entries.push((new.kind, new.name.clone(), "saved", saved.revision, new.digest));
                }
                for (kind, name, action, revision, digest) in entries {
                    let resource = format!("{project_owned}:{}/{name}", kind.as_str());
                    let detail = json!({ "revision": revision, "digest": digest });
                    recorder.note(
                        c,
                        &actor,
                        &source,
                        &format!("definition.{action}"),
                        resource,
                        Some(&project_owned),
                        detail,
                    )?;
                }
                Ok::<_, AppError>(())
            })
            .await?;
        let catalogue = self.reload().await?;
        self.void_what_no_longer_stands(&catalogue, project).await
    }
}

/// A warning about a whole file.
fn warning(code: &'static str, file: String, message: String) -> Diagnostic {
    let severity = spec::Severity::Warning;
    Diagnostic { code, severity, file, line: 1, column: 1, end_line: 1, end_column: 1, message, hint: None }
}
