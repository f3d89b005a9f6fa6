//! Execution on nodes: the executor trait and its ssh, local and fake forms.
//!
//! Promises that a value reaches a step's process byte for byte or not at all, that no value and no secret ever stands
//! in an argv, and that an outcome is what the node said: never a guess. Knows neither jobs nor approvals nor the
//! database; what may run was decided before.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use crate::domain::ids::{HostName, NodeName, RemoteUser};
use crate::domain::node::Jump;
use crate::domain::secret::SecretText;

mod bootstrap;
mod conversation;
pub mod enrol;
pub mod fake;
mod frames;
pub mod local;
pub mod ssh;
mod wire;

/// Where a step runs and how to get there.
#[derive(Debug, Clone)]
pub struct Target {
    /// The node's name.
    pub node: NodeName,
    /// Where SSH connects to.
    pub host: HostName,
    /// SSH port.
    pub port: u16,
    /// The account; absent means the account that Interlock runs under.
    pub user: Option<RemoteUser>,
    /// Hosts on the way, first hop first.
    pub jumps: Vec<Jump>,
    /// The project's host keys, as lines of OpenSSH's known_hosts format. Nothing else is trusted.
    pub known_hosts: String,
    /// The private key that is offered.
    pub key: Option<SecretText>,
    /// What the key is called in messages: its place in the key store.
    pub key_id: String,
}

/// What a step runs.
#[derive(Debug, Clone)]
pub struct StepRequest {
    /// The run's number.
    pub run: i64,
    /// The step's name.
    pub step: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The interpreter's path with its own arguments, separated by spaces: `/bin/sh`, `/usr/bin/env python3`.
    pub interpreter: String,
    /// The script, written to a file that the interpreter gets as its last argument.
    pub body: Vec<u8>,
    /// Variables that are added to the account's environment.
    pub env: Vec<(String, EnvValue)>,
    /// Uploaded files.
    pub files: Vec<UploadedFile>,
    /// How long it may take; then it is stopped.
    pub timeout: Option<Duration>,
}

/// A variable's value.
#[derive(Debug, Clone)]
pub enum EnvValue {
    /// Not secret.
    Text(String),
    /// Secret; travels the same way, and is never shown by `Debug`.
    Secret(SecretText),
}

impl EnvValue {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

/// A file that is put into the step's directory on the node, readable by the account alone.
#[derive(Debug, Clone)]
pub struct UploadedFile {
    /// The variable that holds its path.
    pub variable: String,
    /// Its name; no directory.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word in the API and in stored output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A piece of a step's output, as it came; lines and characters may be cut. Not masked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The stream.
    pub stream: Stream,
    /// At least one byte.
    pub bytes: Vec<u8>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It ended with this code. As in shells, a process that signal `n` ended has the code 128 + n.
    Exited(i32),
    /// Its time was up, and the node confirmed that nothing of it is left.
    TimedOut,
    /// It was stopped on request, and the node confirmed that nothing of it is left; or it had not begun.
    Canceled,
    /// It never began: certain, so it may be tried again.
    CouldNotStart {
        /// A stable snake_case word: `node_down`, `host_key_unknown`, `permission_denied`, …
        code: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// It began, or may have begun, and how it ended could not be learnt.
    Unknown {
        /// What is known.
        message: String,
    },
}

/// Runs steps. Boxed futures keep the trait usable as `dyn`.
pub trait Executor: Send + Sync {
    /// Runs one step to its end. Output goes to `output` as it comes; when nobody listens any more it is thrown away.
    /// Dropping the future stops nothing on the node; use `cancel`.
    fn run_step<'a>(
        &'a self,
        target: &'a Target,
        request: &'a StepRequest,
        output: mpsc::Sender<Chunk>,
        cancel: CancelSignal,
    ) -> BoxFuture<'a, StepOutcome>;
}

/// Asks the steps of its [`CancelSignal`] to stop.
#[derive(Debug, Clone)]
pub struct CancelHandle(std::sync::Arc<watch::Sender<bool>>);

/// Tells a step that it has to stop.
#[derive(Debug, Clone)]
pub struct CancelSignal(watch::Receiver<bool>);

/// A handle and the signal that it gives.
#[must_use]
pub fn cancel_pair() -> (CancelHandle, CancelSignal) {
    let (sender, receiver) = watch::channel(false);
    (CancelHandle(std::sync::Arc::new(sender)), CancelSignal(receiver))
}

impl CancelHandle {
    /// Asks to stop. Asking twice is the same as once.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl CancelSignal {
    /// A signal that never comes.
    #[must_use]
    pub fn never() -> Self {
        cancel_pair().1
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is given; for ever when its handle is gone.
    pub async fn given(&mut self) {
        if self.0.wait_for(|given| *given).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
