//! Idempotency keys: a POST that is sent twice with the same key is carried out once, and answered twice.

use serde::{Deserialize, Serialize};

use super::App;
use super::error::{AppError, AppResult};
use crate::domain::access::Actor;
use crate::domain::digest::Digest;
use crate::store::idempotency::{self, Claim};

/// How long an unanswered claim keeps its key: no request takes so long, so its server died.
const ABANDONED: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// Where what was made is found.
    pub location: Option<String>,
    /// The body.
    pub body: String,
}

/// What to do with a request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    /// It is the first: carry it out and call [`App::keyed_done`].
    First,
    /// It was carried out: answer so again.
    Answered(KeptAnswer),
}

impl App {
    /// Claims a key for a request.
    ///
    /// # Errors
    /// `bad_idempotency_key`; `idempotency_key_reused` for another request under the same key;
    /// `idempotency_key_busy` while the first is still being carried out.
    pub async fn keyed(&self, actor: &Actor, key: &str, route: &str, request: &[u8]) -> AppResult<Keyed> {
        if key.is_empty() || key.len() > 200 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let message = "`Idempotency-Key` has to be 1 to 200 visible ASCII characters, such as a UUID.";
            return Err(AppError::invalid("bad_idempotency_key", message));
        }
        let (principal, key, route) = (actor.principal.clone(), key.to_owned(), route.to_owned());
        let (digest, now) = (Digest::of(request), self.clock.now());
        match self
            .db
            .write(move |c| idempotency::claim(c, &principal, &key, &route, &digest, now, now - ABANDONED))
            .await?
        {
            Claim::New => Ok(Keyed::First),
            Claim::Answered { body, .. } => serde_json::from_str(&body).map(Keyed::Answered).map_err(AppError::fault),
            Claim::UnderWay => Err(AppError::conflict(
                "idempotency_key_busy",
                "The first request with this `Idempotency-Key` is still being carried out. Ask again in a moment.",
            )),
            Claim::OtherRequest => Err(AppError::conflict(
                "idempotency_key_reused",
                "This `Idempotency-Key` was used for another request. Take a new key for a new request.",
            )),
        }
    }

    /// Keeps the answer of a request that carried a key. A refusal of the moment or a fault frees the key, so that the
    /// same request can be tried again.
    ///
    /// # Errors
    /// The database.
    pub async fn keyed_done(&self, actor: &Actor, key: &str, answer: Option<KeptAnswer>) -> AppResult<()> {
        let (principal, key) = (actor.principal.clone(), key.to_owned());
        let answer = match answer {
            Some(answer) => Some((i32::from(answer.status), serde_json::to_string(&answer).map_err(AppError::fault)?)),
            None => None,
        };
        Ok(self
            .db
            .write(move |c| match &answer {
                Some((status, kept)) => idempotency::complete(c, &principal, &key, *status, kept),
                None => idempotency::release(c, &principal, &key),
            })
            .await?)
    }
}
