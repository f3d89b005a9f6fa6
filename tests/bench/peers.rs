//! Other ways to run `true` on many nodes, each as people have it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fleet::{ACCOUNT, Fleet, PORT};
use crate::settle;

/// The rounds over nodes that a peer has no connection to.
pub(crate) const COLD: usize = 3;
/// The rounds over warm connections, of peers that keep some.
pub(crate) const WARM: usize = 3;

/// What was measured of one peer.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) cold: Vec<Duration>,
    pub(crate) warm: Vec<Duration>,
    /// The processor time of each cold round without that of the nodes, where it can be told apart.
    pub(crate) client: Vec<Duration>,
}

impl Figures {
    /// A cold round, which says how long it took.
    pub(crate) fn cold_round<E>(
        &mut self,
        fleet: &Fleet,
        round: impl FnOnce() -> Result<Duration, E>,
    ) -> Result<(), E> {
        settle();
        let before = fleet.client_used();
        self.cold.push(round()?);
        self.client.extend(fleet.client_used().zip(before).map(|(after, before)| after - before));
        Ok(())
    }

    /// A round over connections that are there.
    pub(crate) fn warm_round<E>(&mut self, round: impl FnOnce() -> Result<Duration, E>) -> Result<(), E> {
        settle();
        self.warm.push(round()?);
        Ok(())
    }
}

/// Every peer but [`ParallelSsh`] on the first nodes of the fleet; one that is not to be had says so in its place.
pub(crate) fn all(fleet: &Fleet, count: usize) -> Vec<(&'static str, Result<Figures, String>)> {
    let hosts = &fleet.addresses[..count];
    vec![
        ("xargs -P ssh", xargs(fleet, hosts, "plain")),
        ("xargs -P ssh, curve25519 first", xargs(fleet, hosts, "curve25519")),
        ("xargs -P ssh, ControlMaster", xargs(fleet, hosts, "warm")),
        ("clush", clush(fleet, hosts)),
        ("pdsh", pdsh(fleet, hosts)),
        ("ansible, raw module, forks = nodes", ansible(fleet, hosts)),
    ]
}

fn xargs(fleet: &Fleet, hosts: &[String], kind: &str) -> Result<Figures, String> {
    let list = fleet.folder().join("hosts");
    std::fs::write(&list, hosts.join("\n") + "\n").map_err(|e| e.to_string())?;
    let round = || {
        let mut command = Command::new("xargs");
        command.args(["-P", &hosts.len().to_string(), "-a"]).arg(&list).args(["-I{}", "ssh", "-F"]);
        timed(command.arg(fleet.client(kind)).args(["{}", "true"]))
    };
    if kind != "warm" {
        return rounds(fleet, COLD, 0, round);
    }
    let figures = rounds(fleet, 1, WARM, round)?;
    for host in hosts {
        timed(Command::new("ssh").arg("-F").arg(fleet.client(kind)).args(["-O", "exit", host]))?;
    }
    Ok(figures)
}

fn clush(fleet: &Fleet, hosts: &[String]) -> Result<Figures, String> {
    debian("clush", "clustershell")?;
    let round = || {
        let mut command = Command::new("clush");
        command.args(["-w", &hosts.join(","), "-f", &hosts.len().to_string(), "-q", "-o"]);
        timed(command.arg(format!("-F {}", fleet.client("plain").display())).arg("true"))
    };
    rounds(fleet, COLD, 0, round)
}

fn pdsh(fleet: &Fleet, hosts: &[String]) -> Result<Figures, String> {
    debian("pdsh", "pdsh")?;
    let round = || {
        let mut command = Command::new("pdsh");
        command.env("PDSH_SSH_ARGS_APPEND", format!("-F {}", fleet.client("plain").display()));
        command.args(["-S", "-R", "ssh", "-f", &hosts.len().to_string(), "-l", ACCOUNT, "-w", &hosts.join(",")]);
        timed(command.arg("true"))
    };
    rounds(fleet, COLD, 0, round)
}

/// Times itself, so that starting Python does not count. Does a round for each line that comes, over new connections when
/// it says so; those before are gone by then.
const PARALLEL_SSH: &str = "
import sys, time
from pssh.clients import ParallelSSHClient
key, user, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
hosts = sys.argv[4:]
client = None
for line in sys.stdin:
    if line == 'close\\n':
        client = None
        print(0, flush=True)
        continue
    began = time.monotonic()
    if client is None:
        client = ParallelSSHClient(hosts, user=user, port=port, pkey=key, pool_size=len(hosts))
    output = client.run_command('true')
    client.join(output)
    assert all(o.exit_code == 0 for o in output), 'a node failed'
    print(time.monotonic() - began, flush=True)
