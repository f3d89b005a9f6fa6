//! Reading the record, checking it, and signing its end.

use super::App;
use super::error::{AppError, AppResult};
use super::record::act;
use crate::domain::access::Principal;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::audit::{ANCHORED, Broken, Entry, Intact};
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

    /// Walks the whole record against its chain, the signed heads and the database's own count; what is wrong first, if
    /// anything is.
    ///
    /// # Errors
    /// `anchor_unusable` when the file of heads cannot be read or was changed; forbidden.
    pub async fn verify_audit(
        &self,
        actor: &Actor,
        other: Option<std::path::PathBuf>,
    ) -> AppResult<Result<Intact, Broken>> {
        self.authorize(actor, Permission::Administer, &Resource::System)?;
        let anchor = other.map_or_else(|| self.anchor.clone(), |path| self.anchor.at(&path));
        let heads =
            anchor.read().map_err(|e| AppError::conflict("anchor_unusable", super::error::sentence(&e.to_string())))?;
        let key = self.keys.audit;
        Ok(self.db.read(move |c| audit::verify(c, &key, heads.clone())).await?)
    }

    /// Signs the end of the record into the file of heads, if it has grown since the last time. That the file was begun is
    /// an entry itself: so a file that was taken away is missed, and one that had to be begun again is told of.
    ///
    /// # Errors
    /// When the database or the file cannot be used.
    pub async fn sign_head(&self) -> AppResult<()> {
        let now = self.clock.now();
        if self.db.read(move |c| audit::head(c, now)).await?.is_none() {
            return Ok(());
        }
        let anchor: Anchor = self.anchor.clone();
        let heads = tokio::task::spawn_blocking(move || anchor.read()).await.map_err(AppError::fault)?;
        let heads = heads.map_err(AppError::fault)?;
        let mut last = heads.last().map(|h| h.seq);
        if heads.len() <= 1 {
            let resource = self.anchor_resource();
            let known = self.db.read(move |c| audit::was_anchored(c, &resource)).await?;
            if !known {
                // The file comes before the entry that says so, so that a server that dies between the two misses none.
                last = self.append_head(last).await?;
            }
            if !known || heads.is_empty() {
                self.begin_anchor(known).await?;
            }
        }
        self.append_head(last).await.map(drop)
    }

    /// Signs the end of the record, unless it is the one that was signed last; the number of the last entry.
    async fn append_head(&self, last: Option<i64>) -> AppResult<Option<i64>> {
        let now = self.clock.now();
        let Some(head) = self.db.read(move |c| audit::head(c, now)).await? else { return Ok(last) };
        let seq = head.seq;
        if last == Some(seq) {
            return Ok(last);
        }
        let anchor: Anchor = self.anchor.clone();
        let signed = tokio::task::spawn_blocking(move || anchor.append(&head)).await.map_err(AppError::fault)?;
        signed.map_err(AppError::fault)?;
        Ok(Some(seq))
    }

    /// What the entries about this machine's file of heads are about.
    fn anchor_resource(&self) -> String {
        // Each machine keeps a file of its own; the number of the process at the end of the name says nothing here.
        let machine = self.settings.server.rsplit_once('-').map_or(self.settings.server.as_str(), |(name, _)| name);
        format!("audit-heads:{machine}")
    }

    /// Says on the record that heads are signed from here on, for the first time or again.
    async fn begin_anchor(&self, again: bool) -> AppResult<()> {
        if again {
            tracing::error!(
                "the file of signed heads is gone and is begun again; what the record lost meanwhile cannot be told by it"
            );
        }
        let detail = serde_json::json!({ "again": again });
        let entry = act(&Principal::System, "engine", ANCHORED, self.anchor_resource(), None, detail);
        let recorder = self.recorder();
        self.db.write(move |c| recorder.write(c, &entry).map_err(AppError::from)).await
    }
}
