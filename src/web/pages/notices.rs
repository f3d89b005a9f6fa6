//! Notices that did not arrive, on the settings page of who administers the installation; and where mail reaches people.

use super::settings::back;
use crate::app::error::AppResult;
use crate::app::notices::Trouble;
use crate::domain::access::Principal;
use crate::domain::ids::UserName;
use crate::domain::notice::address::{MailAddress, SlackAccount};
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::page::Moment;

/// A notice that did not arrive.
pub struct Lost {
    /// What it is about.
    pub about: String,
    /// The page of that; empty where there is none.
    pub link: String,
    /// Whom it was for.
    pub to: String,
    /// When it happened.
    pub at: Moment,
    /// Why it did not arrive.
    pub why: String,
    /// Whether it is tried again.
    pub again: bool,
}

/// Every one; nothing for who does not administer the installation.
pub async fn lost(call: &Call) -> AppResult<Option<Vec<Lost>>> {
    let actor = call.actor()?;
    if !actor.administrator {
        return Ok(None);
    }
    let now = call.app.clock().now();
    let row = |t: Trouble| {
        let who = t.recipient.strip_prefix("user:").unwrap_or(&t.recipient).to_owned();
        Lost {
            about: match (t.run, &t.rule) {
                (Some(run), _) => format!("{} #{run}: {}", t.project, t.kind.as_str().replace('_', " ")),
                (None, Some(rule)) => format!("{} {rule}: {}", t.project, t.kind.as_str().replace('_', " ")),
                (None, None) => format!("{}: {}", t.project, t.kind.as_str().replace('_', " ")),
            },
            link: match (t.approval, t.run, &t.rule) {
                (Some(id), ..) => format!("/approvals/{id}"),
                (None, Some(run), _) => format!("/runs/{run}"),
                (None, None, Some(rule)) => format!("/rules/{}/{}", t.project, super::words::encoded(rule)),
                (None, None, None) => String::new(),
            },
            to: match t.channel {
                Some(channel) if who.is_empty() => channel,
                Some(channel) => format!("{who} by {channel}"),
                None => "nobody".to_owned(),
            },
            at: Moment::new(t.created_at, now),
            why: t.error,
            again: t.next_at.is_some(),
        }
    };
    Ok(Some(call.app.undelivered(actor).await?.into_iter().map(row).collect()))
}

/// `POST /settings/email`: where mail reaches the caller.
pub async fn own_email(call: Call) -> Answer {
    back(&call, set_own(&call).await, "email").await
}

async fn set_own(call: &Call) -> AppResult<()> {
    let actor = call.actor()?;
    let Principal::User(name) = actor.principal.clone() else {
        return Err(crate::app::error::AppError::not_found());
    };
    set_email(call, name).await
}

/// Sets the address of the form.
pub(super) async fn set_email(call: &Call, name: UserName) -> AppResult<()> {
    let text = call.form.text("email").unwrap_or_default().trim();
    let email = if text.is_empty() { None } else { Some(MailAddress::parse(text)?) };
    call.app.set_email(call.actor()?, name, email, &call.source).await
}

/// Sets the account of Slack of the form.
pub(super) async fn set_slack(call: &Call, name: UserName) -> AppResult<()> {
    let text = call.form.text("slack").unwrap_or_default().trim();
    let slack = if text.is_empty() { None } else { Some(SlackAccount::parse(text)?) };
    call.app.set_slack(call.actor()?, name, slack, &call.source).await
}
