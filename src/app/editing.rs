//! What the editor asks beside checking and saving: whether somebody may, which file a text would be, and which form it
//! would make.

use std::sync::Arc;

use super::App;
use super::browse::JobView;
use super::catalogue::StoredJob;
use super::definitions::{Kind, RevisionView, name_in, path_of};
use super::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission};
use crate::domain::digest::Digest;
use crate::domain::ids::{JobId, ProjectName};
use crate::spec;
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

    /// The name that a rule's text gives it, if it can be read that far.
    #[must_use]
    pub fn name_of_rule(&self, project: &ProjectName, text: &str) -> Option<String> {
        name_in(project, Kind::Rule, text)
    }

    /// The file that a text would be in its project's folder, as diagnostics name it.
    #[must_use]
    pub fn file_of(&self, project: &ProjectName, kind: Kind, text: &str) -> String {
        path_of(kind, name_in(project, kind, text).as_deref().unwrap_or("new"))
    }

    /// A job as its page would show it, were this text saved. Only for who may save it: the page tells which nodes a
    /// filter matches.
    ///
    /// # Errors
    /// `invalid_definitions` when the text is no job; not found; forbidden.
    pub async fn preview_job(&self, actor: &Actor, project: &ProjectName, text: &str) -> AppResult<JobView> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        let job = spec::read_job(text).map_err(|_| {
            AppError::invalid("invalid_definitions", "The text makes no form until its mistakes are mended.")
        })?;
        let holds = state.jobs.get(&job.path);
        let draft = StoredJob {
            definition: holds.map(|h| h.definition.clone()).unwrap_or_default(),
            id: match job.id.clone().or_else(|| holds.map(|h| h.id.clone())) {
                Some(id) => id,
                None => JobId::parse(&uuid::Uuid::new_v4().to_string())?,
            },
            revision: holds.map_or(0, |h| h.revision) + 1,
            digest: Digest::of(text.as_bytes()),
            job: Arc::new(job),
        };
        self.authorize(actor, Permission::Edit, &state.job_resource(&draft, &state.matched(&draft.job)))?;
        self.view_of(actor, &catalogue, state, &draft).await
    }
}
