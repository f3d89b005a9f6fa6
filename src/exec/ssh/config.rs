//! The files that one master connection works from: its own ssh configuration and known_hosts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::digest::Digest;
use crate::domain::ids::HostName;
use crate::exec::{Target, enrol};

/// What the target is called on ssh's command line, so that no host name ever stands there.
pub(super) const ALIAS: &str = "interlock-target";

/// How a connection agrees on its key, and by which of its own keys a host shows that it is the one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// With elliptic curves: connecting takes down to a third of the time, which counts with hundreds of nodes. The NIST
    /// curve is first, for which OpenSSH has machine code, also for host keys where one on it is trusted. The price is that
    /// recorded traffic is not safe from a later quantum computer.
    #[default]
    Quick,
    /// As the installed client has it.
    OpenSsh,
}

/// Before what the client has.
pub(in crate::exec) const QUICK: &str = "ecdh-sha2-nistp256,curve25519-sha256,curve25519-sha256@libssh.org";
/// The kind of host key that is quickest to check: with ed25519, for which OpenSSH has no machine code, a connection takes
/// a sixth more processor time of both ends and the agent together.
const QUICK_HOST_KEY: &str = "ecdsa-sha2-nistp256";

/// The path of a socket has so many bytes at most.
const LONGEST_SOCKET: usize = 107;
/// What comes below the control directory, with the name that ssh makes a socket under before it has its own:
/// `/c/XXXXXXXXXXXX.XXXXXXXXXXXXXXXX`.
const SOCKET_TAIL: usize = 32;

/// A directory that only we can read, short enough for sockets. Goes with the process.
#[derive(Debug)]
pub(super) struct ControlDirectory {
    path: PathBuf,
    /// Locked as long as this process lives.
    _lock: std::fs::File,
}

/// Locked by the process that the directory belongs to.
const LOCK: &str = "lock";
/// Where its sockets are.
const SOCKETS: &str = "c";

impl ControlDirectory {
    pub(super) fn create(wanted: &Path) -> std::io::Result<Self> {
        let name = short_name();
        let inside = wanted.join(&name);
        let long = inside.as_os_str().len() + SOCKET_TAIL > LONGEST_SOCKET;
        let spaced =
            !inside.to_str().is_some_and(|p| p.bytes().all(|b| b.is_ascii_graphic() && !b"\"'%\\$".contains(&b)));
        let path = if long || spaced { Path::new("/tmp").join(format!("ilk-{name}")) } else { inside };
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        if !(long || spaced) {
            builder.recursive(true).create(wanted)?;
            builder.recursive(false);
        }
        builder.create(&path)?;
        builder.create(path.join(SOCKETS))?;
        let lock = std::fs::File::create(path.join(LOCK))?;
        lock.lock()?;
        if path.starts_with(wanted) {
            remove_left_behind(wanted);
        }
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the masters' sockets are, and nothing else.
    pub(super) fn sockets(&self) -> PathBuf {
        self.path.join(SOCKETS)
    }
}

/// A name that nothing else has, short enough for a socket.
pub(super) fn short_name() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect()
}

