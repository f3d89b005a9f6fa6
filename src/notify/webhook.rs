//! The form of a signed webhook, as Standard Webhooks says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::domain::notice::message::Message;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;

/// The document.
pub(super) fn body(message: &Message, at: Timestamp) -> String {
    let about = &message.about;
    json!({
        "type": about.kind,
        "timestamp": at,
        "data": {
            "subject": message.subject,
            "project": about.project,
            "job": about.job,
            "run": about.run,
            "rule": about.rule,
            "more": about.more,
            "state": about.state,
            "requester": about.requester,
            "reason": about.reason,
            "environment": about.environment,
            "nodes": about.nodes,
            "digest": about.digest,
            "expires_at": about.expires_at,
            "missing": about.missing,
            "signers": about.signers,
            "actor": about.actor,
            "words": about.words,
            "link": about.link,
        },
    })
    .to_string()
}

/// The headers that prove where it comes from.
///
/// # Errors
/// A sentence when the secret cannot be a key.
pub(super) fn headers(
    id: &str,
    at: Timestamp,
    body: &str,
    secret: &SecretText,
) -> Result<Vec<(&'static str, String)>, String> {
    let bad = || "its secret is not `whsec_` and a key of at least 16 bytes in base64".to_owned();
    let text = secret.expose().trim();
    let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(|_| bad())?;
    if key.len() < 16 {
        return Err(bad());
    }
    let stamp = at.timestamp().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| bad())?;
    for part in [id, ".", stamp.as_str(), ".", body] {
        mac.update(part.as_bytes());
    }
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    Ok(vec![("webhook-id", id.to_owned()), ("webhook-timestamp", stamp), ("webhook-signature", signature)])
}
