//! Finds out who is to hear of a notice and over which channels, once for each.

use std::collections::BTreeSet;

use super::LEASE;
use super::who::Matter;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Permission, Principal};
use crate::domain::approval::RequestState;
use crate::domain::notice::{Audience, NoticeKind, next_try};
use crate::domain::project::{MAIL, Notify};
use crate::store::notices::{self as rows, NoticeRecord, Target};

/// Notices that are addressed in one look.
const TOGETHER: u32 = 50;

impl App {
    /// Addresses the notices whose time has come. How many.
    ///
    /// # Errors
    /// The database.
    pub async fn address_notices(&self) -> AppResult<usize> {
        self.catalogue().await?;
        let now = self.clock.now();
        let mut done = 0;
        for notice in self.db.read(move |c| rows::due(c, now, TOGETHER)).await? {
            let permit = self.own_permit(Permission::Administer)?;
            let (seen, own) = (notice.clone(), permit.clone());
            let until = now + LEASE.to_delta();
            if !self.db.write(move |c| rows::claim(c, &own, &seen, until)).await? {
                continue;
            }
            done += 1;
            let (id, attempts) = (notice.id, notice.attempts + 1);
            match self.targets(&notice).await {
                Ok(targets) => {
                    self.db.write(move |c| rows::address(c, &permit, id, attempts, &targets, now)).await?;
                }
                Err(AppError::Refused(refusal)) => {
                    let failed = u32::try_from(attempts).unwrap_or(u32::MAX);
                    let next = next_try(notice.created_at, failed, now);
                    if next.is_none() {
                        tracing::warn!(notice.id = %id, error.cause = %refusal.message, "a notice found nobody to be sent to; it is given up");
                    }
                    self.db
                        .write(move |c| rows::not_addressed(c, &permit, id, attempts, &refusal.message, next))
                        .await?;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(done)
    }

    async fn targets(&self, notice: &NoticeRecord) -> AppResult<BTreeSet<Target>> {
        let about = notice.clone();
        let catalogue = self.known();
        let matter = self.db.read(move |c| Matter::read(c, &catalogue, &about)).await?;
        let open = matter.request.as_ref().is_some_and(|r| r.record.state == RequestState::Pending);
        if notice.kind.asks_to_sign() && !open {
            return Ok(BTreeSet::new());
        }
        if notice.kind == NoticeKind::ReviewOverdue && !matter.wants_review() {
            return Ok(BTreeSet::new());
        }
        let people = self.recipients(notice, &matter).await?;
        let mut targets: BTreeSet<Target> = notice
            .audience
            .iter()
            .filter_map(|a| match a {
                Audience::Channel(name) => Some(Target { channel: name.clone(), recipient: String::new() }),
                _ => None,
            })
            .collect();
        for channel in self.channels_for(notice) {
            if channel != MAIL {
                targets.insert(Target { channel, recipient: String::new() });
                continue;
            }
            let to = |name| Target { channel: MAIL.to_owned(), recipient: Principal::User(name).to_string() };
            targets.extend(people.iter().cloned().map(to));
        }
        if notice.kind.asks_to_sign() && people.is_empty() && targets.is_empty() {
            let message = "Nobody can sign this request now; give somebody the role and `approve` on the job.";
            return Err(AppError::conflict("nobody_can_sign", message));
        }
        if notice.kind == NoticeKind::ReviewOverdue && people.is_empty() && targets.is_empty() {
            let message = "Nobody can review this run now; give somebody else `approve` on the job.";
            return Err(AppError::conflict("nobody_can_review", message));
        }
        Ok(targets)
    }

    /// The channels that hear of a notice beside those that its audience names.
    fn channels_for(&self, notice: &NoticeRecord) -> Vec<String> {
        let catalogue = self.known();
        let notify = catalogue.projects.get(&notice.project).map(|p| p.project.notify.clone()).unwrap_or_default();
        match notice.kind {
            NoticeKind::ApprovalAsked
            | NoticeKind::ApprovalReminder
            | NoticeKind::ApprovalSigned
            | NoticeKind::ApprovalEscalated
            | NoticeKind::ApprovalDecided
            | NoticeKind::ApprovalPushedBack
            | NoticeKind::ApprovalVoid
            | NoticeKind::BreakGlass
            | NoticeKind::ReviewOverdue => notify.approvals,
            // A rule that names a channel is heard there and nowhere else.
            NoticeKind::RuleTold if !notice.audience.contains(&Audience::Keepers) => Vec::new(),
            NoticeKind::RuleTold | NoticeKind::RuleDemoted => notify.rules,
            // Those who can do something about it hear of it in any case.
            NoticeKind::RuleEscalated => [MAIL.to_owned()].into_iter().chain(notify.rules).collect(),
            NoticeKind::Delegated | NoticeKind::RunEnded | NoticeKind::General => Notify::default().approvals,
        }
    }
}
