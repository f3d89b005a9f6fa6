//! What people do to their own account: change the password, look at their sessions and end them.

use super::App;
use super::error::{AppError, AppResult, RefusalKind};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Principal, Resource};
use crate::domain::ids::UserName;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::store::sessions;

/// One of somebody's sessions.
#[derive(Debug, Clone)]
pub struct OwnSession {
    /// Its id, for ending it.
    pub id: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// The address that opened it.
    pub ip: String,
    /// The browser that opened it.
    pub agent: String,
}

impl App {
    /// The actor's open sessions, newest first.
    ///
    /// # Errors
    /// Not found for who is not a person; the database.
    pub async fn own_sessions(&self, actor: &Actor) -> AppResult<Vec<OwnSession>> {
        let user = user_of(actor)?;
        self.authorize(actor, Permission::View, &Resource::Account { name: user.clone() })?;
        let now = self.clock.now();
        let found = self.db.read(move |c| sessions::list_live(c, &user, now, 50)).await?;
        let live = found.into_iter().filter(|s| now - s.last_seen_at <= super::sessions::IDLE.to_delta());
        Ok(live
            .map(|s| OwnSession {
                id: s.id_hash.to_string(),
                created_at: s.created_at,
                last_seen_at: s.last_seen_at,
                ip: s.ip,
                agent: s.user_agent,
            })
            .collect())
    }

    /// Changes the actor's own password after checking the present one. Every other session of theirs ends.
    ///
    /// # Errors
    /// `bad_credentials` when the present one is wrong; `bad_password` when the new one is too weak.
    pub async fn change_own_password(
        &self,
        actor: &Actor,
        session: &str,
        present: SecretText,
        new: SecretText,
        source: &Source,
    ) -> AppResult<()> {
        let user = user_of(actor)?;
        self.reauthenticate(actor, session, present, source).await.map_err(|error| match error {
            AppError::Refused(refusal) if refusal.kind == RefusalKind::Unauthenticated => {
                AppError::forbidden("bad_credentials", "That is not your present password, so nothing was changed.")
            }
            other => other,
        })?;
        self.set_password(actor, user, new, Some(session), source).await
    }
}

fn user_of(actor: &Actor) -> AppResult<UserName> {
    match &actor.principal {
        Principal::User(name) => Ok(name.clone()),
        _ => Err(AppError::not_found()),
    }
}
