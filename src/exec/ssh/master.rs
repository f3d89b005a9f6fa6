//! A master connection: an `ssh` of ours that stays in the foreground, and that sessions are opened through.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::agent::Agent;
use super::arrivals::Arrivals;
use super::config::{self, Files};
use super::keeper::Keeper;
use super::trouble;
use crate::exec::Target;
use crate::exec::session::NotOpened;

/// A node that does not answer is given up by ssh; this is for one that stands still later, while it lets us in.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a master that was told to end may take.
const END: Duration = Duration::from_secs(2);
/// What it said is complete when it has ended, unless a connection to a jump host still holds the stream.
const REST: Duration = Duration::from_secs(1);
/// More than ssh says in any trouble.
const WORDS: u64 = 65_536;

/// It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Master {
    process: Mutex<Option<Process>>,
    session: Arc<openssh::Session>,
    used: Mutex<Instant>,
    _agent: Arc<Agent>,
}

impl Master {
    /// Connects, and says why it cannot.
    pub(super) async fn connect(
        target: &Target,
        files: &Files,
        sockets: &Arrivals,
        keeper: &Keeper,
        agent: Arc<Agent>,
    ) -> Result<Self, NotOpened> {
        let jump_log = || std::fs::read_to_string(&files.jump_log).unwrap_or_default();
        let socket = sockets.expect(config::short_name());
        let mut process = match keeper.group().and_then(|group| Process::start(&files.config, &socket.path, group)) {
            Ok(process) => process,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let message = "the program `ssh` is not installed on this machine; install OpenSSH's client";
                return Err(("no_ssh", message.to_owned()));
            }
            Err(e) => return Err(trouble::explain(target, &e.to_string(), "")),
        };
        let trouble = tokio::select! {
            biased;
            () = socket.wait() => None,
            said = process.last_words() => Some(said),
            () = tokio::time::sleep(LONGEST) => {
                Some(format!("the connection timed out: nobody was let in within {} seconds", LONGEST.as_secs()))
            }
        };
        if let Some(said) = trouble {
            return Err(trouble::explain(target, &said, &jump_log()));
        }
        // Whatever it says from now on nobody reads; it does not mind.
        drop(process.0.stderr.take());
        let session = openssh::Session::resume_mux(socket.path.clone().into_boxed_path(), None);
        Ok(Self {
            process: Mutex::new(Some(process)),
            session: Arc::new(session),
            used: Mutex::new(Instant::now()),
            _agent: agent,
        })
    }

    /// To open sessions with; it counts as used by that.
    pub(super) fn session(&self) -> Arc<openssh::Session> {
        *lock(&self.used) = Instant::now();
        Arc::clone(&self.session)
    }

    /// How long nobody has used it; from now on where somebody does.
    pub(super) fn idle(&self, used: bool) -> Duration {
        let mut last = lock(&self.used);
        if used {
            *last = Instant::now();
        }
        last.elapsed()
    }

    /// Whether its process has ended; asks nobody but the system.
    pub(super) fn ended(&self) -> bool {
        lock(&self.process).as_mut().is_none_or(|process| !matches!(process.0.try_wait(), Ok(None)))
    }

    /// Whether it answers.
    pub(super) async fn alive(&self) -> bool {
        !self.ended() && self.session().check().await.is_ok()
    }

    /// Ends it, whoever uses it, and waits for that.
    pub(super) async fn end(&self) {
        let process = lock(&self.process).take();
        if let Some(mut process) = process {
            process.terminate();
            let _ = timeout(END, process.0.wait()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The `ssh` of a master, ended when this is dropped.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(config: &Path, socket: &Path, group: i32) -> std::io::Result<Self> {
        let child = Command::new("ssh")
            .arg("-F")
            .arg(config)
            .arg("-S")
            .arg(socket)
            .args(["-M", "-N", config::ALIAS])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(group)
            .spawn()?;
        Ok(Self(child))
    }

    /// What it has said when it ends.
    async fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(stderr) = self.0.stderr.take() {
            let mut stderr = stderr.take(WORDS);
            let mut reading = std::pin::pin!(stderr.read_to_end(&mut said));
            tokio::select! {
                _ = &mut reading => {}
                _ = self.0.wait() => drop(timeout(REST, reading).await),
            }
        }
        let said = String::from_utf8_lossy(&said);
        said.trim().trim_start_matches("ssh: ").to_owned()
    }

    /// Asks it to end, unless it has: as long as nobody was told so its number is its own.
    fn terminate(&self) {
        if let Some(pid) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
    }
}
