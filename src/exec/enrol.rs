//! Host keys: asking a node for them, telling their fingerprints, and writing known_hosts lines.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::domain::ids::{HostName, RemoteUser};
use crate::domain::node::Jump;

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
    /// The node is behind another host, through which it cannot be asked before its key is trusted.
    #[error(
        "the keys of a node behind a jump host cannot be asked for; read the fingerprint on the node \
         (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) and give the key by pasting its known_hosts line"
    )]
    BehindJump,
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
        let at = if port == 22 { host.to_string() } else { format!("[{host}]:{port}") };
        format!("{at} {} {}", self.kind, self.base64)
    }
}

/// Asks a host for its keys. What comes back is what the network says: a person has to compare the fingerprints.
/// Sorted by type.
///
/// # Errors
/// [`EnrolError`], always for a node behind a jump host.
pub async fn scan(
    host: &HostName,
    port: u16,
    jumps: &[Jump],
    _user: Option<&RemoteUser>,
) -> Result<Vec<HostKey>, EnrolError> {
    if !jumps.is_empty() {
        return Err(EnrolError::BehindJump);
    }
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
