//! A private sshd on loopback, and accounts with every login shell, as nodes for tests. Needs root.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use interlock::domain::ids::{HostName, NodeName, RemoteUser};
use interlock::domain::secret::SecretText;
use interlock::exec::Target;
use interlock::exec::enrol::HostKey;

/// Login shells; the account of each is `ilk-NAME`.
pub(crate) const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "tcsh", "fish"];

/// What `unshare` makes a container of: it has processes of its own, and ends with whoever started it.
pub(crate) const CONTAINER: [&str; 5] = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// A running sshd with its own host key and one authorised user key. Ends when dropped.
pub(crate) struct Sshd {
    process: Child,
    directory: tempfile::TempDir,
    pub(crate) host: HostName,
    pub(crate) port: u16,
    pub(crate) host_key: HostKey,
    pub(crate) user_key: SecretText,
    log: mpsc::Receiver<String>,
}

impl Sshd {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1", None)
    }

    /// On a given address; with a given port in place of a free one.
    pub(crate) fn start_at(host: &str, port: Option<u16>) -> Self {
        Self::start_with(host, port, "")
    }

    /// With other lines in its configuration, which count before its own.
    pub(crate) fn start_with(host: &str, port: Option<u16>, more: &str) -> Self {
        Self::start_in(host, port, more, "")
    }

    /// Where file systems are mounted that only this node sees: by these commands, before it starts.
    pub(crate) fn start_in(host: &str, port: Option<u16>, more: &str, mounts: &str) -> Self {
        Self::start_by(host, port, more, |folder| {
            if mounts.is_empty() { launch(&[], "", folder) } else { launch(&["--mount"], mounts, folder) }
        })
    }

    /// In a container that is made now.
    pub(crate) fn start_in_container() -> Self {
        Self::start_by("127.0.0.1", None, "", |folder| launch(&CONTAINER, "", folder))
    }

    /// With its files in a folder, started by somebody else.
    pub(crate) fn start_by(host: &str, port: Option<u16>, more: &str, start: impl FnOnce(&Path) -> Launched) -> Self {
        accounts();
        fs::create_dir_all("/run/sshd").unwrap();
        let directory = tempfile::Builder::new().prefix("ilk-sshd").tempdir_in("/tmp").unwrap();
        let dir = directory.path();
        // sshd reads authorised keys with the rights of the account.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        key_pair(&dir.join("host"));
        key_pair(&dir.join("user"));
        fs::copy(dir.join("user.pub"), dir.join("authorized_keys")).unwrap();
        fs::set_permissions(dir.join("authorized_keys"), fs::Permissions::from_mode(0o644)).unwrap();
        let port = port.unwrap_or_else(|| TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port());
        let d = dir.display();
        fs::write(
            dir.join("config"),
            format!(
                "Port {port}\nListenAddress {host}\nHostKey {d}/host\nPidFile none\nAuthorizedKeysFile {d}/authorized_keys\n\
                 UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 {more}MaxStartups 200\nMaxSessions 10\nPrintMotd no\nLogLevel VERBOSE\n"
            ),
        )
        .unwrap();
        let Launched { process, log } = start(dir);
        let mut lines = BufReader::new(log).lines();
        let mut said = Vec::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("sshd ended: {said:?}")).unwrap();
            if line.contains("Server listening on") {
                break;
            }
            said.push(line);
        }
        // Its log goes on; a full pipe would stop it.
        let (write, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(write.send(line))));
        let host_key = HostKey::parse(&fs::read_to_string(dir.join("host.pub")).unwrap()).unwrap();
        let user_key = SecretText::new(fs::read_to_string(dir.join("user")).unwrap());
        Self { process, host: HostName::parse(host).unwrap(), port, host_key, user_key, directory, log }
    }

    /// The node that an account on this sshd is.
    pub(crate) fn target(&self, account: &str) -> Target {
        Target {
            node: NodeName::parse(account).unwrap(),
            host: self.host.clone(),
            port: self.port,
            user: Some(RemoteUser::parse(account).unwrap()),
            jumps: Vec::new(),
            known_hosts: self.host_key.known_hosts_line(&self.host, self.port),
            key: Some(self.user_key.clone()),
            key_id: "keys/test/id".to_owned(),
        }
    }

    /// The first line of its log from here on that has these words; waits for it.
    pub(crate) fn logged(&self, words: &str) -> String {
        let mut said = Vec::new();
        while let Ok(line) = self.log.recv_timeout(Duration::from_secs(10)) {
            if line.contains(words) {
                return line;
            }
            said.push(line);
        }
        panic!("no `{words}` in {said:#?}")
    }

    /// The process that takes connections.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An sshd that is starting.
