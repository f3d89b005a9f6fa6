//! A signature over a whole document, checked with nothing but the public key.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::anchor::unhex;
use crate::domain::digest::canonical_json;

/// A document with its signature over its canonical JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDocument {
    /// What was signed.
    pub document: serde_json::Value,
    /// The public key in hexadecimal; a reader trusts the one that they were given, not this one.
    pub key: String,
    /// The signature in hexadecimal.
    pub signature: String,
}

/// Why a signature is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    /// No key.
    #[error("the key has to be an Ed25519 public key in 64 hexadecimal digits, as `interlock audit key` prints it")]
    BadKey,
    /// Signed by another one, or changed since.
    #[error("the document was changed, or another installation signed it")]
    BadSignature,
}

/// What is signed: the document and that it is one, so that no other signature of the same key is taken for it.
pub(super) fn signed_bytes(document: &serde_json::Value) -> String {
    canonical_json(&serde_json::json!({ "what": "interlock document", "document": document }))
}

impl SignedDocument {
    /// Checks the signature by a key that the reader trusts.
    ///
    /// # Errors
    /// [`BadDocument`].
    pub fn check(&self, trusted: &str) -> Result<(), BadDocument> {
        let bytes = unhex(trusted.trim()).and_then(|b| <[u8; 32]>::try_from(b).ok()).ok_or(BadDocument::BadKey)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| BadDocument::BadKey)?;
        let signature = unhex(&self.signature).and_then(|b| Signature::from_slice(&b).ok());
        let signature = signature.ok_or(BadDocument::BadSignature)?;
        key.verify_strict(signed_bytes(&self.document).as_bytes(), &signature).map_err(|_| BadDocument::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RootKey;
    use crate::store::anchor::Anchor;

    #[test]
    fn a_changed_or_foreign_document_is_refused() {
        let anchor = |root: u8| Anchor::new(std::path::Path::new("/nowhere"), &RootKey::new([root; 32]));
        let signed = anchor(1).sign_document(serde_json::json!({ "run": 7 }));
        assert_eq!(signed.check(&anchor(1).public_key()), Ok(()));
        assert_eq!(signed.check(&anchor(2).public_key()), Err(BadDocument::BadSignature));
        assert_eq!(signed.check("short"), Err(BadDocument::BadKey));
        let changed = SignedDocument { document: serde_json::json!({ "run": 8 }), ..signed };
        assert_eq!(changed.check(&anchor(1).public_key()), Err(BadDocument::BadSignature));
    }
}
