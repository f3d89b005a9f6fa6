//! Where people are reached: their mail address, which they set themselves, and their account of Slack, which an
//! administrator names because whoever holds it signs in their name.

use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Principal, Resource};
use crate::domain::ids::UserName;
use crate::domain::notice::address::{MailAddress, SlackAccount};
use crate::store::users;

impl App {
    /// Where mail reaches the actor.
    ///
    /// # Errors
    /// The database.
    pub async fn own_email(&self, actor: &Actor) -> AppResult<Option<MailAddress>> {
        let Principal::User(name) = actor.principal.clone() else { return Ok(None) };
        Ok(self.db.read(move |c| users::find(c, &name)).await?.and_then(|u| u.email))
    }

    /// Sets where mail reaches somebody, or that it does not.
    ///
    /// # Errors
    /// Not found; forbidden unless it is the actor's own account or they administer the installation, and by a token.
    pub async fn set_email(
        &self,
        actor: &Actor,
        name: UserName,
        email: Option<MailAddress>,
        source: &Source,
    ) -> AppResult<()> {
        let permit = self.authorize(actor, Permission::Edit, &Resource::Account { name: name.clone() })?;
        if actor.is_token() {
            let message = "A person signed in says where mail reaches them, not a token.";
            return Err(AppError::forbidden("not_by_token", message));
        }
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                users::set_email(c, &permit, &name, email.as_ref())?;
                let detail = json!({ "email": email.as_ref().map(MailAddress::as_str) });
                recorder.note(c, &actor, &source, "user.email_set", format!("user:{name}"), None, detail)?;
                Ok(())
            })
            .await
    }

    /// Says which account of Slack is somebody's, or that none is.
    ///
    /// # Errors
    /// Not found; `conflict` when it is somebody else's; forbidden for who does not administer the installation, and by a
    /// token.
    pub async fn set_slack(
        &self,
        actor: &Actor,
        name: UserName,
        slack: Option<SlackAccount>,
        source: &Source,
    ) -> AppResult<()> {
        let permit = self.may_change_accounts(actor)?;
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                users::set_slack(c, &permit, &name, slack.as_ref())?;
                let detail = json!({ "slack": slack.as_ref().map(SlackAccount::as_str) });
                recorder.note(c, &actor, &source, "user.slack_set", format!("user:{name}"), None, detail)?;
                Ok(())
            })
            .await
    }
}
