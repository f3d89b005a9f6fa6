//! Many nodes on loopback: each has an address and a home of its own, all have one account and one key.
//!
//! An sshd listens on at most 16 addresses, so some of them share the nodes. Needs root, for the account.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client_end::ClientEnd;

/// The account on every node; its login shell is `/bin/sh`, and it has no start-up files.
pub(crate) const ACCOUNT: &str = "ilk-bench";
/// An account without any place to write, so that steps run attached.
pub(crate) const BARE_ACCOUNT: &str = "ilk-bench-bare";
pub(crate) const PORT: u16 = 22_423;
/// OpenSSH's limit.
const ADDRESSES: usize = 16;

/// Files and kinds of the keys that every sshd makes for itself where it is installed.
const HOST_KEYS: [(&str, &str); 3] = [("host.rsa", "rsa"), ("host.ecdsa", "ecdsa"), ("host.ed25519", "ed25519")];

pub(crate) struct Fleet {
    sshds: Vec<Child>,
    /// Where it can be told apart.
    client: Option<ClientEnd>,
    folder: tempfile::TempDir,
    pub(crate) addresses: Vec<String>,
}

impl Fleet {
    /// So many nodes, or why there are none.
    pub(crate) fn start(count: usize) -> Result<Self, String> {
        account(ACCOUNT)?;
        account(BARE_ACCOUNT)?;
        let broken = |e: std::io::Error| e.to_string();
        std::fs::create_dir_all("/run/sshd").map_err(broken)?;
        let folder = tempfile::Builder::new().prefix("ilk-fleet").tempdir().map_err(broken)?;
        // sshd reads the authorised keys with the rights of the account.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).map_err(broken)?;
        for (name, kind) in HOST_KEYS.into_iter().chain([("id", "ed25519")]) {
            let path = folder.path().join(name);
            run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(path))?;
        }
        let addresses: Vec<String> = (0..count).map(|n| format!("127.0.{}.{}", 1 + n / 250, 1 + n % 250)).collect();
        let mut fleet = Self { sshds: Vec::new(), client: ClientEnd::enter(), folder, addresses };
        let disk = fleet.folder().join("disk");
        std::fs::create_dir(&disk).map_err(broken)?;
        fleet.make_homes(&disk)?;
        for (number, some) in fleet.addresses.chunks(ADDRESSES).enumerate() {
            let config = fleet.folder().join(format!("sshd{number}"));
            std::fs::write(&config, sshd_config(fleet.folder(), some)).map_err(broken)?;
            let sshd =
                Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(config).stderr(Stdio::null()).spawn();
            let sshd = sshd.map_err(broken)?;
            if let Some(client) = &fleet.client {
                client.leave_out(sshd.id());
            }
            fleet.sshds.push(sshd);
        }
        let until = Instant::now() + Duration::from_secs(20);
        for address in &fleet.addresses {
            while TcpStream::connect((address.as_str(), PORT)).is_err() {
                if Instant::now() > until {
                    return Err(format!("no sshd answers at {address}"));
                }
                crate::pause(Duration::from_millis(20));
            }
        }
        fleet.write_client_files().map_err(broken)?;
        Ok(fleet)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The processor time of everything here but the nodes so far, where it can be told apart.
    pub(crate) fn client_used(&self) -> Option<Duration> {
        self.client.as_ref()?.used()
    }

    /// The private key of the account.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder().join("id")
    }

    /// What an ssh client is given with `-F`. `quick` prefers the algorithms that Interlock does, `curve25519` that one for
    /// the key exchange; the others have them as the client has. `warm` keeps a master for each node.
    pub(crate) fn client(&self, kind: &str) -> PathBuf {
        self.folder().join(format!("client.{kind}"))
    }

    /// The inventory of these nodes, each with a tag for every size of fleet that it belongs to.
    pub(crate) fn inventory(&self, sizes: &[usize]) -> String {
        let mut out = String::new();
        for (n, address) in self.addresses.iter().enumerate() {
            let tags: Vec<String> = sizes.iter().filter(|s| n < **s).map(|s| format!("first{s}")).collect();
            let node = |name: &str, account: &str, tags: &str| {
                format!(
                    "{name}: {{hostname: '{address}:{PORT}', username: {account}, \
                     ssh-key-storage-path: keys/bench/id, tags: '{tags}'}}\n"
                )
            };
            out.push_str(&node(&format!("n{n:03}"), ACCOUNT, &tags.join(",")));
            if n == 0 {
                out.push_str(&node("bare", BARE_ACCOUNT, "bare"));
            }
        }
        out
    }

    /// The names of the first nodes, for `node enrol`.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.addresses.len()).map(|n| format!("n{n:03}")).chain(["bare".to_owned()]).collect()
    }

    fn write_client_files(&self) -> std::io::Result<()> {
        let mut known = String::new();
        for (name, _) in HOST_KEYS {
            let host = std::fs::read_to_string(self.folder().join(format!("{name}.pub")))?;
            let key: Vec<&str> = host.split_whitespace().take(2).collect();
            for address in &self.addresses {
                let _ = writeln!(known, "[{address}]:{PORT} {}", key.join(" "));
            }
        }
        let f = self.folder().display();
        std::fs::write(self.folder().join("known_hosts"), known)?;
        let plain = format!(
            "Host *\n  User {ACCOUNT}\n  Port {PORT}\n  IdentityFile {f}/id\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {f}/known_hosts\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  \
             BatchMode yes\n  LogLevel ERROR\n"
        );
        let warm = format!("  ControlMaster auto\n  ControlPath {f}/cm-%h\n  ControlPersist 60\n");
        let quick = "  Ciphers ^aes128-gcm@openssh.com\n  KexAlgorithms ^ecdh-sha2-nistp256\n  \
                     HostKeyAlgorithms ^ecdsa-sha2-nistp256\n";
        std::fs::write(self.client("quick"), format!("{plain}{quick}"))?;
        std::fs::write(self.client("curve25519"), format!("{plain}  KexAlgorithms ^curve25519-sha256\n"))?;
        std::fs::write(self.client("warm"), format!("{plain}{warm}"))?;
        std::fs::write(self.client("plain"), plain)
    }
}

