//! What the editor asks beside checking and saving: whether somebody may, and which file a text would be.

use super::App;
use super::definitions::{Kind, RevisionView, name_in, path_of};
use super::error::AppResult;
use crate::domain::access::{Actor, Permission};
use crate::domain::ids::ProjectName;
use crate::store::definitions as rows;

impl App {
    /// Holds that the actor may change such a definition.
    ///
    /// # Errors
    /// Not found, also when it may not be seen; forbidden.
    pub async fn may_edit(&self, actor: &Actor, project: &ProjectName, kind: Kind, name: &str) -> AppResult<()> {
        let catalogue = self.catalogue().await?;
        catalogue.project(project)?;
        self.authorize(actor, Permission::Edit, &rows::resource(project, kind, name)?)?;
        Ok(())
    }

    /// The text of a definition to start from: the newest revision, and the one that is asked for if it is another.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn to_edit(
        &self,
        actor: &Actor,
        project: &ProjectName,
        kind: Kind,
        name: &str,
        revision: Option<i64>,
    ) -> AppResult<(RevisionView, RevisionView)> {
        let (definition, newest) = self.definition(actor, project, kind, name).await?;
        let wanted = match revision.filter(|r| *r != newest.revision) {
            None => newest.clone(),
            Some(number) => self.db.read(move |c| rows::revision(c, &definition.id, number)).await?.into(),
        };
        Ok((newest, wanted))
    }

    /// The file that a text would be in its project's folder, as diagnostics name it.
    #[must_use]
    pub fn file_of(&self, project: &ProjectName, kind: Kind, text: &str) -> String {
        path_of(kind, name_in(project, kind, text).as_deref().unwrap_or("new"))
    }
}
