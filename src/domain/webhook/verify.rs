//! Is this delivery really from its sender? Checked on the raw bytes, in constant time, before anything is parsed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Verify, VerifyKind};
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;

/// How old, or how far ahead, a signed timestamp may be: five minutes, as Slack and Standard Webhooks say.
pub const TOLERANCE_SECONDS: i64 = 300;

/// Why a delivery is refused. The sender gets one answer for all of them; the reason is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The header with the proof is missing or has another form.
    #[error("the signature header is missing or has another form")]
    NoProof,
    /// The signed time is too far from now.
    #[error("the signed time is more than five minutes away from now")]
    Stale,
    /// No active secret gives this signature.
    #[error("the signature does not match")]
    Mismatch,
}

/// Headers by lower-case name.
pub trait Headers: Send + Sync {
    /// The value of a header, if there is exactly one.
    fn header(&self, name: &str) -> Option<&str>;

    /// Every header, for conditions.
    fn all(&self) -> std::collections::BTreeMap<String, String>;
}

impl Headers for std::collections::BTreeMap<String, String> {
    fn header(&self, name: &str) -> Option<&str> {
        self.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    fn all(&self) -> std::collections::BTreeMap<String, String> {
        self.clone()
    }
}

/// Checks a delivery against every active secret; one match is enough.
///
/// # Errors
/// [`Unverified`]; nothing may be done with the body then.
pub fn verify(
    how: &Verify,
    secrets: &[SecretText],
    headers: &dyn Headers,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unverified> {
    let header = |name: &str| headers.header(name).ok_or(Unverified::NoProof);
    match &how.kind {
        VerifyKind::PagerDuty => {
            let given = header("x-pagerduty-signature")?;
            let given: Vec<Vec<u8>> =
                given.split(',').filter_map(|part| hex(part.trim().strip_prefix("v1=")?)).collect();
            any(secrets, |secret| mac(secret.as_bytes(), &[body]), &given)
        }
        VerifyKind::GitHub => {
            let given =
                header("x-hub-signature-256")?.strip_prefix("sha256=").and_then(hex).ok_or(Unverified::NoProof)?;
            any(secrets, |secret| mac(secret.as_bytes(), &[body]), &[given])
        }
        VerifyKind::Slack => {
            let stamp = header("x-slack-request-timestamp")?;
            fresh(stamp, now)?;
            let given = header("x-slack-signature")?.strip_prefix("v0=").and_then(hex).ok_or(Unverified::NoProof)?;
            any(secrets, |secret| mac(secret.as_bytes(), &[b"v0:", stamp.as_bytes(), b":", body]), &[given])
        }
        VerifyKind::Grafana { header: name, timestamp_header } => {
            let given = hex(header(name)?).ok_or(Unverified::NoProof)?;
            match timestamp_header {
                None => any(secrets, |secret| mac(secret.as_bytes(), &[body]), &[given]),
                Some(stamp_name) => {
                    let stamp = header(stamp_name)?;
                    fresh(stamp, now)?;
                    any(secrets, |secret| mac(secret.as_bytes(), &[stamp.as_bytes(), b":", body]), &[given])
                }
            }
        }
        VerifyKind::Alertmanager => {
            let (kind, given) = header("authorization")?.split_once(' ').ok_or(Unverified::NoProof)?;
            let given = given.trim();
            if kind.eq_ignore_ascii_case("bearer") {
                any(secrets, |secret| plain(secret.as_bytes()), &[plain(given.as_bytes())])
            } else if kind.eq_ignore_ascii_case("basic") {
                let pair = STANDARD.decode(given).map_err(|_| Unverified::NoProof)?;
                any(secrets, |secret| plain(secret.as_bytes()), &[plain(&pair)])
            } else {
                Err(Unverified::NoProof)
            }
        }
        VerifyKind::StandardWebhooks => {
            let id = header("webhook-id")?;
            let stamp = header("webhook-timestamp")?;
            fresh(stamp, now)?;
            let given: Vec<Vec<u8>> = header("webhook-signature")?
                .split(' ')
                .filter_map(|part| STANDARD.decode(part.strip_prefix("v1,")?).ok())
                .collect();
            let signature = |secret: &str| {
                let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
                Some(mac(&key, &[id.as_bytes(), b".", stamp.as_bytes(), b".", body]))
            };
            any(secrets, |secret| signature(secret).unwrap_or_default(), &given)
        }
        VerifyKind::Token { header: name } => {
            let given = header(name)?;
            let given = given.strip_prefix("Bearer ").unwrap_or(given);
            any(secrets, |secret| plain(secret.as_bytes()), &[plain(given.as_bytes())])
        }
        VerifyKind::Hmac { header: name, prefix } => {
            let given = header(name)?.strip_prefix(prefix.as_str()).and_then(hex).ok_or(Unverified::NoProof)?;
            any(secrets, |secret| mac(secret.as_bytes(), &[body]), &[given])
        }
    }
}

/// Compares every wanted with every given value, without stopping early.
fn any(secrets: &[SecretText], wanted: impl Fn(&str) -> Vec<u8>, given: &[Vec<u8>]) -> Result<(), Unverified> {
    let mut found = subtle::Choice::from(0);
    for secret in secrets {
        let wanted = wanted(secret.expose());
        // A secret that gives no signature at all matches nothing, not even an empty one.
        let usable = subtle::Choice::from(u8::from(!wanted.is_empty()));
        for one in given.iter().take(16) {
            found |= usable & wanted.ct_eq(one);
        }
    }
    if bool::from(found) { Ok(()) } else { Err(Unverified::Mismatch) }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// A static secret is compared by its digest, so that its length does not show in the time.
fn plain(secret: &[u8]) -> Vec<u8> {
    if secret.is_empty() { Vec::new() } else { crate::domain::digest::Digest::of(secret).as_bytes().to_vec() }
}

fn fresh(stamp: &str, now: Timestamp) -> Result<(), Unverified> {
    let at: i64 = stamp.parse().map_err(|_| Unverified::NoProof)?;
    let away = now.timestamp().checked_sub(at).map(i64::abs).ok_or(Unverified::Stale)?;
    if away <= TOLERANCE_SECONDS { Ok(()) } else { Err(Unverified::Stale) }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.is_empty() || text.len() > 512 {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
