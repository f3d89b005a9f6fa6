//! API tokens: made once, shown once, never wider than their owner's rights now.

use std::collections::BTreeSet;

use serde_json::json;

use super::error::{AppError, AppResult};
use super::record::Source;
use super::{App, random};
use crate::domain::access::{Actor, Permission, Permit, Principal, Resource};
use crate::domain::digest::Digest;
use crate::domain::secret::SecretText;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::{tokens, users, whole};

/// How long a token lives when nobody says otherwise.
pub const DEFAULT_LIFE: Seconds = Seconds::new(30 * 86_400);

/// A token as lists show it.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// Its id, for revoking.
    pub id: String,
    /// Whose it is.
    pub principal: Principal,
    /// What it is for.
    pub label: String,
    /// What it is narrowed to.
    pub scopes: Option<BTreeSet<Permission>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl App {
    /// Makes a token for an account. People make their own; an administrator or operator makes anybody's.
    ///
    /// # Errors
    /// `no_such_user`; access.
    pub async fn create_token(
        &self,
        actor: &Actor,
        owner: Principal,
        label: &str,
        scopes: Option<BTreeSet<Permission>>,
        life: Seconds,
        source: &Source,
    ) -> AppResult<(SecretText, TokenView)> {
        let permit = self.may_change_tokens_of(actor, &owner)?;
        let token = random::token("ilk_")?;
        let now = self.clock.now();
        let new = tokens::NewToken {
            id: uuid::Uuid::now_v7().to_string(),
            token_hash: Digest::of(token.expose().as_bytes()),
            principal: owner.clone(),
            label: label.chars().take(100).collect(),
            scopes,
            expires_at: Some(now + life.to_delta()),
        };
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        let record = self
            .db
            .write(move |c| {
                if let Principal::User(name) = &owner
                    && users::find(c, name)?.is_none()
                {
                    return Err(AppError::invalid("no_such_user", format!("There is no user `{name}`.")));
                }
                let made = tokens::create(c, &permit, &new, now)?;
                let detail = json!({ "owner": owner.to_string(), "label": new.label, "scopes": new.scopes, "expires_at": new.expires_at });
                recorder.note(c, &actor, &source, "token.created", format!("token:{}", new.id), None, detail)?;
                Ok(made)
            })
            .await?;
        Ok((token, view(record)))
    }

    /// A person's tokens are their own account's; a service account belongs to nobody, so the installation's
    /// administrators look after it. A person of the same name has no say in it.
    fn may_change_tokens_of(&self, actor: &Actor, owner: &Principal) -> AppResult<Permit> {
        match owner {
            Principal::User(name) => {
                Ok(self.authorize(actor, Permission::Edit, &Resource::Account { name: name.clone() })?)
            }
            Principal::Service(_) => self.may_change_accounts(actor),
            Principal::Operator(_) | Principal::System => Err(AppError::not_found()),
        }
    }

    /// The tokens of a principal, newest first.
    ///
    /// # Errors
    /// Access; the database.
    pub async fn tokens_of(&self, actor: &Actor) -> AppResult<Vec<TokenView>> {
        let principal = actor.principal.clone();
        let found = self
            .db
            .read(move |c| {
                let piece = |after: Option<&(Timestamp, String)>, wanted| {
                    tokens::list(c, Some(&principal), after.cloned(), wanted)
                };
                whole(piece, |t| (t.created_at, t.id.clone()))
            })
            .await?;
        Ok(found.into_iter().map(view).collect())
    }

    /// Revokes a token; it does not work from the next request on.
    ///
    /// # Errors
    /// Not found, also when it is somebody else's.
    pub async fn revoke_token(&self, actor: &Actor, id: &str, source: &Source) -> AppResult<()> {
        let wanted = id.to_owned();
        let token = self.db.read(move |c| tokens::get(c, &wanted)).await?.ok_or_else(AppError::not_found)?;
        let permit = self.may_change_tokens_of(actor, &token.principal).map_err(|_| AppError::not_found())?;
        let (now, recorder, source, actor, id) =
            (self.clock.now(), self.recorder(), source.to_owned(), actor.clone(), id.to_owned());
        self.db
            .write(move |c| {
                if tokens::revoke(c, &permit, &id, now)? {
                    recorder.note(c, &actor, &source, "token.revoked", format!("token:{id}"), None, json!({}))?;
                }
                Ok(())
            })
            .await
    }
}

fn view(record: tokens::TokenRecord) -> TokenView {
    TokenView {
        id: record.id,
        principal: record.principal,
        label: record.label,
        scopes: record.scopes,
        created_at: record.created_at,
        expires_at: record.expires_at,
        last_used_at: record.last_used_at,
        revoked_at: record.revoked_at,
    }
}
