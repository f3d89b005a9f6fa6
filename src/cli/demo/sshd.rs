//! A private SSH server on loopback, as the demo's nodes: its own host key, one authorised key, nothing of the machine's
//! own configuration. It runs as whoever runs the demo and ends when it is dropped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::project::NODES;
use crate::cli::Failure;
use crate::domain::secret::SecretText;
use crate::exec::enrol::HostKey;

const INSTALL: &str =
    "install OpenSSH (Debian: `apt-get install openssh-server openssh-client`) and start the demo again";

/// A running server.
pub(super) struct Sshd {
    process: Child,
    pub(super) addresses: [&'static str; 3],
    pub(super) port: u16,
    pub(super) account: String,
    pub(super) host_key: HostKey,
    pub(super) user_key: SecretText,
}

impl Sshd {
    /// Starts it with everything that it needs in `dir`; back once it listens.
    pub(super) fn start(dir: &Path) -> Result<Self, Failure> {
        let program = program()?;
        let broken = |what: &str, e: &dyn std::fmt::Display| Failure::Broken(format!("{what}: {e}"));
        if rustix::process::geteuid().is_root() {
            // A server that root starts refuses to go on without it; packages make it when their own server starts.
            fs::create_dir_all("/run/sshd").map_err(|e| broken("/run/sshd cannot be made", &e))?;
        }
        fs::create_dir_all(dir.join("tmp")).map_err(|e| broken("the demo's folder cannot be used", &e))?;
        key_pair(&dir.join("host"))?;
        key_pair(&dir.join("user"))?;
        let read = |name: &str| {
            fs::read_to_string(dir.join(name)).map_err(|e| broken(&format!("the new key {name} cannot be read"), &e))
        };
        let host_key = HostKey::parse(&read("host.pub")?).map_err(|e| broken("the new host key", &e))?;
        let user_key = SecretText::new(read("user")?);
        // From here on the private key is in the key store only.
        fs::remove_file(dir.join("user")).map_err(|e| broken("the demo's folder cannot be used", &e))?;
        let (addresses, port) = free()?;
        let config = dir.join("config");
        fs::write(&config, configuration(dir, addresses, port))
            .map_err(|e| broken("the SSH server's configuration cannot be written", &e))?;
        let process = launch(&program, &config, distinct(addresses).len())?;
        Ok(Self { process, addresses, port, account: account()?, host_key, user_key })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// sshd insists on being started by its whole path.
fn program() -> Result<PathBuf, Failure> {
    let places = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/opt/homebrew/sbin", "/usr/pkg/sbin"];
    let found = places.iter().map(|dir| Path::new(dir).join("sshd")).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::Broken(format!("the demo's nodes need an SSH server, and there is no sshd on this machine; {INSTALL}"))
    })
}

fn key_pair(path: &Path) -> Result<(), Failure> {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "interlock demo", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Failure::Broken(format!("ssh-keygen cannot be started ({e}); {INSTALL}")))?;
    if made.status.success() {
        return Ok(());
    }
    Err(Failure::Broken(format!("ssh-keygen made no key: {}", String::from_utf8_lossy(&made.stderr).trim())))
}

/// Whom a session on the demo's nodes runs as: the server cannot change to another account unless it is root's.
fn account() -> Result<String, Failure> {
    let told = Command::new("id").arg("-un").stdin(Stdio::null()).output();
    let told =
        told.map_err(|e| Failure::Broken(format!("the name of this account cannot be learnt from `id`: {e}")))?;
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// An address a node where the machine has them (all of Linux), one for all elsewhere; and a port that is free on each.
fn free() -> Result<([&'static str; 3], u16), Failure> {
    let own = NODES.map(|(_, address)| address);
    for addresses in [own, ["127.0.0.1"; 3]] {
        for _ in 0..20 {
            let Some(port) = TcpListener::bind((addresses[0], 0)).ok().and_then(|l| l.local_addr().ok()) else { break };
            let port = port.port();
            if distinct(addresses).iter().all(|address| TcpListener::bind((*address, port)).is_ok()) {
                return Ok((addresses, port));
            }
        }
    }
    Err(Failure::Broken("no port is free on 127.0.0.1 for the demo's SSH server".to_owned()))
}

fn distinct(addresses: [&'static str; 3]) -> std::collections::BTreeSet<&'static str> {
    addresses.into_iter().collect()
}

fn configuration(dir: &Path, addresses: [&'static str; 3], port: u16) -> String {
    let listen: String = distinct(addresses).iter().map(|address| format!("ListenAddress {address}\n")).collect();
    let d = dir.display();
    format!(
        "Port {port}\n{listen}HostKey {d}/host\nPidFile none\nAuthorizedKeysFile {d}/user.pub\nStrictModes no\n\
         UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
         AllowTcpForwarding no\nX11Forwarding no\nPrintMotd no\nLogLevel INFO\nSetEnv TMPDIR={d}/tmp\n"
    )
}

/// Starts the server and waits until it listens on every address.
fn launch(program: &Path, config: &Path, addresses: usize) -> Result<Child, Failure> {
    let mut process = Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C goes to the whole group, and runs that are under way need their nodes to end.
        .process_group(0)
        .spawn()
        .map_err(|e| Failure::Broken(format!("{} cannot be started ({e}); {INSTALL}", program.display())))?;
    let (mut said, mut listening) = (Vec::new(), 0);
    if let Some(stderr) = process.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            listening += usize::from(line.contains("Server listening on"));
            if listening == addresses {
                // Its log goes on; a full pipe would stop it.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(process);
            }
            said.push(line);
        }
    }
    let _ = process.kill();
    let _ = process.wait();
    Err(Failure::Broken(format!("the demo's SSH server ended at once: {}", said.join("; "))))
}
