//! One delivery: taken, written, and what became of it.

use super::LEASE;
use super::who::Matter;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Permission, Principal};
use crate::domain::approval::RequestState;
use crate::domain::digest::Digest;
use crate::domain::ids::UserName;
use crate::domain::notice::letter::{Destination, Letter, Outcome};
use crate::domain::notice::message::compose;
use crate::domain::notice::{NoticeKind, next_try};
use crate::domain::project::{Channel, MAIL};
use crate::store::approvals::ApprovalRecord;
use crate::store::notices::{self as rows, DeliveryRecord, NoticeRecord};
use crate::store::slack_answers;
use crate::store::users::{self, UserRecord};

/// Deliveries that are looked at together.
const TOGETHER: u32 = 100;

/// A delivery that this server has for itself for two minutes.
#[derive(Debug)]
pub enum Taken {
    /// It is to be sent.
    Send(Box<Letter>),
    /// It will not be sent, or not now; the outcome says why.
    Keep(Outcome),
}

impl App {
    /// Deliveries whose time has come.
    ///
    /// # Errors
    /// The database.
    pub async fn due_deliveries(&self) -> AppResult<Vec<DeliveryRecord>> {
        let now = self.clock.now();
        Ok(self.db.read(move |c| rows::due_deliveries(c, now, TOGETHER)).await?)
    }

    /// Takes a delivery and writes its letter. `None` when another server has it.
    ///
    /// # Errors
    /// The database.
    pub async fn take_delivery(&self, seen: &DeliveryRecord) -> AppResult<Option<Taken>> {
        self.catalogue().await?;
        let (permit, now, delivery) = (self.own_permit(Permission::Administer)?, self.clock.now(), seen.clone());
        let until = now + LEASE.to_delta();
        if !self.db.write(move |c| rows::claim_delivery(c, &permit, &delivery, until)).await? {
            return Ok(None);
        }
        match self.letter(seen).await {
            Ok(taken) => Ok(Some(taken)),
            Err(AppError::Refused(refusal)) => Ok(Some(Taken::Keep(Outcome::Again(refusal.message)))),
            Err(fault) => Err(fault),
        }
    }

    async fn letter(&self, delivery: &DeliveryRecord) -> AppResult<Taken> {
        let (id, catalogue) = (delivery.notice, self.known());
        let (notice, matter) = self
            .db
            .read(move |c| {
                let notice = rows::get(c, id)?;
                let matter = Matter::read(c, &catalogue, &notice)?;
                Ok::<_, crate::store::StoreError>((notice, matter))
            })
            .await?;
        let keep = |outcome| Ok(Taken::Keep(outcome));
        let unneeded = |why: &str| Outcome::Unneeded(why.to_owned());
        if notice.kind.asks_to_sign() {
            match matter.request.as_ref().map(|r| r.record.state) {
                Some(RequestState::Pending) => {}
                Some(state) => return keep(unneeded(&format!("the request is {} by now", state.as_str()))),
                None => return keep(unneeded("the request is gone by now")),
            }
        }
        if notice.kind == NoticeKind::ReviewOverdue && !matter.wants_review() {
            return keep(unneeded("somebody has reviewed it by now"));
        }
        let mut signers = Vec::new();
        let to = if delivery.channel == MAIL {
            let Some(user) = self.recipient(&delivery.recipient).await? else {
                return keep(unneeded("the account is closed by now"));
            };
            let asked = notice.kind.asks_to_sign() && notice.kind != NoticeKind::ApprovalEscalated;
            if asked && self.signers_among(vec![user.clone()], &matter).await?.is_empty() {
                return keep(unneeded("they cannot sign it any more"));
            }
            if notice.rule.is_some() && !self.may_hear(&user, &notice, &matter) {
                return keep(unneeded("they may not see it any more"));
            }
            if let Some(to) = self.answer_in_slack(&notice).await? {
                return self.send(&notice, &matter, delivery, to, signers).await;
            }
            match user.email {
                Some(address) => Destination::Mail(vec![address]),
                None => return keep(Outcome::Never(format!("{} has no mail address", user.name))),
            }
        } else {
            let can_sign = if notice.kind.asks_to_sign() { self.signers_now(&matter).await? } else { Vec::new() };
            signers = can_sign.iter().map(|u| u.name.to_string()).collect();
            match self.destination(&notice, &delivery.channel, &can_sign, &matter).await? {
                Ok(to) => to,
                Err(why) => return keep(Outcome::Never(why)),
            }
        };
        self.send(&notice, &matter, delivery, to, signers).await
    }