pub(crate) struct Launched {
    /// Ends it when it is killed.
    pub(crate) process: Child,
    /// What it says.
    pub(crate) log: Box<dyn Read + Send>,
}

/// Starts an sshd with the files in the folder, in namespaces of its own where some are named, after these commands.
fn launch(apart: &[&str], commands: &str, folder: &Path) -> Launched {
    let mut command = Command::new(if apart.is_empty() { "/usr/sbin/sshd" } else { "unshare" });
    if !apart.is_empty() {
        let all = format!("{commands}\nexec /usr/sbin/sshd \"$@\"");
        command.args(apart).args(["sh", "-e", "-c", &all, "sshd"]);
    }
    command.args(["-D", "-e", "-f"]).arg(folder.join("config"));
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = Box::new(process.stderr.take().unwrap());
    Launched { process, log }
}

/// A fresh private key, as text.
pub(crate) fn other_key() -> SecretText {
    let directory = tempfile::tempdir().unwrap();
    key_pair(&directory.path().join("key"));
    SecretText::new(fs::read_to_string(directory.path().join("key")).unwrap())
}

/// A further host key of some kind: the line that it takes in sshd's configuration, and the key.
pub(crate) fn host_key(folder: &Path, kind: &str, name: &str) -> (String, HostKey) {
    let path = folder.join(name);
    key_pair_of(kind, &path);
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    (format!("HostKey {}\n", path.display()), HostKey::parse(&public).unwrap())
}

fn key_pair(path: &Path) {
    key_pair_of("ed25519", path);
}

fn key_pair_of(kind: &str, path: &Path) {
    let status =
        Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"]).arg(path).status().unwrap();
    assert!(status.success());
}

/// Makes the accounts that are missing. Tests run in several processes at once.
fn accounts() {
    let lock = fs::File::create("/tmp/ilk-accounts.lock").unwrap();
    lock.lock().unwrap();
    for (account, shell) in SHELLS.iter().map(|s| (format!("ilk-{s}"), format!("/bin/{s}"))).chain([
        ("ilk-noisy".to_owned(), "/bin/bash".to_owned()),
        ("ilk-closed".to_owned(), "/usr/sbin/nologin".to_owned()),
        ("ilk-bare".to_owned(), "/bin/sh".to_owned()),
    ]) {
        if Command::new("id").arg(&account).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success() {
            continue;
        }
        let shell = if Path::new(&shell).exists() { shell } else { shell.replace("/bin/", "/usr/bin/") };
        assert!(Command::new("useradd").args(["-m", "-s", &shell, &account]).status().unwrap().success(), "{account}");
        assert!(Command::new("usermod").args(["-p", "*", &account]).status().unwrap().success());
        if account == "ilk-bare" {
            // Nobody but root can write there.
            fs::set_permissions("/home/ilk-bare", fs::Permissions::from_mode(0o555)).unwrap();
            assert!(Command::new("chown").args(["root:root", "/home/ilk-bare"]).status().unwrap().success());
        }
        if account == "ilk-noisy" {
            fs::write("/home/ilk-noisy/.bashrc", "echo noise from bashrc\necho more noise >&2\nprintf 'exit 9'\n")
                .unwrap();
        }
    }
}
