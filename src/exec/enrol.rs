//! Host keys: asking a node for them, telling their fingerprints, and writing known_hosts lines.

mod behind;

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::Target;
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
    /// `ssh-agent` is missing.
    #[error("the program `ssh-agent` is not installed on this machine; install OpenSSH's client")]
    NoAgent,
    /// No answer.
    #[error("{0}")]
    NoAnswer(String),
    /// `ssh-keyscan` is missing.
    #[error("the program `ssh-keyscan` is not installed on this machine; install OpenSSH's client")]
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
pub(super) fn place(host: &HostName, port: u16) -> String {
    if port == 22 { host.to_string() } else { format!("[{host}]:{port}") }
}

/// Asks a node for its keys, through its jump hosts where it has any; those are checked strictly against the target's
/// own list. What comes back is what the network says: a person has to compare the fingerprints. Sorted by type.
///
/// # Errors
/// [`EnrolError`].
pub async fn scan(target: &Target) -> Result<Vec<HostKey>, EnrolError> {
    if target.jumps.is_empty() { direct(&target.host, target.port).await } else { behind::scan(target).await }
}

async fn direct(host: &HostName, port: u16) -> Result<Vec<HostKey>, EnrolError> {
    let child = tokio::process::Command::new("ssh-keyscan")
        .args(["-T", "5", "-t", "ed25519,ecdsa,rsa", "-p", &port.to_string(), "--", host.as_str()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let none = |why: &str| {
        EnrolError::NoAnswer(format!("no host key came from {host}:{port}{why}; is the node up, and is sshd running?"))
    };
    let output = match tokio::time::timeout(Duration::from_secs(20), child).await {
        Ok(Ok(output)) => output,
        Ok(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => return Err(EnrolError::NoProgram),
        Ok(Err(e)) => return Err(none(&format!(" ({e})"))),
        Err(_) => return Err(none(" within 20 seconds")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut keys: Vec<HostKey> =
        text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| HostKey::parse(l).ok()).collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() { Err(none("")) } else { Ok(keys) }
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