    async fn send(
        &self,
        notice: &NoticeRecord,
        matter: &Matter,
        delivery: &DeliveryRecord,
        to: Destination,
        signers: Vec<String>,
    ) -> AppResult<Taken> {
        let about = self.facts(notice, matter, signers).await?;
        let mark = Digest::of(format!("{}\n{}", delivery.channel, delivery.recipient).as_bytes()).short();
        let id = format!("{}.{mark}", notice.id);
        Ok(Taken::Send(Box::new(Letter { id, at: self.clock.now(), to, message: compose(about) })))
    }

    /// Where whoever started a run by a command in Slack hears how it ended, while Slack takes answers there.
    async fn answer_in_slack(&self, notice: &NoticeRecord) -> AppResult<Option<Destination>> {
        let (Some(run), NoticeKind::RunEnded) = (notice.run, notice.kind) else { return Ok(None) };
        let (vault, now) = (self.vault.clone(), self.clock.now());
        let found = self.db.read(move |c| slack_answers::find(c, &vault, run, now)).await?;
        Ok(found.map(Destination::SlackAnswer))
    }

    async fn recipient(&self, written: &str) -> AppResult<Option<UserRecord>> {
        let Some(Principal::User(name)) = Principal::parse(written) else { return Ok(None) };
        let name: UserName = name;
        Ok(self.db.read(move |c| users::find(c, &name)).await?.filter(|u| u.active))
    }

    async fn destination(
        &self,
        notice: &NoticeRecord,
        channel: &str,
        can_sign: &[UserRecord],
        matter: &Matter,
    ) -> AppResult<Result<Destination, String>> {
        let catalogue = self.known();
        let project = catalogue.project(&notice.project)?;
        Ok(Ok(match project.project.channels.get(channel) {
            None => return Ok(Err(format!("project.yaml has no channel `{channel}` any more"))),
            Some(Channel::Email { to }) => Destination::Mail(to.clone()),
            Some(Channel::Webhook { url, secret }) => {
                Destination::Webhook { url: url.clone(), secret: self.key_value(&notice.project, secret, None).await? }
            }
            Some(Channel::Chat { flavour, url }) => {
                let url = self.key_value(&notice.project, url, None).await?;
                match flavour.as_str() {
                    "slack" => {
                        let buttons = project.project.notify.slack_buttons && self.chat().is_some();
                        let request = matter.request.as_ref().map(|r| &r.record);
                        Destination::Slack {
                            url,
                            mention: can_sign
                                .iter()
                                .filter_map(|u| Some(u.slack.as_ref()?.member().to_owned()))
                                .collect(),
                            approve: request.filter(|_| buttons && notice.kind.asks_to_sign()).and_then(button),
                        }
                    }
                    "teams" => Destination::Teams(url),
                    _ => Destination::Mattermost(url),
                }
            }
        }))
    }

    /// Writes down what became of a delivery, and when it is tried again.
    ///
    /// # Errors
    /// The database.
    pub async fn delivered(&self, delivery: &DeliveryRecord, outcome: Outcome) -> AppResult<()> {
        let (permit, now) = (self.own_permit(Permission::Administer)?, self.clock.now());
        let (delivery, id) = (delivery.clone(), delivery.notice);
        let failed = u32::try_from(delivery.attempts).unwrap_or(u32::MAX).saturating_add(1);
        self.db
            .write(move |c| {
                let given_up = |c: &mut _, why: &str| {
                    tracing::warn!(notice.id = %id, channel = delivery.channel, error.cause = why, "a notice could not be sent; it is given up");
                    rows::failed(c, &permit, &delivery, why, now)
                };
                match &outcome {
                    Outcome::Sent => rows::sent(c, &permit, &delivery, now).map(|_| ()),
                    Outcome::Unneeded(why) => rows::unneeded(c, &permit, &delivery, why),
                    Outcome::Never(why) => given_up(c, why),
                    Outcome::Again(why) => {
                        let created = rows::get(c, id)?.created_at;
                        match next_try(created, failed, now) {
                            Some(next) => rows::wait_until(c, &permit, &delivery, why, next),
                            None => given_up(c, why),
                        }
                    }
                }
            })
            .await
            .map_err(AppError::from)
    }
}

/// What the button that approves carries: which request, and the plan that its post told of. Where a reason has to be given
/// there is no button.
fn button(request: &ApprovalRecord) -> Option<String> {
    (!request.policy.reasons.approve_required).then(|| format!("{} {}", request.id, request.plan_digest))
}
