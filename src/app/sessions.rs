//! Signing in and out, and who a cookie or a token stands for.

use serde_json::json;

use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::record::{Source, act};
use super::{App, random};
use crate::domain::access::{Actor, Principal, Resource, Via};
use crate::domain::digest::Digest;
use crate::domain::ids::UserName;
use crate::domain::secret::SecretText;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::{sessions, sign_in, tokens, users};

/// How long a session lasts at most.
pub const LASTS: Seconds = Seconds::new(12 * 3_600);
/// How long a session lasts without being used.
pub const IDLE: Seconds = Seconds::new(4 * 3_600);

/// Failures in a row after which an account has to wait.
const FREE_TRIES: i32 = 5;

/// A session that was just opened.
#[derive(Debug)]
pub struct SignedIn {
    /// The cookie's value; shown to nobody else, stored as its digest.
    pub cookie: SecretText,
    /// The token that the session's unsafe requests carry.
    pub csrf: String,
    /// Who signed in.
    pub user: UserName,
}

/// A live session and the actor behind it, as known now.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// The session's id: the digest of the cookie.
    pub id: String,
    /// The token that unsafe requests carry.
    pub csrf: String,
    /// Who acts.
    pub actor: Actor,
}

impl App {
    /// Opens a session for a name and password. Wrong name and wrong password get the same answer after the same work.
    ///
    /// # Errors
    /// `bad_credentials`; `too_many_failures` when the account has to wait; `too_many_sign_ins`.
    pub async fn sign_in(&self, user: &str, password: SecretText, source: &Source, agent: &str) -> AppResult<SignedIn> {
        let user = self.prove(user, password, source).await?;
        let now = self.clock.now();
        let cookie = random::token("")?;
        let csrf = random::token("")?.expose().to_owned();
        let new = sessions::NewSession {
            id_hash: Digest::of(cookie.expose().as_bytes()),
            user: user.clone(),
            csrf: csrf.clone(),
            expires_at: now + LASTS.to_delta(),
            ip: source.to_owned(),
            user_agent: agent.chars().take(200).collect(),
        };
        let (recorder, principal, source) = (self.recorder(), Principal::User(user.clone()), source.to_owned());
        self.db
            .write(move |c| {
                sessions::open(c, &new, now)?;
                recorder.write(c, &act(&principal, &source, "session.opened", "session", None, json!({})))?;
                Ok::<_, AppError>(())
            })
            .await?;
        Ok(SignedIn { cookie, csrf, user })
    }

    /// Checks a name and password, counts failures and makes the account wait after too many.
    async fn prove(&self, user: &str, password: SecretText, source: &Source) -> AppResult<UserName> {
        let now = self.clock.now();
        let account: String = user.trim().to_lowercase().chars().take(64).collect();
        let name = UserName::parse(&account).ok();
        let (known, failures) = {
            let (name, account) = (name.clone(), account.clone());
            self.db
                .read(move |c| {
                    let known = name.as_ref().map(|n| users::find(c, n)).transpose()?.flatten();
                    Ok::<_, AppError>((known, sign_in::failures(c, &account)?))
                })
                .await?
        };
        if let Some(wait) = failures.as_ref().and_then(|f| pause(f.count, f.last_at, now)) {
            let message = format!("Too many wrong passwords for this account. Try again in {wait}.");
            return Err(Refusal::new(RefusalKind::Busy, "too_many_failures", message).into());
        }
        let hash = known.filter(|u| u.active).and_then(|u| u.password_hash);
        let right = self.passwords.check(password, hash).await?;
        if let Some(user) = name.filter(|_| right) {
            if failures.is_some() {
                self.db.write(move |c| sign_in::clear_failures(c, &account)).await?;
            }
            return Ok(user);
        }
        let (recorder, source) = (self.recorder(), source.to_owned());
        self.db
            .write(move |c| {
                sign_in::add_failure(c, &account, now)?;
                let detail = json!({ "account": account });
                recorder.write(c, &act(&Principal::System, &source, "session.refused", "session", None, detail))?;
                Ok::<_, AppError>(())
            })
            .await?;
        let message = "User name and password do not belong together. Check both and try again.";
        Err(Refusal::new(RefusalKind::Unauthenticated, "bad_credentials", message).into())
    }