";

/// The quickest of the others: it speaks SSH in its own process. Asked round by round, so that it can be measured in turn
/// with Interlock.
pub(crate) struct ParallelSsh {
    child: Child,
    rounds: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl ParallelSsh {
    pub(crate) fn start(fleet: &Fleet, count: usize) -> Result<Self, String> {
        let python = from_pypi("parallel-ssh")?.join("python");
        let mut command = Command::new(python);
        command.args(["-c", PARALLEL_SSH]).arg(fleet.key()).args([ACCOUNT, &PORT.to_string()]);
        command.args(&fleet.addresses[..count]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let rounds = child.stdin.take().ok_or("it has no input")?;
        let lines = BufReader::new(child.stdout.take().ok_or("it has no output")?).lines();
        Ok(Self { child, rounds, lines })
    }

    /// A round over the connections that there are, or new ones; how long it took.
    pub(crate) fn round(&mut self) -> Result<Duration, String> {
        self.told("round\n")
    }

    /// Lets go of its connections.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        self.told("close\n").map(drop)
    }

    fn told(&mut self, what: &str) -> Result<Duration, String> {
        // One that has ended says why below.
        let _ = self.rounds.write_all(what.as_bytes());
        match self.lines.next() {
            Some(Ok(line)) => line.parse().map(Duration::from_secs_f64).map_err(|_| line),
            _ => {
                let mut said = String::new();
                if let Some(mut errors) = self.child.stderr.take() {
                    let _ = errors.read_to_string(&mut said);
                }
                Err(said.lines().last().unwrap_or("it ended").chars().take(120).collect())
            }
        }
    }
}

impl Drop for ParallelSsh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ansible(fleet: &Fleet, hosts: &[String]) -> Result<Figures, String> {
    let bin = from_pypi("ansible-core")?;
    let control = fleet.folder().join("ansible");
    let inventory = fleet.folder().join("inventory");
    std::fs::create_dir_all(&control).map_err(|e| e.to_string())?;
    std::fs::write(&inventory, hosts.join("\n") + "\n").map_err(|e| e.to_string())?;
    let arguments = format!("-F {} -o ControlMaster=auto -o ControlPersist=20s", fleet.client("plain").display());
    let round = || {
        let mut command = Command::new(bin.join("ansible"));
        command.env("ANSIBLE_SSH_ARGS", &arguments).env("ANSIBLE_SSH_CONTROL_PATH_DIR", &control);
        command.env("ANSIBLE_LOCALHOST_WARNING", "False").env("ANSIBLE_HOME", &control);
        command.args(["all", "-m", "raw", "-a", "true", "-f", &hosts.len().to_string(), "-i"]).arg(&inventory);
        timed(&mut command)
    };
    rounds(fleet, 1, WARM, round)
}

fn rounds(
    fleet: &Fleet,
    cold: usize,
    warm: usize,
    round: impl Fn() -> Result<Duration, String>,
) -> Result<Figures, String> {
    let mut figures = Figures::default();
    for _ in 0..cold {
        figures.cold_round(fleet, &round)?;
    }
    for _ in 0..warm {
        figures.warm_round(&round)?;
    }
    Ok(figures)
}

/// Runs a command that has to succeed within two minutes.
fn timed(command: &mut Command) -> Result<Duration, String> {
    let began = Instant::now();
    let mut limited = Command::new("timeout");
    limited.arg("120").arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let took = began.elapsed();
    if output.status.success() {
        return Ok(took);
    }
    let said =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr }).into_owned();
    let said: String = said.lines().last().unwrap_or_default().chars().take(120).collect();
    Err(format!("{}: {said}", output.status))
}

fn there(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Installs a package of Debian's when its program is missing.
fn debian(program: &str, package: &str) -> Result<(), String> {
    if !there(program) {
        let install = Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output();
        if !install.is_ok_and(|o| o.status.success()) {
            return Err(format!("the package {package} is not installed and could not be"));
        }
    }
    Ok(())
}

/// The programs of a virtual environment below `target/` that has a package of PyPI's.
fn from_pypi(package: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-peers");
    let mark = folder.join(format!("has-{package}"));
    let bin = folder.join("bin");
    if !mark.exists() {
        let quiet = |command: &mut Command| command.stdin(Stdio::null()).output().is_ok_and(|o| o.status.success());
        let made = bin.join("pip").exists() || quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        if !made || !quiet(Command::new(bin.join("pip")).args(["install", "--quiet", package])) {
            return Err(format!("the package {package} is not installed and could not be"));
        }
        std::fs::write(mark, "").map_err(|e| e.to_string())?;
    }
    Ok(bin)
}
