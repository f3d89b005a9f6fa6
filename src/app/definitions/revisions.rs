//! Definitions as they are and as they were.

use super::compare::files_of;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::ProjectName;
use crate::store::definitions::{self as rows, DefinitionRecord, Kind, RevisionRecord};

/// A revision as lists show it.
#[derive(Debug, Clone)]
pub struct RevisionView {
    /// Its number.
    pub revision: i64,
    /// Its digest.
    pub digest: Digest,
    /// Who saved it.
    pub author: String,
    /// Why.
    pub message: String,
    /// When.
    pub created_at: crate::domain::time::Timestamp,
    /// The authored text.
    pub source: String,
}

impl App {
    /// A definition and its newest revision.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn definition(
        &self,
        actor: &Actor,
        project: &ProjectName,
        kind: Kind,
        name: &str,
    ) -> AppResult<(DefinitionRecord, RevisionView)> {
        self.catalogue().await?;
        self.authorize(actor, Permission::View, &rows::resource(project, kind, name)?)?;
        let (project, name) = (project.clone(), name.to_owned());
        self.db
            .read(move |c| {
                let found = rows::find(c, &project, kind, &name)?.ok_or_else(AppError::not_found)?;
                let revision = rows::revision(c, &found.id, found.revision)?;
                Ok((found, revision.into()))
            })
            .await
    }

    /// The revisions of a definition, newest first.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn history(
        &self,
        actor: &Actor,
        project: &ProjectName,
        kind: Kind,
        name: &str,
    ) -> AppResult<Vec<RevisionView>> {
        let (definition, _) = self.definition(actor, project, kind, name).await?;
        let found = self.db.read(move |c| rows::history(c, &definition.id, None, 200)).await?;
        Ok(found.into_iter().map(RevisionView::from).collect())
    }

    /// Every definition of a project as files, as they would be applied again.
    ///
    /// # Errors
    /// Forbidden without `view` on the project.
    pub async fn export(&self, actor: &Actor, project: &ProjectName) -> AppResult<Vec<(String, String)>> {
        self.catalogue().await?;
        self.authorize(actor, Permission::View, &Resource::Project { project: project.clone() })?;
        let stored = self.stored(project).await?;
        Ok(files_of(&stored)
            .into_iter()
            .map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned()))
            .collect())
    }
}

impl From<RevisionRecord> for RevisionView {
    fn from(r: RevisionRecord) -> Self {
        Self {
            revision: r.revision,
            digest: r.digest,
            author: r.author,
            message: r.message,
            created_at: r.created_at,
            source: r.source,
        }
    }
}
