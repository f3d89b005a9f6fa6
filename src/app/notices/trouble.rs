//! Notices that did not arrive, for whoever administers the installation.

use crate::app::App;
use crate::app::error::AppResult;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{ApprovalId, NoticeId, ProjectName, RunNumber};
use crate::domain::notice::NoticeKind;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::notices::{self as rows, DeliveryRecord, NoticeRecord};

/// How many of each kind are shown at most.
const MOST: u32 = 100;

/// A notice that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The notice.
    pub notice: NoticeId,
    /// What happened.
    pub kind: NoticeKind,
    /// The project.
    pub project: ProjectName,
    /// The request that it is about.
    pub approval: Option<ApprovalId>,
    /// The run that it is about.
    pub run: Option<RunNumber>,
    /// The rule that it is about.
    pub rule: Option<String>,
    /// The channel; `None` where nobody was found to send it to.
    pub channel: Option<String>,
    /// `user:NAME`, or empty where the channel itself is told.
    pub recipient: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it did not arrive.
    pub error: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// When it is tried again; `None` once it is given up.
    pub next_at: Option<Timestamp>,
}

impl App {
    /// Notices that did not arrive: those that are tried again, then those that were given up, the last one first.
    ///
    /// # Errors
    /// Forbidden for who does not administer the installation; the database.
    pub async fn undelivered(&self, actor: &Actor) -> AppResult<Vec<Trouble>> {
        self.authorize(actor, Permission::Administer, &Resource::System)?;
        let found = self
            .db
            .read(|c| {
                let mut out: Vec<Trouble> = rows::troubled(c, MOST)?.into_iter().map(|n| of_notice(n, true)).collect();
                for (delivery, again) in both(rows::troubled_deliveries(c, MOST)?, rows::list_failed(c, None, MOST)?) {
                    let notice = rows::get(c, delivery.notice)?;
                    out.push(of_delivery(&notice, delivery, again));
                }
                out.extend(rows::unaddressed(c, MOST)?.into_iter().map(|n| of_notice(n, false)));
                Ok::<_, StoreError>(out)
            })
            .await?;
        Ok(found)
    }
}

fn both(again: Vec<DeliveryRecord>, over: Vec<DeliveryRecord>) -> impl Iterator<Item = (DeliveryRecord, bool)> {
    again.into_iter().map(|d| (d, true)).chain(over.into_iter().map(|d| (d, false)))
}

fn of_notice(notice: NoticeRecord, again: bool) -> Trouble {
    Trouble {
        notice: notice.id,
        kind: notice.kind,
        project: notice.project,
        approval: notice.approval,
        run: notice.run,
        rule: notice.rule,
        channel: None,
        recipient: String::new(),
        attempts: notice.attempts,
        error: notice.error,
        created_at: notice.created_at,
        next_at: again.then_some(notice.next_at),
    }
}

fn of_delivery(notice: &NoticeRecord, delivery: DeliveryRecord, again: bool) -> Trouble {
    Trouble {
        notice: notice.id,
        kind: notice.kind,
        project: notice.project.clone(),
        approval: notice.approval,
        run: notice.run,
        rule: notice.rule.clone(),
        channel: Some(delivery.channel),
        recipient: delivery.recipient,
        attempts: delivery.attempts,
        error: delivery.error,
        created_at: notice.created_at,
        next_at: again.then_some(delivery.next_at),
    }
}
