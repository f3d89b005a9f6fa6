//! Signed heads of the audit record in a file outside the database.
//!
//! Who can rewrite the database but not this file cannot hide what happened up to its last line. Who can rewrite both
//! and has the root key can; so the file is worth most when it is copied elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer, SigningKey};
use serde::{Deserialize, Serialize};

use crate::domain::audit::Head;
use crate::domain::digest::canonical_json;

use super::root_key::RootKey;
use super::signed_document::{self, SignedDocument};

/// Why the file of heads cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// It cannot be read or written.
    #[error("the file of audit heads {} cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line was changed, or comes from another installation.
    #[error("line {line} of {} is not a head that this installation signed", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// The file with the key that signs its lines.
#[derive(Clone)]
pub struct Anchor {
    path: PathBuf,
    key: SigningKey,
}

impl std::fmt::Debug for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anchor").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    head: Head,
    signature: String,
}

impl Anchor {
    /// A file of heads; it is made with the first head.
    #[must_use]
    pub fn new(path: &Path, root: &RootKey) -> Self {
        Self { path: path.to_owned(), key: SigningKey::from_bytes(&root.derive("interlock audit anchor v1")) }
    }

    /// The same key over another file: a copy that was kept elsewhere.
    #[must_use]
    pub fn at(&self, path: &Path) -> Self {
        Self { path: path.to_owned(), key: self.key.clone() }
    }

    /// The public key in hexadecimal, with which others can check the lines.
    #[must_use]
    pub fn public_key(&self) -> String {
        hex(self.key.verifying_key().as_bytes())
    }

    /// Signs a document with the same key.
    #[must_use]
    pub fn sign_document(&self, document: serde_json::Value) -> SignedDocument {
        let signature = hex(&self.key.sign(signed_document::signed_bytes(&document).as_bytes()).to_bytes());
        SignedDocument { document, key: self.public_key(), signature }
    }

    /// Adds a signed head and waits until it is on the disk.
    ///
    /// # Errors
    /// [`AnchorError::Io`].
    pub fn append(&self, head: &Head) -> Result<(), AnchorError> {
        let signature = hex(&self.key.sign(signed_bytes(head).as_bytes()).to_bytes());
        let line = serde_json::json!({ "head": head, "signature": signature }).to_string() + "\n";
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| self.io(source))
    }

    /// Reads the heads and checks every signature; none when the file is not there.
    ///
    /// # Errors
    /// [`AnchorError::BadLine`] names the first line that does not hold; [`AnchorError::Io`].
    pub fn read(&self) -> Result<Vec<Head>, AnchorError> {
        let file = match File::open(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| self.io(source))?,
        };
        let mut heads = Vec::new();
        for (text, line) in BufReader::new(file).lines().zip(1..) {
            let text = text.map_err(|source| self.io(source))?;
            let head = self.check(&text).ok_or_else(|| AnchorError::BadLine { path: self.path.clone(), line })?;
            heads.push(head);
        }
        Ok(heads)
    }

    fn check(&self, text: &str) -> Option<Head> {
        let Line { head, signature } = serde_json::from_str(text).ok()?;
        let signature = Signature::from_slice(&unhex(&signature)?).ok()?;
        self.key.verifying_key().verify_strict(signed_bytes(&head).as_bytes(), &signature).ok()?;
        Some(head)
    }

    fn io(&self, source: std::io::Error) -> AnchorError {
        AnchorError::Io { path: self.path.clone(), source }
    }
}

fn signed_bytes(head: &Head) -> String {
    canonical_json(&serde_json::json!({ "what": "interlock audit head", "head": head }))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_foreign_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads");
        let anchor = Anchor::new(&path, &RootKey::new([1; 32]));
        assert!(anchor.read().unwrap().is_empty());
        let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let heads = [1, 2, 3].map(|seq| Head { seq, hash: "ab".repeat(32), at });
        for head in &heads {
            anchor.append(head).unwrap();
        }
        assert_eq!(anchor.read().unwrap(), heads);
        let other = Anchor::new(&path, &RootKey::new([2; 32]));
        assert!(matches!(other.read(), Err(AnchorError::BadLine { line: 1, .. })));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"seq\":2", "\"seq\":4")).unwrap();
        assert!(matches!(anchor.read(), Err(AnchorError::BadLine { line: 2, .. })));
    }
}
