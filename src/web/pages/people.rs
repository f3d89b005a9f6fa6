//! What administrators do to accounts, from the settings page.

use std::collections::BTreeSet;

use super::settings::back;
use crate::app::error::{AppError, AppResult};
use crate::domain::ids::{GroupName, UserName};
use crate::domain::secret::SecretText;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `POST /settings/people`: adds somebody.
pub async fn add(call: Call) -> Answer {
    back(&call, add_one(&call).await, "added").await
}

async fn add_one(call: &Call) -> AppResult<()> {
    let name = UserName::parse(call.form.text("name").unwrap_or_default().trim())?;
    let groups = groups(call)?;
    let administrator = call.form.text("administrator").is_some();
    let password = SecretText::new(call.form.text("password").unwrap_or_default().to_owned());
    call.app.add_user(call.actor()?, name, groups, administrator, password, &call.source).await
}

/// `POST /settings/people/change`: groups, where they are reached, whose account it is, or whether it may sign in.
pub async fn change(call: Call) -> Answer {
    back(&call, change_one(&call).await, "changed").await
}

async fn change_one(call: &Call) -> AppResult<()> {
    let name = UserName::parse(call.form.text("name").unwrap_or_default())?;
    let actor = call.actor()?;
    match call.form.text("do") {
        Some("email") => super::notices::set_email(call, name).await,
        Some("slack") => super::notices::set_slack(call, name).await,
        Some("groups") => call.app.set_groups(actor, name, groups(call)?, &call.source).await,
        Some("person") => {
            let other = call.form.text("same_as").unwrap_or_default().trim();
            let other = if other.is_empty() { None } else { Some(UserName::parse(other)?) };
            call.app.set_person(actor, name, other, &call.source).await
        }
        Some(_) if actor.principal.short() == name.as_str() => Err(AppError::conflict(
            "own_account",
            "Somebody else has to close your account, so that nobody locks everybody out.",
        )),
        Some("close") => call.app.set_active(actor, name, false, &call.source).await,
        Some("open") => call.app.set_active(actor, name, true, &call.source).await,
        _ => Err(AppError::invalid("nothing_to_do", "Press one of the buttons; nothing was changed.")),
    }
}

fn groups(call: &Call) -> AppResult<BTreeSet<GroupName>> {
    let text = call.form.text("groups").unwrap_or_default();
    let names = text.split([',', ' ']).map(str::trim).filter(|g| !g.is_empty());
    names.map(|g| GroupName::parse(g).map_err(AppError::from)).collect()
}