/// Directories of processes that were killed. Their keepers have ended their connections.
fn remove_left_behind(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let lock = std::fs::File::open(entry.path().join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // Whatever keeps it from going is no reason not to start.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for ControlDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Everything that makes two connections the same: account, address, way, key and trusted host keys.
pub(super) fn identity(target: &Target) -> Digest {
    let key = target.key.as_ref().map(|k| Digest::of(k.expose().as_bytes()).to_string());
    let way: Vec<String> =
        target.jumps.iter().map(|j| format!("{}@{} {}", user(j.user.as_ref()), j.host, j.port)).collect();
    Digest::of_json(&serde_json::json!([
        user(target.user.as_ref()),
        target.host.as_str(),
        target.port,
        way,
        key,
        target.key_id,
        Digest::of(target.known_hosts.as_bytes()).to_string(),
    ]))
}

fn user(user: Option<&crate::domain::ids::RemoteUser>) -> &str {
    user.map_or("", |u| u.as_str())
}

/// The files of one connection.
pub(super) struct Files {
    /// For `ssh -F`.
    pub config: PathBuf,
    /// Where the connections to jump hosts write what is wrong; that to the target says it to us.
    pub jump_log: PathBuf,
}

/// Writes the configuration and the known_hosts file, and where there are jump hosts an empty log; all 0600.
pub(super) fn write(
    directory: &Path,
    target: &Target,
    agent: &Path,
    key_exchange: KeyExchange,
) -> std::io::Result<Files> {
    let name = identity(target).short();
    let known_hosts = directory.join(format!("{name}.hosts"));
    let config = directory.join(format!("{name}.conf"));
    let jump_log = directory.join(format!("{name}.jumps"));
    let mut hosts = target.known_hosts.clone();
    hosts.push('\n');
    replace(&known_hosts, hosts.as_bytes())?;
    if !target.jumps.is_empty() {
        replace(&jump_log, b"")?;
    }
    let files = Files { config, jump_log };
    replace(&files.config, text(target, &known_hosts, agent, &files, key_exchange).as_bytes())?;
    Ok(files)
}

fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    // Another connection attempt may be reading the file that stands there.
    let new = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    std::fs::rename(new, path)
}

/// The whole configuration; neither the user's nor the machine's is read beside it.
fn text(target: &Target, known_hosts: &Path, agent: &Path, files: &Files, key_exchange: KeyExchange) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(args);
        out.push('\n');
    };
    // A client that lost its master asks for host `none` by name; it must not reach anything.
    line(format_args!("Host none\n  ProxyCommand false"));
    // In place of ProxyJump, whose errors would go nowhere. All parts of the command are fixed or made of letters,
    // digits and `._:-`.
    let through = |hop: Option<usize>| {
        hop.map_or(String::new(), |hop| {
            format!(
                "\n  ProxyCommand ssh -F {} -E {} -W [%h]:%p interlock-jump-{hop}",
                files.config.display(),
                files.jump_log.display()
            )
        })
    };
    let account = |user: &str| if user.is_empty() { String::new() } else { format!("\n  User {user}") };
    // Only where that key is trusted: the client would take another host key for a wrong one.
    let shown = |host: &HostName, port: u16| {
        let mut trusted = enrol::trusted_kinds(&target.known_hosts, host, port);
        if key_exchange == KeyExchange::Quick && trusted.any(|kind| kind == QUICK_HOST_KEY) {
            format!("\n  HostKeyAlgorithms ^{QUICK_HOST_KEY}")
        } else {
            String::new()
        }
    };
    for (hop, jump) in target.jumps.iter().enumerate() {
        line(format_args!(
            "Host interlock-jump-{hop}\n  HostName {}\n  Port {}{}{}{}",
            jump.host,
            jump.port,
            account(user(jump.user.as_ref().or(target.user.as_ref()))),
            shown(&jump.host, jump.port),
            through(hop.checked_sub(1))
        ));
    }
    line(format_args!(
        "Host {ALIAS}\n  HostName {}\n  Port {}{}{}{}",
        target.host,
        target.port,
        account(user(target.user.as_ref())),
        shown(&target.host, target.port),
        through(target.jumps.len().checked_sub(1))
    ));
    // AES with GCM first: most processors have instructions for it, and much output costs a third less time at both ends
    // than with the default.
    line(format_args!(
        "Host *
  AddKeysToAgent no
  BatchMode yes
  CanonicalizeHostname no
  Ciphers ^aes128-gcm@openssh.com
  ClearAllForwardings yes
  Compression no
  ConnectTimeout 10
  ForwardAgent no
  ForwardX11 no
  GlobalKnownHostsFile /dev/null
  HashKnownHosts no
  IdentityAgent {}
  IdentityFile none
  KbdInteractiveAuthentication no
  LogLevel ERROR
  PasswordAuthentication no
  PermitLocalCommand no
  PreferredAuthentications publickey
  ServerAliveCountMax 3
  ServerAliveInterval 15
  StrictHostKeyChecking yes
  UpdateHostKeys no
  UserKnownHostsFile {}
  VisualHostKey no",
        agent.display(),
        known_hosts.display()
    ));
    if key_exchange == KeyExchange::Quick {
        line(format_args!("  KexAlgorithms ^{QUICK}"));
    }
    out
}
