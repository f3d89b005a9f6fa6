//! Asking a node for its keys.
//!
//! `ssh` itself asks, once for each kind of key, and only writes down which key was shown; it offers the node nothing to sign
//! in with. `ssh-keyscan` could do that too, but knows no jump hosts, and agrees on keys in a way that takes five times as
//! long. At each jump host on the way `ssh` signs in with the node's key and checks that host's own key strictly against the
//! project's list, as a step does.

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{EnrolError, HostKey, trusted_kinds};
use crate::domain::ids::RemoteUser;
use crate::exec::Target;
use crate::exec::ssh::agent::fed;
use crate::exec::ssh::config::QUICK;

/// How long the answers of a node may take, and of one behind jump hosts.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_BEHIND: Duration = Duration::from_secs(60);

/// The kinds that are asked for, and the algorithms that show them.
const KINDS: [(&str, &str); 3] = [
    ("ed25519", "ssh-ed25519"),
    ("ecdsa", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"),
    ("rsa", "rsa-sha2-512,rsa-sha2-256"),
];

/// All kinds at once, so that a node that is down costs no more time than one connection. Once connected, `ssh` itself would
/// wait for ever for a node that stands still. No value stands in this text.
const ASK: &str = "command -v ssh >/dev/null || exit 4
for kind in ed25519 ecdsa rsa; do timeout \"$2\" ssh -F \"$1\" \"interlock-$kind\" true </dev/null & done
wait";

/// Runs in an agent of its own, which holds the key as long as this lasts and no longer; the key comes on standard input
/// and never is a file.
const SIGN_IN: &str = "trap 'ssh-agent -k >/dev/null 2>&1' EXIT
ssh-add -q - || exit 3
";

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

/// Asks a node for its keys, through its jump hosts where it has any. What comes back is what the network says: a person has
/// to compare the fingerprints. Sorted by kind.
///
/// # Errors
/// [`EnrolError`]; [`EnrolError::JumpNotTrusted`] before anything is connected to.
pub async fn scan(target: &Target) -> Result<Vec<HostKey>, EnrolError> {
    scan_within(target, if target.jumps.is_empty() { PATIENCE } else { PATIENCE_BEHIND }).await
}

async fn scan_within(target: &Target, patience: Duration) -> Result<Vec<HostKey>, EnrolError> {
    for jump in &target.jumps {
        if trusted_kinds(&target.known_hosts, &jump.host, jump.port).next().is_none() {
            return Err(EnrolError::JumpNotTrusted { host: jump.host.clone(), port: jump.port });
        }
    }
    let (way, hint) = match target.jumps.as_slice() {
        [] => ("", "; is the node up, and is sshd running?"),
        _ => (" through its jump hosts", ""),
    };
    let none = |why: &str| {
        EnrolError::NoAnswer(format!("no host key came from {}:{}{way}: {why}{hint}", target.host, target.port))
    };
    let broken = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => EnrolError::NoProgram,
        _ => none(&e.to_string()),
    };
    let folder = Folder::make().map_err(|e| none(&e.to_string()))?;
    let config = write(&folder.0, target).map_err(|e| none(&e.to_string()))?;
    // Whoever waits has given up by then, and says so.
    let longest = (patience.as_secs() + 1).to_string();
    let child = if target.jumps.is_empty() {
        let mut command = Command::new("sh");
        command.args(["-c", ASK, "sh"]).arg(&config).arg(&longest);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
    } else {
        let key = target.key.as_ref().ok_or(EnrolError::NoKey)?;
        let mut command = Command::new("ssh-agent");
        command.args(["sh", "-c", &format!("{SIGN_IN}{ASK}"), "sh"]).arg(&config).arg(&longest);
        fed(&mut command, key).await
    };
    let output = tokio::time::timeout(patience, child.map_err(broken)?.wait_with_output())
        .await
        .map_err(|_| none(&format!("it took longer than {} seconds", patience.as_secs())))?
        .map_err(broken)?;
    match output.status.code() {
        Some(3) => return Err(EnrolError::BadKey(target.key_id.clone())),
        Some(4) => return Err(EnrolError::NoProgram),
        _ => {}
    }
    let shown = KINDS.map(|(kind, _)| std::fs::read_to_string(shown(&folder.0, kind)).unwrap_or_default()).concat();
    let mut keys: Vec<HostKey> = shown.lines().filter_map(|line| HostKey::parse(line).ok()).collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() { Err(none(&why(&output.stderr))) } else { Ok(keys) }
}

/// Where it is written down which key of a kind was shown.
fn shown(folder: &Path, kind: &str) -> PathBuf {
    folder.join(kind)
}

/// What ssh said first; it says the same for every kind of key.
fn why(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('@'));
    line.unwrap_or("ssh said nothing").chars().take(200).collect()
}

/// Writes the configuration and the list of trusted keys; neither the user's nor the machine's own is read beside it.
fn write(folder: &Path, target: &Target) -> std::io::Result<PathBuf> {
    let (config, trusted) = (folder.join("config"), folder.join("trusted"));
    std::fs::write(&trusted, format!("{}\n", target.known_hosts))?;
    let through = |hop: Option<usize>| {
        hop.map_or(String::new(), |hop| {
            format!("  ProxyCommand ssh -F {} -W [%h]:%p interlock-jump-{hop}\n", config.display())
        })
    };
    let account = |user: Option<&RemoteUser>| user.map_or(String::new(), |u| format!("  User {u}\n"));
    let mut text = String::new();
    // Writing to a String cannot fail; all parts are fixed or made of letters, digits and `._:-`.
    for (hop, jump) in target.jumps.iter().enumerate() {
        let user = account(jump.user.as_ref().or(target.user.as_ref()));
        let (host, port, way) = (&jump.host, jump.port, through(hop.checked_sub(1)));
        let _ = write!(text, "Host interlock-jump-{hop}\n  HostName {host}\n  Port {port}\n{user}{way}");
    }
    for (kind, algorithms) in KINDS {
        let (host, port, way) = (&target.host, target.port, through(target.jumps.len().checked_sub(1)));
        // Some nodes ban whoever comes with the name of an account that is not there.
        let user = account(target.user.as_ref());
        let _ = write!(
            text,
            "Host interlock-{kind}\n  HostName {host}\n  Port {port}\n{user}{way}  HostKeyAlgorithms {algorithms}
  IdentityAgent none\n  PubkeyAuthentication no\n  PreferredAuthentications none
  StrictHostKeyChecking no\n  UserKnownHostsFile {}\n",
            shown(folder, kind).display()
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
  KexAlgorithms ^{QUICK}
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::ids::{HostName, NodeName};

    #[tokio::test]
    async fn nobody_goes_on_waiting_for_a_node_that_stands_still_after_its_greeting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            node: NodeName::parse("still").unwrap(),
            host: HostName::parse("127.0.0.1").unwrap(),
            port: listener.local_addr().unwrap().port(),
            user: None,
            jumps: vec![],
            known_hosts: String::new(),
            key: None,
            key_id: String::new(),
        };
        let asked = tokio::spawn(async move { scan_within(&target, Duration::from_secs(2)).await });
        let mut connections = Vec::new();
        for _ in KINDS {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-still\r\n").await.unwrap();
            connections.push(stream);
        }
        let why = asked.await.unwrap().unwrap_err().to_string();
        assert!(why.contains("it took longer than 2 seconds"), "{why}");
        // Each `ssh` ends by itself, and so do these.
        for mut stream in connections {
            let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut Vec::new())).await;
            assert!(ended.is_ok());
        }
    }
}