    /// The live session of a cookie, with what is known of its user now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session_by_cookie(&self, cookie: &str) -> AppResult<Option<LiveSession>> {
        if cookie.len() > 200 {
            return Ok(None);
        }
        let now = self.clock.now();
        let id = Digest::of(cookie.as_bytes());
        let Some(found) = self.db.read(move |c| sessions::find_live(c, &id, now)).await? else { return Ok(None) };
        let seen = found.session.last_seen_at;
        if now - seen > IDLE.to_delta() {
            return Ok(None);
        }
        if now - seen > chrono::TimeDelta::minutes(1) {
            self.db.write(move |c| sessions::touch(c, &id, now)).await?;
        }
        let actor = Actor {
            principal: Principal::User(found.session.user),
            groups: found.groups,
            via: Via::Session { authenticated_at: found.session.authenticated_at },
            administrator: found.administrator,
        };
        Ok(Some(LiveSession { id: id.to_string(), csrf: found.session.csrf, actor }))
    }

    /// Ends a session of the actor.
    ///
    /// # Errors
    /// Not found for who has no sessions; when the database cannot be written.
    pub async fn sign_out(&self, actor: &Actor, session: &str, source: &Source) -> AppResult<()> {
        let Principal::User(user) = actor.principal.clone() else { return Err(AppError::not_found()) };
        let permit =
            self.authorize(actor, crate::domain::access::Permission::Edit, &Resource::Account { name: user.clone() })?;
        let id = Digest::parse(session)?;
        let (now, recorder, source) = (self.clock.now(), self.recorder(), source.to_owned());
        self.db
            .write(move |c| {
                if sessions::end(c, &permit, &user, &id, now)? {
                    let who = Principal::User(user.clone());
                    recorder.write(c, &act(&who, &source, "session.ended", "session", None, json!({})))?;
                }
                Ok(())
            })
            .await
    }

    /// Checks the password of a session's user again, so that the session counts as fresh.
    ///
    /// # Errors
    /// `bad_credentials` when it is wrong; `too_many_failures`.
    pub async fn reauthenticate(
        &self,
        actor: &Actor,
        session: &str,
        password: SecretText,
        source: &Source,
    ) -> AppResult<Actor> {
        let Principal::User(user) = &actor.principal else { return Err(AppError::not_found()) };
        self.prove(user.as_str(), password, source).await?;
        let id = Digest::parse(session)?;
        let now = self.clock.now();
        self.db.write(move |c| sessions::reauthenticate(c, &id, now)).await?;
        Ok(Actor { via: Via::Session { authenticated_at: now }, ..actor.clone() })
    }

    /// The actor of an API token, with the owner's rights as they are now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn actor_by_token(&self, token: &str) -> AppResult<Option<Actor>> {
        if token.len() > 200 {
            return Ok(None);
        }
        let now = self.clock.now();
        let hash = Digest::of(token.as_bytes());
        let found = self
            .db
            .read(move |c| {
                let Some(token) = tokens::find_live(c, &hash, now)? else { return Ok::<_, AppError>(None) };
                let owner = match &token.principal {
                    Principal::User(name) => users::find(c, name)?.filter(|u| u.active).map(Some),
                    Principal::Service(_) => Some(None),
                    Principal::Operator(_) | Principal::System => None,
                };
                Ok(owner.map(|owner| (token, owner)))
            })
            .await?;
        let Some((token, owner)) = found else { return Ok(None) };
        if token.last_used_at.is_none_or(|at| now - at > chrono::TimeDelta::minutes(1)) {
            let id = token.id.clone();
            self.db.write(move |c| tokens::touch(c, &id, now)).await?;
        }
        let (groups, administrator) = owner.map(|u| (u.groups, u.administrator)).unwrap_or_default();
        let via = Via::Token { id: token.id, scopes: token.scopes };
        Ok(Some(Actor { principal: token.principal, groups, via, administrator }))
    }
}

/// How long an account still has to wait: after five failures a second, doubling up to fifteen minutes.
fn pause(failures: i32, last: Timestamp, now: Timestamp) -> Option<Seconds> {
    let over = u32::try_from(failures - FREE_TRIES).ok()?;
    let wait = 1u64.checked_shl(over).unwrap_or(u64::MAX).min(900);
    let passed = u64::try_from((now - last).num_seconds()).unwrap_or(0);
    wait.checked_sub(passed).filter(|left| *left > 0).map(Seconds::new)
}
