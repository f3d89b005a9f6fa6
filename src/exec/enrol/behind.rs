//! Asking a node behind jump hosts for its keys.
//!
//! `ssh-keyscan` knows no jump hosts, so `ssh` itself goes through them: at each of them it signs in with the node's key
//! and checks the jump host's own key strictly against the project's list, as a step does. To the node behind them it
//! offers nothing to sign in with; it only writes down which key was shown, once for each kind of key.

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{EnrolError, HostKey};
use crate::domain::ids::HostName;
use crate::exec::Target;
use crate::exec::ssh::agent::fed;

/// One connection a kind of key, each through every jump host.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kinds that are asked for, and the algorithms that show them.
const KINDS: [(&str, &str); 3] = [
    ("ed25519", "ssh-ed25519"),
    ("ecdsa", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"),
    ("rsa", "rsa-sha2-512,rsa-sha2-256"),
];

/// Runs in an agent of its own, which holds the key as long as this lasts and no longer; the key comes on standard input
/// and never is a file. No value stands in this text.
const ASK: &str = "trap 'ssh-agent -k >/dev/null 2>&1' EXIT
ssh-add -q - || exit 3
for kind in ed25519 ecdsa rsa; do ssh -F \"$1\" \"interlock-$kind\" true </dev/null; done
exit 0";

/// A folder that only we can read. Goes with this.
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Self> {
        let name: String = uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect();
        let path = Path::new("/tmp").join(format!("ilk-enrol-{name}"));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The keys that a node behind jump hosts shows, sorted by kind.
///
/// # Errors
/// [`EnrolError::JumpNotTrusted`] before anything is connected to when a jump host has no trusted key.
pub(super) async fn scan(target: &Target) -> Result<Vec<HostKey>, EnrolError> {
    for jump in &target.jumps {
        if !is_trusted(&target.known_hosts, &jump.host, jump.port) {
            return Err(EnrolError::JumpNotTrusted { host: jump.host.clone(), port: jump.port });
        }
    }
    let key = target.key.as_ref().ok_or(EnrolError::NoKey)?;
    let none = |why: &str| {
        let (host, port) = (&target.host, target.port);
        EnrolError::NoAnswer(format!("no host key came from {host}:{port} through its jump hosts: {why}"))
    };
    let broken = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => EnrolError::NoAgent,
        _ => none(&e.to_string()),
    };
    let folder = Folder::make().map_err(|e| none(&e.to_string()))?;
    let found = folder.0.join("found");
    let config = write(&folder.0, target, &found).map_err(|e| none(&e.to_string()))?;
    let mut command = tokio::process::Command::new("ssh-agent");
    command.args(["sh", "-c", ASK, "sh"]).arg(&config);
    let child = fed(&mut command, key).await.map_err(broken)?;
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| none("it took longer than a minute"))?
        .map_err(broken)?;
    if output.status.code() == Some(3) {
        return Err(EnrolError::BadKey(target.key_id.clone()));
    }
    let shown = std::fs::read_to_string(&found).unwrap_or_default();
    let mut keys: Vec<HostKey> = shown.lines().filter_map(|line| HostKey::parse(line).ok()).collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() { Err(none(&why(&output.stderr))) } else { Ok(keys) }
}

fn is_trusted(known_hosts: &str, host: &HostName, port: u16) -> bool {
    let at = super::place(host, port);
    known_hosts.lines().any(|line| line.split_ascii_whitespace().next() == Some(at.as_str()))
}

/// What ssh said first; it says the same for every kind of key.
fn why(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('@'));
    line.unwrap_or("is the node up, and may the jump host reach it?").chars().take(200).collect()
}

/// Writes the configuration and the list of trusted keys; neither the user's nor the machine's own is read beside it.
fn write(folder: &Path, target: &Target, found: &Path) -> std::io::Result<PathBuf> {
    let (config, trusted) = (folder.join("config"), folder.join("trusted"));
    std::fs::write(&trusted, format!("{}\n", target.known_hosts))?;
    let through = |hop: Option<usize>| {
        hop.map_or(String::new(), |hop| {
            format!("  ProxyCommand ssh -F {} -W [%h]:%p interlock-jump-{hop}\n", config.display())
        })
    };
    let account =
        |user: Option<&crate::domain::ids::RemoteUser>| user.map_or(String::new(), |u| format!("  User {u}\n"));
    let mut text = String::new();
    // Writing to a String cannot fail; all parts are fixed or made of letters, digits and `._:-`.
    for (hop, jump) in target.jumps.iter().enumerate() {
        let user = account(jump.user.as_ref().or(target.user.as_ref()));
        let (host, port, way) = (&jump.host, jump.port, through(hop.checked_sub(1)));
        let _ = write!(text, "Host interlock-jump-{hop}\n  HostName {host}\n  Port {port}\n{user}{way}");
    }
    for (kind, algorithms) in KINDS {
        let (host, port, way) = (&target.host, target.port, through(target.jumps.len().checked_sub(1)));
        let _ = write!(
            text,
            "Host interlock-{kind}\n  HostName {host}\n  Port {port}\n{way}  HostKeyAlgorithms {algorithms}
  IdentityAgent none\n  PubkeyAuthentication no\n  PreferredAuthentications none
  StrictHostKeyChecking no\n  UserKnownHostsFile {}\n",
            found.display()
        );
    }
    let _ = write!(
        text,
        "Host *
  BatchMode yes
  CanonicalizeHostname no
  ClearAllForwardings yes
  ConnectTimeout 10
  ForwardAgent no
  ForwardX11 no
  GlobalKnownHostsFile /dev/null
  HashKnownHosts no
  IdentityFile none
  KbdInteractiveAuthentication no
  LogLevel ERROR
  PasswordAuthentication no
  PermitLocalCommand no
  PreferredAuthentications publickey
  StrictHostKeyChecking yes
  UpdateHostKeys no
  UserKnownHostsFile {}\n",
        trusted.display()
    );
    std::fs::write(&config, text)?;
    Ok(config)
}
