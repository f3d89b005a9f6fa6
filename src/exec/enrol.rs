//! Host keys: asking a node for them, telling their fingerprints, and writing known_hosts lines.

mod asking;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

pub use asking::scan;

use crate::domain::ids::HostName;

/// A public host key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostKey {
    /// Its type: `ssh-ed25519`.
    pub kind: String,
    /// The key itself, base64.
    pub base64: String,
    /// `SHA256:` and the unpadded base64 of its digest, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

/// Why a host's keys could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// A host on the way has no trusted key, so nothing that comes through it could be believed.
    #[error(
        "the node is behind the jump host {host}:{port}, whose own key nobody has trusted yet; list that host in \
         nodes.yaml, enrol it first, and then this node again"
    )]
    JumpNotTrusted {
        /// The jump host.
        host: HostName,
        /// Its port.
        port: u16,
    },
    /// There is nothing to sign in with on the way.
    #[error(
        "the node is behind a jump host and names no key to sign in there with; give it `ssh-key-storage-path` in \
         nodes.yaml"
    )]
    NoKey,
    /// The key is not one.
    #[error("the key {0} is not a private key that OpenSSH can read without a passphrase")]
    BadKey(String),
    /// No answer.
    #[error("{0}")]
    NoAnswer(String),
    /// `ssh` or `ssh-agent` is missing.
    #[error("the programs `ssh` and `ssh-agent` are not installed on this machine; install OpenSSH's client")]
    NoProgram,
    /// The text is not a key.
    #[error("this is not a host key; paste a line such as `ssh-ed25519 AAAA…` or a known_hosts line")]
    NotAKey,
}

impl HostKey {
    /// Makes a host key of its type and base64 text.
    ///
    /// # Errors
    /// [`EnrolError::NotAKey`] unless the text is base64 of a key of that type.
    pub fn new(kind: &str, base64: &str) -> Result<Self, EnrolError> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64).map_err(|_| EnrolError::NotAKey)?;
        // A key begins with the length and text of its own type.
        let mut head = u32::try_from(kind.len()).map_err(|_| EnrolError::NotAKey)?.to_be_bytes().to_vec();
        head.extend_from_slice(kind.as_bytes());
        if kind.is_empty() || !bytes.starts_with(&head) {
            return Err(EnrolError::NotAKey);
        }
        let digest = base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(&bytes));
        Ok(Self { kind: kind.to_owned(), base64: base64.to_owned(), fingerprint: format!("SHA256:{digest}") })
    }

    /// Reads `ssh-ed25519 AAAA…`, with or without a host before and a comment behind it.
    ///
    /// # Errors
    /// [`EnrolError::NotAKey`].
    pub fn parse(line: &str) -> Result<Self, EnrolError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        words
            .windows(2)
            .take(2)
            .find_map(|pair| match pair {
                [kind, base64] => Self::new(kind, base64).ok(),
                _ => None,
            })
            .ok_or(EnrolError::NotAKey)
    }

    /// The known_hosts line for this key at an address: `host` for port 22, `[host]:port` otherwise.
    #[must_use]
    pub fn known_hosts_line(&self, host: &HostName, port: u16) -> String {
        format!("{} {} {}", place(host, port), self.kind, self.base64)
    }
}

/// An address as known_hosts has it.
fn place(host: &HostName, port: u16) -> String {
    if port == 22 { host.to_string() } else { format!("[{host}]:{port}") }
}

/// The types of the keys that known_hosts lines trust at an address.
pub(super) fn trusted_kinds<'k>(known_hosts: &'k str, host: &HostName, port: u16) -> impl Iterator<Item = &'k str> {
    let place = place(host, port);
    known_hosts.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|at| at.eq_ignore_ascii_case(&place)).and(words.next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn keys_have_opensshs_fingerprints_and_lines() {
        let key = HostKey::parse(&format!("github.com ssh-ed25519 {KEY} a comment")).unwrap();
        assert_eq!(key.fingerprint, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert_eq!(HostKey::parse(&format!("ssh-ed25519 {KEY}")).unwrap(), key);
        let host = HostName::parse("web1").unwrap();
        assert_eq!(key.known_hosts_line(&host, 22), format!("web1 ssh-ed25519 {KEY}"));
        assert_eq!(key.known_hosts_line(&host, 2222), format!("[web1]:2222 ssh-ed25519 {KEY}"));
        for bad in ["", "ssh-ed25519", &format!("ssh-rsa {KEY}"), "ssh-ed25519 AAAA", "a b c"] {
            assert!(HostKey::parse(bad).is_err(), "{bad}");
        }
    }
}
