//! Slack as a door: decisions by a button and commands, each where a project wants it.
//!
//! The press proves that Slack knows the member, not that they typed their password here: that is weaker, so a project has to
//! want it. Everything else is as on the page: an administrator has named whose account it is, and the same function decides.

pub mod aliases;
mod commands;
mod looking;
mod starting;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::App;
use super::approvals::{ApprovalView, Decision};
use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Principal, Via};
use crate::domain::approval::{RequestState, Verdict};
use crate::domain::digest::Digest;
use crate::domain::ids::ApprovalId;
use crate::domain::notice::address::SlackAccount;
use crate::domain::notice::press::{Button, Press};
use crate::domain::secret::SecretText;
use crate::domain::webhook::verify::{Headers, verify};
use crate::domain::webhook::{Verify, VerifyKind};
use crate::store::{approvals as requests, slack_presses, users};

/// Answers somebody who pressed a button, so that only they see it. Who puts the program together gives one, as use cases
/// know no network.
pub trait Answers: std::fmt::Debug + Send + Sync {
    /// Sends the text there. What becomes of it is its own affair: the decision stands.
    fn answer(&self, to: SecretText, text: String) -> BoxFuture<'static, ()>;
}

/// The installation's app in Slack.
#[derive(Debug, Clone)]
pub struct Chat {
    /// What Slack signs with.
    pub signing_secret: SecretText,
    /// The way back.
    pub answers: Arc<dyn Answers>,
    /// How long a command may take before its answer comes by the way back; Slack itself waits three seconds.
    pub answer_within: Duration,
}

/// What leaves time for the way to Slack.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(2_000);

impl App {
    /// Takes presses of buttons from this app in Slack. The first one holds.
    pub fn chat_with(&self, chat: Chat) {
        // Whoever comes later has the same in mind.
        let _ = self.chat.set(chat);
    }

    /// The installation's app in Slack, if there is one.
    #[must_use]
    pub fn chat(&self) -> Option<&Chat> {
        self.chat.get()
    }

    /// Takes a press of a button in Slack. The answer is for whoever pressed it; empty where there is nothing to say.
    ///
    /// # Errors
    /// `unverified` where it is not signed by Slack, too old, or this installation has no app there; `replayed`;
    /// `bad_payload`.
    pub async fn pressed(&self, headers: &dyn Headers, body: &[u8]) -> AppResult<String> {
        let chat = self.signed_by_slack(headers, body).await?;
        let payload = form_urlencoded::parse(body).find(|(name, _)| name == "payload").map(|(_, text)| text);
        let press =
            payload.and_then(|text| Press::read(&text)).ok_or_else(|| unread("This is no press of a button."))?;
        let Button::Approve { request, digest } = press.button else { return Ok(String::new()) };
        let text = match self.approve_in_chat(&press.account, request, digest).await {
            Ok(view) => in_words(&view),
            Err(AppError::Refused(refusal)) => format!("Nothing was decided: {}", refusal.message),
            Err(fault) => {
                tracing::error!(error.cause = %fault, "a press of a button could not be taken");
                "Nothing was decided: something is broken. Open the page instead.".to_owned()
            }
        };
        if let Some(to) = press.answer_to {
            tokio::spawn(chat.answers.answer(to, text.clone()));
        }
        Ok(text)
    }

    /// Holds that Slack signed this a short while ago, and takes it, once. This installation's app.
    async fn signed_by_slack(&self, headers: &dyn Headers, body: &[u8]) -> AppResult<&Chat> {
        let chat = self.chat().ok_or_else(unverified)?;
        let how = Verify { kind: VerifyKind::Slack, secrets: Vec::new() };
        let secrets = std::slice::from_ref(&chat.signing_secret);
        if let Err(why) = verify(&how, secrets, headers, body, self.clock.now()) {
            // Anybody can cause this line, so it is no warning.
            tracing::info!(refusal.why = %why, "refused what is said to come from Slack");
            return Err(unverified());
        }
        let signed = headers.header("x-slack-signature").unwrap_or_default();
        self.take_press(Digest::of(signed.to_ascii_lowercase().as_bytes())).await?;
        Ok(chat)
    }

    /// Each signed press or command counts once, on all servers together.
    async fn take_press(&self, digest: Digest) -> AppResult<()> {
        let (permit, now) = (self.own_permit(Permission::Administer)?, self.clock.now());
        let taken = self.db.write(move |c| slack_presses::take(c, &permit, &digest, now)).await;
        match taken.map_err(AppError::from) {
            Ok(true) => Ok(()),
            Err(AppError::Refused(refusal)) if refusal.kind.is_of_the_moment() => Err(AppError::Refused(refusal)),
            // Two that come at the same moment cannot both have it.
            Ok(false) | Err(AppError::Refused(_)) => {
                Err(AppError::conflict("replayed", "This was taken already; nothing was done again."))
            }
            Err(fault) => Err(fault),
        }
    }

    /// The person whom an administrator named for an account, as they are now.
    async fn known_in_slack(&self, account: &SlackAccount) -> AppResult<Actor> {
        let wanted = account.clone();
        let found = self.db.read(move |c| users::by_slack(c, &wanted)).await?.filter(|u| u.active);
        let user = found.ok_or_else(|| {
            let message = format!(
                "Interlock does not know whose Slack account this is. Ask an administrator to name it in Settings ({account}), or use the pages."
            );
            AppError::forbidden("unknown_account", message)
        })?;
        // What a catalogue says of rights is read anew where it changed.
        self.catalogue().await?;
        Ok(Actor {
            principal: Principal::User(user.name),
            groups: user.groups,
            via: Via::Chat { pressed_at: self.clock.now() },
            administrator: user.administrator,
        })
    }

    async fn approve_in_chat(
        &self,
        account: &SlackAccount,
        request: ApprovalId,
        digest: Digest,
    ) -> AppResult<ApprovalView> {
        let actor = self.known_in_slack(account).await?;
        let project = self.db.read(move |c| requests::get(c, request)).await?.project;
        let catalogue = self.catalogue().await?;
        if !catalogue.project(&project)?.project.notify.slack_buttons {
            let message = "This project takes no decisions from Slack. Open the page and decide there.";
            return Err(AppError::forbidden("no_buttons", message));
        }
        let decision = Decision { verdict: Verdict::Approve, digest, reason: String::new() };
        let source = format!("slack:{account}");
        let source: &Source = &source;
        self.decide(&actor, request, decision, source).await
    }
}

fn in_words(view: &ApprovalView) -> String {
    if view.state == RequestState::Approved {
        return format!("Your signature is on the record. Run #{} of {} is approved.", view.run, view.job);
    }
    let missing: Vec<String> = view.missing.iter().map(|m| format!("{} × {}", m.count, m.role)).collect();
    format!("Your signature is on the record. Run #{} still needs {}.", view.run, missing.join(", "))
}

fn unread(message: &str) -> AppError {
    Refusal::new(RefusalKind::Malformed, "bad_payload", message).into()
}

fn unverified() -> AppError {
    let message = "This is not signed by Slack as it should be, or is older than five minutes, or there is no signing secret here.";
    Refusal::new(RefusalKind::Forbidden, "unverified", message).into()
}
