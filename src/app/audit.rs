//! Reading the record, checking it, and signing its end.

use super::App;
use super::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::audit::{Broken, Entry};
use crate::store::{anchor::Anchor, audit};

pub use crate::store::audit::Filter;

impl App {
    /// Entries, newest first.
    ///
    /// # Errors
    /// Forbidden without `administer` on the installation, or `administer` on the project that is asked for.
    pub async fn audit(&self, actor: &Actor, filter: Filter, before: Option<i64>, limit: u32) -> AppResult<Vec<Entry>> {
        self.catalogue().await?;
        let resource = match &filter.project {
            Some(project) => Resource::Project { project: crate::domain::ids::ProjectName::parse(project)? },
            None => Resource::System,
        };
        self.authorize(actor, Permission::Administer, &resource)?;
        Ok(self.db.read(move |c| audit::list(c, &filter, before, limit)).await?)
    }

    /// Walks the whole record against its chain and the signed heads; how many entries there are, or what is wrong first.
    ///
    /// # Errors
    /// `anchor_unusable` when the file of heads cannot be read or was changed; forbidden.
    pub async fn verify_audit(
        &self,
        actor: &Actor,
        other: Option<std::path::PathBuf>,
    ) -> AppResult<Result<i64, Broken>> {
        self.authorize(actor, Permission::Administer, &Resource::System)?;
        let anchor = other.map_or_else(|| self.anchor.clone(), |path| self.anchor.at(&path));
        let heads =
            anchor.read().map_err(|e| AppError::conflict("anchor_unusable", super::error::sentence(&e.to_string())))?;
        let key = self.keys.audit;
        Ok(self.db.read(move |c| audit::verify(c, &key, heads.clone())).await?)
    }

    /// Signs the end of the record into the file of heads, if it has grown since the last time.
    ///
    /// # Errors
    /// When the database or the file cannot be used.
    pub async fn sign_head(&self) -> AppResult<()> {
        let now = self.clock.now();
        let Some(head) = self.db.read(move |c| audit::head(c, now)).await? else { return Ok(()) };
        let anchor: Anchor = self.anchor.clone();
        tokio::task::spawn_blocking(move || {
            let last = anchor.read().map_err(AppError::fault)?.last().map(|h| h.seq);
            if last == Some(head.seq) { Ok(()) } else { anchor.append(&head).map_err(AppError::fault) }
        })
        .await
        .map_err(AppError::fault)?
    }
}
