//! The files that one master connection works from: its own ssh configuration and known_hosts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::digest::Digest;
use crate::exec::Target;

/// What the target is called on ssh's command line, so that no host name ever stands there.
pub(super) const ALIAS: &str = "interlock-target";

/// Socket paths must stay under 108 bytes, and ssh adds a temporary suffix of its own.
const LONGEST_SOCKET: usize = 100;
/// What openssh puts below the control directory: `/.ssh-connectionXXXXXX/master.XXXXXXXXXXXXXXXX`.
const SOCKET_TAIL: usize = 48;

/// A directory that only we can read, short enough for sockets.
#[derive(Debug)]
pub(super) struct ControlDirectory {
    path: PathBuf,
    /// Whether it was made for this process alone and goes with it.
    temporary: bool,
}

impl ControlDirectory {
    pub(super) fn create(wanted: &Path) -> std::io::Result<Self> {
        let own = uuid::Uuid::new_v4().simple().to_string();
        let name: String = own.chars().take(12).collect();
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
        Ok(Self { path, temporary: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlDirectory {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
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

/// Writes the configuration and the known_hosts file, both 0600; gives the configuration's path.
pub(super) fn write(directory: &Path, target: &Target, agent: &Path) -> std::io::Result<PathBuf> {
    let name = identity(target).short();
    let known_hosts = directory.join(format!("{name}.hosts"));
    let config = directory.join(format!("{name}.conf"));
    let mut hosts = target.known_hosts.clone();
    hosts.push('\n');
    replace(&known_hosts, hosts.as_bytes())?;
    replace(&config, text(target, &known_hosts, agent).as_bytes())?;
    Ok(config)
}

fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    // Another connection attempt may be reading the file that stands there.
    let new = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    std::fs::rename(new, path)
}

/// The whole configuration; neither the user's nor the machine's is read beside it.
fn text(target: &Target, known_hosts: &Path, agent: &Path) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(args);
        out.push('\n');
    };
    // A client that lost its master asks for host `none` by name; it must not reach anything.
    line(format_args!("Host none\n  ProxyCommand false"));
    let mut block = |name: &str, host: &str, port: u16, user: &str, through: &str| {
        line(format_args!("Host {name}\n  HostName {host}\n  Port {port}"));
        if !user.is_empty() {
            line(format_args!("  User {user}"));
        }
        if !through.is_empty() {
            line(format_args!("  ProxyJump {through}"));
        }
    };
    let names: Vec<String> = (0..target.jumps.len()).map(|i| format!("interlock-jump-{i}")).collect();
    for (name, jump) in names.iter().zip(&target.jumps) {
        block(name, jump.host.as_str(), jump.port, user(jump.user.as_ref().or(target.user.as_ref())), "");
    }
    block(ALIAS, target.host.as_str(), target.port, user(target.user.as_ref()), &names.join(","));
    // curve25519 first: it costs a tenth of the default's processor time per connection, which counts with hundreds
    // of nodes. The price is that recorded traffic is not safe from a future quantum computer.
    line(format_args!(
        "Host *
  AddKeysToAgent no
  BatchMode yes
  CanonicalizeHostname no
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
  KexAlgorithms ^curve25519-sha256,curve25519-sha256@libssh.org
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
    out
}
