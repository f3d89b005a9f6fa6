//! Unguessable values, from the operating system.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::{AppError, AppResult};
use crate::domain::secret::SecretText;

/// Bytes that nobody can guess.
///
/// # Errors
/// When the operating system has none to give.
pub fn bytes<const N: usize>() -> AppResult<[u8; N]> {
    let mut out = [0u8; N];
    getrandom::fill(&mut out).map_err(AppError::fault)?;
    Ok(out)
}

/// 256 random bits as 43 letters, digits, `-` and `_`, after a prefix that scanners can look for.
///
/// # Errors
/// As [`bytes`].
pub fn token(prefix: &str) -> AppResult<SecretText> {
    Ok(SecretText::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes::<32>()?))))
}
