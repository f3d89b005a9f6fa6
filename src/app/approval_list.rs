//! Lists of approval requests, as far as somebody may see them.

use super::App;
use super::approvals::ApprovalView;
use super::error::AppResult;
use super::planning::job_of;
use super::signers::{signer, weigh};
use crate::domain::access::{Actor, Permission};
use crate::domain::approval::RequestState;
use crate::domain::ids::ApprovalId;
use crate::domain::time::Timestamp;
use crate::store::approvals as rows;
use crate::store::{StoreError, runs};

/// How many requests are read at a time.
const PIECE: u32 = 200;
/// How many pieces are read for one page at most; then `next` says where to go on.
const PIECES: usize = 20;
/// How many waiting requests are counted and shown in the queue at most.
const QUEUE: usize = 1_000;

/// Where a list of requests goes on.
pub type After = (Timestamp, ApprovalId);

/// A page of requests and where the next one begins.
#[derive(Debug, Clone)]
pub struct ApprovalPage {
    /// The requests, newest first.
    pub items: Vec<ApprovalView>,
    /// What to pass as `after` for older ones.
    pub next: Option<After>,
}

impl App {
    /// Requests that the actor may see, newest first. Those that they may not see do not count for the page.
    ///
    /// # Errors
    /// The database.
    pub async fn approvals(
        &self,
        actor: &Actor,
        state: Option<RequestState>,
        after: Option<After>,
        limit: u32,
    ) -> AppResult<ApprovalPage> {
        self.catalogue().await?;
        let limit = limit.clamp(1, PIECE) as usize;
        let mut after = after;
        let mut items: Vec<ApprovalView> = Vec::new();
        for _ in 0..PIECES {
            let (filter, from) = (rows::Filter { state, projects: Vec::new() }, after);
            let found = self
                .db
                .read(move |c| {
                    let mut out = Vec::new();
                    for record in rows::list(c, &filter, from, PIECE)? {
                        let run = runs::get(c, record.run)?;
                        out.push((record, run));
                    }
                    Ok::<_, StoreError>(out)
                })
                .await?;
            let full = found.len() == PIECE as usize;
            for (record, run) in found {
                let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
                let visible = self.authorize(actor, Permission::View, &resource).is_ok();
                if visible && items.len() == limit {
                    return Ok(ApprovalPage { items, next: after });
                }
                let id = record.id;
                after = Some((record.created_at, id));
                if visible {
                    let (catalogue, asker, now) = (self.known(), actor.clone(), self.clock.now());
                    let weighed = self.db.read(move |c| {
                        let weighed = weigh(c, &catalogue, record)?;
                        let signer = signer(c, &catalogue, &asker, &weighed, None, now)?;
                        Ok::<_, StoreError>((weighed, signer))
                    });
                    let (weighed, signer) = weighed.await?;
                    items.push(self.view(&weighed, &signer));
                }
            }
            if !full {
                return Ok(ApprovalPage { items, next: None });
            }
        }
        Ok(ApprovalPage { items, next: after })
    }

    /// Every request that waits and that the actor may see, newest first; at most a thousand.
    ///
    /// # Errors
    /// The database.
    pub async fn pending_approvals(&self, actor: &Actor) -> AppResult<Vec<ApprovalView>> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.approvals(actor, Some(RequestState::Pending), after, PIECE).await?;
            all.extend(page.items);
            if page.next.is_none() || all.len() >= QUEUE {
                return Ok(all);
            }
            after = page.next;
        }
    }

    /// How many requests wait for the actor's signature.
    ///
    /// # Errors
    /// The database.
    pub async fn waiting_for(&self, actor: &Actor) -> AppResult<usize> {
        let catalogue = self.catalogue().await?;
        let signs = |name| !catalogue.policy.grants(actor, Permission::Approve, name).is_empty();
        if !actor.is_person() || !catalogue.projects.keys().any(signs) {
            return Ok(0);
        }
        Ok(self.pending_approvals(actor).await?.iter().filter(|a| a.mine).count())
    }
}