/// The nodes' homes in memory, for as long as this lives.
pub(crate) struct InMemory<'f> {
    fleet: &'f Fleet,
    _memory: tempfile::TempDir,
}

impl Fleet {
    /// Where the nodes' homes are: a link.
    fn homes(&self) -> PathBuf {
        self.folder().join("homes")
    }

    /// Makes a home for each node in there, and has all of them use it.
    fn make_homes(&self, place: &Path) -> Result<(), String> {
        let broken = |e: std::io::Error| e.to_string();
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755)).map_err(broken)?;
        for address in &self.addresses {
            std::fs::create_dir(place.join(address)).map_err(broken)?;
        }
        run(Command::new("chown").args(["-R", &format!("{ACCOUNT}:")]).arg(place))?;
        self.use_homes(place).map_err(broken)
    }

    fn use_homes(&self, place: &Path) -> std::io::Result<()> {
        let new = self.folder().join("homes.new");
        std::os::unix::fs::symlink(place, &new)?;
        std::fs::rename(new, self.homes())
    }

    /// Has the nodes use homes in memory. A file system without a journal looks at every file that was removed a moment ago
    /// before it makes one, which costs it more than all else that a short step does there.
    pub(crate) fn in_memory(&self) -> Result<InMemory<'_>, String> {
        let memory = tempfile::Builder::new().prefix("ilk-fleet").tempdir_in("/dev/shm").map_err(|e| e.to_string())?;
        // Not while steps before still tidy up.
        crate::settle();
        self.make_homes(memory.path())?;
        Ok(InMemory { fleet: self, _memory: memory })
    }
}

impl Drop for InMemory<'_> {
    fn drop(&mut self) {
        crate::settle();
        self.fleet.use_homes(&self.fleet.folder().join("disk")).unwrap();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for sshd in &mut self.sshds {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }
}

fn sshd_config(folder: &Path, addresses: &[String]) -> String {
    let listen: String = addresses.iter().map(|a| format!("ListenAddress {a}\n")).collect();
    let f = folder.display();
    let homes: String =
        addresses.iter().map(|a| format!("Match LocalAddress {a}\n  SetEnv HOME={f}/homes/{a}\n")).collect();
    let keys: String = HOST_KEYS.iter().map(|(name, _)| format!("HostKey {f}/{name}\n")).collect();
    format!(
        "Port {PORT}\n{listen}{keys}AuthorizedKeysFile {f}/id.pub\nUsePAM no\nStrictModes no\nPidFile none\n\
         UseDNS no\nPrintMotd no\nMaxStartups 500\nMatch User {BARE_ACCOUNT}\n  SetEnv TMPDIR=/proc\n{homes}"
    )
}

/// Makes the account if it is missing.
fn account(name: &str) -> Result<(), String> {
    if run(Command::new("id").arg(name)).is_err() {
        run(Command::new("useradd").args(["-m", "-s", "/bin/sh", name]))?;
        run(Command::new("usermod").args(["-p", "*", name]))?;
    }
    let home = format!("/home/{name}");
    if name == BARE_ACCOUNT {
        run(Command::new("chown").args(["root:", &home]))?;
        run(Command::new("chmod").args(["755", &home]))?;
    }
    Ok(())
}

/// Runs a command that has to succeed, without its words.
fn run(command: &mut Command) -> Result<(), String> {
    let outcome = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match outcome {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{:?} ended with {status}", command.get_program())),
        Err(error) => Err(format!("{:?}: {error}", command.get_program())),
    }
}
