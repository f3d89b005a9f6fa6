//! A private key in memory, with a socket at which `ssh` has things signed: it never becomes a file.
//!
//! A key of the usual kind is kept in this process, which has signed before an `ssh-agent` would have started. All other
//! kinds that OpenSSH can read are given to an `ssh-agent`.

mod ed25519;
mod serving;
mod strings;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::domain::secret::SecretText;

/// Both programs answer at once, or something is wrong.
const ANSWER: Duration = Duration::from_secs(10);

/// Runs the agent until our end of standard input is closed: also when this process was killed.
const KEEPER: &str = "ssh-agent -D -a \"$1\" </dev/null & read -r end; kill $!; wait";

/// An agent with one key. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Agent {
    socket: PathBuf,
    kept: Kept,
}

/// By whom the key is kept.
#[derive(Debug)]
enum Kept {
    Here(JoinHandle<()>),
    /// It ends when its keeper's standard input is closed, which happens when this is dropped.
    ByProgram {
        _keeper: Child,
    },
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Kept::Here(serving) = &self.kept {
            serving.abort();
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub(super) enum AgentError {
    /// There can be no socket.
    #[error("its agent has no socket: {0}")]
    Socket(std::io::Error),
    /// `ssh-agent` or `ssh-add` is missing or does not work.
    #[error("ssh-agent cannot be used on this machine ({0}); install OpenSSH's client programs")]
    Program(String),
    /// The key is not one.
    #[error("it is not a private key that OpenSSH can read without a passphrase ({0})")]
    Key(String),
}

impl Agent {
    /// Starts an agent with its socket in a directory that only we can read, and gives it the key.
    pub(super) async fn start(directory: &Path, key: &SecretText) -> Result<Self, AgentError> {
        let socket = directory.join(format!("{}.agent", super::config::short_name()));
        if let Some(key) = ed25519::Ed25519::read(key) {
            let listener = serving::listen(&socket).map_err(AgentError::Socket)?;
            return Ok(Self { socket, kept: Kept::Here(tokio::spawn(serving::serve(listener, key))) });
        }
        let broken = |e: std::io::Error| AgentError::Program(e.to_string());
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(broken)?;
        // It prints its socket once it listens.
        let stdout = keeper.stdout.take().ok_or_else(|| AgentError::Program("no output".to_owned()))?;
        let mut line = String::new();
        match tokio::time::timeout(ANSWER, BufReader::new(stdout).read_line(&mut line)).await {
            Ok(Ok(n)) if n > 0 => {}
            _ => return Err(AgentError::Program("it did not start".to_owned())),
        }
        let agent = Self { socket, kept: Kept::ByProgram { _keeper: keeper } };
        agent.add(key).await?;
        Ok(agent)
    }

    async fn add(&self, key: &SecretText) -> Result<(), AgentError> {
        let broken = |e: std::io::Error| AgentError::Program(e.to_string());
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg("-").env("SSH_AUTH_SOCK", &self.socket);
        let child = fed(&mut command, key).await.map_err(broken)?;
        let output = tokio::time::timeout(ANSWER, child.wait_with_output())
            .await
            .map_err(|_| AgentError::Program("ssh-add did not answer".to_owned()))?
            .map_err(broken)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(AgentError::Key(said.lines().next().unwrap_or("ssh-add refused it").trim().chars().take(120).collect()))
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Starts a program that reads a private key from its standard input, and hands it over. What is wrong with the key, the
/// program says by its exit code.
///
/// # Errors
/// When it cannot be started.
pub(in crate::exec) async fn fed(command: &mut Command, key: &SecretText) -> std::io::Result<Child> {
    let mut child = command
        // A key with a passphrase fails at once instead of asking somebody.
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("SSH_ASKPASS", "/bin/false")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut text = zeroize::Zeroizing::new(key.expose().replace("\r\n", "\n"));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    Ok(child)
}
