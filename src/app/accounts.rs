//! Accounts of people, and the one-time link that makes the first one.

use std::collections::BTreeSet;

use serde_json::json;

use super::error::{AppError, AppResult};
use super::record::Source;
use super::{App, random};
use crate::domain::access::{Actor, Permission, Permit, Principal, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::{GroupName, UserName};
use crate::domain::notice::address::{MailAddress, SlackAccount};
use crate::domain::secret::SecretText;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::{sessions, sign_in, users, whole};

/// How long a set-up link works.
pub const SETUP_LINK_LIFE: Seconds = Seconds::new(24 * 3_600);

/// An account as lists show it.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// The name.
    pub name: UserName,
    /// The groups.
    pub groups: BTreeSet<GroupName>,
    /// Whether it administers the installation.
    pub administrator: bool,
    /// Whether it may sign in.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where mail reaches them.
    pub email: Option<MailAddress>,
    /// Their account of Slack.
    pub slack: Option<SlackAccount>,
    /// The person that it was said to belong to, beside others.
    pub person: Option<UserName>,
}

impl App {
    /// A fresh set-up link, if nobody administers this installation yet. Shown once; only its digest is kept.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn setup_link(&self) -> AppResult<Option<String>> {
        if self.db.read(users::any_administrator).await? {
            return Ok(None);
        }
        let token = random::token("")?;
        let (digest, now) = (Digest::of(token.expose().as_bytes()), self.clock.now());
        self.db.write(move |c| sign_in::add_setup_link(c, &digest, now)).await?;
        Ok(Some(format!("{}/setup/{}", self.settings.public_url, token.expose())))
    }

    /// Makes the first administrator. The link is used up only when the account is made.
    ///
    /// # Errors
    /// Not found when the link is not good (any more); `bad_password`; `bad_name`.
    pub async fn set_up(&self, link: &str, user: &str, password: SecretText, source: &Source) -> AppResult<UserName> {
        let now = self.clock.now();
        let digest = Digest::of(link.as_bytes());
        let not_before = now - SETUP_LINK_LIFE.to_delta();
        let name = UserName::parse(user.trim())?;
        let hash = self.passwords.hash(password).await?;
        let permit = self.own_permit(Permission::Administer)?;
        let new = users::NewUser {
            name: name.clone(),
            password_hash: Some(hash),
            groups: BTreeSet::new(),
            administrator: true,
        };
        let (recorder, source) = (self.recorder(), source.to_owned());
        self.db
            .write(move |c| {
                if users::any_administrator(c)? || !sign_in::use_setup_link(c, &digest, not_before, now)? {
                    return Err(AppError::not_found());
                }
                users::create(c, &permit, &new, now)?;
                let who = Principal::User(new.name.clone());
                let act = super::record::act(
                    &who,
                    &source,
                    "user.created",
                    format!("user:{}", new.name),
                    None,
                    json!({"administrator": true, "by": "set-up link"}),
                );
                recorder.write(c, &act)?;
                Ok(())
            })
            .await?;
        Ok(name)
    }

    /// Whether a set-up link can still be used; for showing the form.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn setup_open(&self) -> AppResult<bool> {
        Ok(!self.db.read(users::any_administrator).await?)
    }

    /// Adds a person.
    ///
    /// # Errors
    /// `conflict` when the name is taken; `bad_password`; access.
    pub async fn add_user(
        &self,
        actor: &Actor,
        name: UserName,
        groups: BTreeSet<GroupName>,
        administrator: bool,
        password: SecretText,
        source: &Source,
    ) -> AppResult<()> {
        let permit = self.may_change_accounts(actor)?;
        let hash = self.passwords.hash(password).await?;
        let now = self.clock.now();
        let new = users::NewUser { name, password_hash: Some(hash), groups, administrator };
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                users::create(c, &permit, &new, now)?;
                let detail = json!({ "groups": new.groups, "administrator": new.administrator });
                recorder.note(c, &actor, &source, "user.created", format!("user:{}", new.name), None, detail)?;
                Ok(())
            })
            .await
    }

    /// Sets a person's password and ends all their sessions but the one given.
    ///
    /// # Errors
    /// Not found; `bad_password`; access.
    pub async fn set_password(
        &self,
        actor: &Actor,
        name: UserName,
        password: SecretText,
        keep: Option<&str>,
        source: &Source,
    ) -> AppResult<()> {
        let permit = self.authorize(actor, Permission::Edit, &Resource::Account { name: name.clone() })?;
        let hash = self.passwords.hash(password).await?;
        let keep = keep.map(Digest::parse).transpose()?;
        let now = self.clock.now();
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                users::set_password(c, &permit, &name, &hash, now)?;
                let ended = sessions::end_all(c, &permit, &name, keep.as_ref(), now)?;
                let detail = json!({ "sessions_ended": ended });
                recorder.note(c, &actor, &source, "user.password_set", format!("user:{name}"), None, detail)?;
                Ok(())
            })
            .await
    }

    /// Lets a person sign in or not; when not, their sessions end at once and their tokens stop working.
    ///
    /// # Errors
    /// Not found; access.
    pub async fn set_active(&self, actor: &Actor, name: UserName, active: bool, source: &Source) -> AppResult<()> {
        let permit = self.may_change_accounts(actor)?;
        let now = self.clock.now();
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                users::set_active(c, &permit, &name, active)?;
                if !active {
                    sessions::end_all(c, &permit, &name, None, now)?;
                }
                let action = if active { "user.activated" } else { "user.deactivated" };
                recorder.note(c, &actor, &source, action, format!("user:{name}"), None, json!({}))?;
                Ok::<_, AppError>(())
            })
            .await?;
        self.void_everywhere().await
    }

    /// Sets whether a person administers the installation, and their groups.
    ///
    /// # Errors
    /// Not found; access.
    pub async fn set_groups(
        &self,
        actor: &Actor,
        name: UserName,
        groups: BTreeSet<GroupName>,
        source: &Source,
    ) -> AppResult<()> {
        let permit = self.may_change_accounts(actor)?;
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                users::set_groups(c, &permit, &name, &groups)?;
                let detail = json!({ "groups": groups });
                recorder.note(c, &actor, &source, "user.groups_set", format!("user:{name}"), None, detail)?;
                Ok::<_, AppError>(())
            })
            .await?;
        self.void_everywhere().await
    }

    /// Says that two accounts belong to one person, who then signs once and never for themselves; or, without the other,
    /// that an account belongs to a person of its own.
    ///
    /// # Errors
    /// Not found; `same_account`; `own_account` where somebody would part their own account from another; access.
    pub async fn set_person(
        &self,
        actor: &Actor,
        name: UserName,
        same_as: Option<UserName>,
        source: &Source,
    ) -> AppResult<()> {
        let permit = self.may_change_accounts(actor)?;
        if same_as.as_ref() == Some(&name) {
            let message = "Name two different accounts; nothing was changed.";
            return Err(AppError::invalid("same_account", message));
        }
        if same_as.is_none() && actor.principal == Principal::User(name.clone()) {
            let message =
                "Somebody else has to say that your account belongs to you alone: it decides what you may sign.";
            return Err(AppError::conflict("own_account", message));
        }
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        self.db
            .write(move |c| {
                match &same_as {
                    Some(other) => users::join(c, &permit, &name, other)?,
                    None => users::part(c, &permit, &name)?,
                }
                let detail = json!({ "same_as": same_as });
                recorder.note(c, &actor, &source, "user.person_set", format!("user:{name}"), None, detail)?;
                Ok::<_, AppError>(())
            })
            .await?;
        self.void_everywhere().await
    }

    /// Accounts carry rights, so who administers the installation changes them in person: a token, however narrow, could
    /// make itself a wider account.
    pub(crate) fn may_change_accounts(&self, actor: &Actor) -> AppResult<Permit> {
        let permit = self.authorize(actor, Permission::Administer, &Resource::System)?;
        if actor.is_token() {
            let message = "Accounts and tokens are made and changed by a person signed in, not by a token.";
            return Err(AppError::forbidden("not_by_token", message));
        }
        Ok(permit)
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// Access; the database.
    pub async fn accounts(&self, actor: &Actor) -> AppResult<Vec<AccountView>> {
        self.authorize(actor, Permission::Administer, &Resource::System)?;
        let all = self.db.read(|c| whole(|after, wanted| users::list(c, after, wanted), |u| u.name.clone())).await?;
        Ok(all
            .into_iter()
            .map(|u| AccountView {
                name: u.name,
                groups: u.groups,
                administrator: u.administrator,
                active: u.active,
                created_at: u.created_at,
                email: u.email,
                slack: u.slack,
                person: u.person,
            })
            .collect())
    }
}
