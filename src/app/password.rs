//! Passwords: argon2id, off the async threads, at most two at a time, with the same work for unknown accounts.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::secret::SecretText;

/// The shortest password that is taken, in characters: what NIST SP 800-63B asks for at least.
pub const SHORTEST: usize = 8;
/// The longest password that is looked at, in bytes, so that hashing cannot be made slow by length.
pub const LONGEST: usize = 1_024;

/// Hashes and checks passwords. Each takes about 19 MiB, so the number at a time is bounded, and so is the queue.
#[derive(Debug, Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(2)), waiting: Arc::new(Semaphore::new(64)) }
    }
}

impl Passwords {
    /// Hashes a new password.
    ///
    /// # Errors
    /// A refusal when it is too short or too long.
    pub async fn hash(&self, password: SecretText) -> AppResult<String> {
        let length = password.expose().chars().count();
        if length < SHORTEST || password.expose().len() > LONGEST {
            let message =
                format!("The password has {length} characters. Take {SHORTEST} or more (at most {LONGEST} bytes).");
            return Err(AppError::invalid("bad_password", message));
        }
        self.bounded(move || {
            let hash = Argon2::default().hash_password(password.expose().as_bytes());
            hash.map(|h| h.to_string()).map_err(AppError::fault)
        })
        .await
    }

    /// Whether the password belongs to the hash. Without a hash the same work is done, and the answer is no.
    ///
    /// # Errors
    /// A refusal when too many sign-ins wait already.
    pub async fn check(&self, password: SecretText, hash: Option<String>) -> AppResult<bool> {
        self.bounded(move || {
            if password.expose().len() > LONGEST {
                return Ok(false);
            }
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| nobody().to_owned());
            let parsed = PasswordHash::new(&text).map_err(AppError::fault)?;
            let right = Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok();
            Ok(known && right)
        })
        .await
    }

    async fn bounded<T: Send + 'static>(&self, work: impl FnOnce() -> AppResult<T> + Send + 'static) -> AppResult<T> {
        let busy = || {
            let message = "Too many people sign in at this moment. Wait a few seconds and try again.";
            AppError::from(Refusal::new(RefusalKind::Busy, "too_many_sign_ins", message))
        };
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(AppError::fault)?;
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
        .map_err(AppError::fault)?
    }
}

/// The hash of a password that nobody has, made once with the same parameters as every other.
fn nobody() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let unguessable = uuid::Uuid::new_v4().to_string();
        Argon2::default().hash_password(unguessable.as_bytes()).map(|h| h.to_string()).unwrap_or_default()
    })
}
