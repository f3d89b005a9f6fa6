//! Execution on nodes: the executor trait and its ssh, local and fake forms.
//!
//! Promises that a value reaches a step's process byte for byte or not at all, that no value and no secret ever stands
//! in an argv, that a ticket is started once on its node however often the start is sent, and that an outcome is what the
//! node said: never a guess. Knows neither jobs nor approvals nor the database; what may run was decided before.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use crate::domain::ids::{HostName, NodeName, RemoteUser, Ticket};
use crate::domain::node::Jump;
use crate::domain::secret::SecretText;

mod bootstrap;
mod crowd;
pub mod enrol;
pub mod fake;
mod flow;
mod frames;
pub mod local;
mod session;
pub mod ssh;
mod step;
mod stop;
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
    /// The host keys that the project trusts on the way there, as lines of OpenSSH's known_hosts format. Nothing else is
    /// trusted.
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
    /// How long it may take; then the node stops it, also when no server is there any more. Rounded up to seconds.
    pub timeout: Option<Duration>,
    /// Names its files on the node.
    pub ticket: Ticket,
    /// Counts who took the run: a node refuses a server that is behind another one.
    pub fence: i64,
    /// Whether it may have been started before.
    pub earlier: Earlier,
    /// How much of its output is known already, when it was.
    pub known: Known,
}

/// Whether a step may have been started before this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// No: its ticket was never sent.
    Never,
    /// Perhaps, this long ago at most. A node that was booted since then, or a container that was made since, does not start
    /// it.
    Perhaps(Duration),
    /// Yes: it is followed and not started.
    Surely,
}

/// Bytes of a step's output that are known already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Of standard output.
    pub out: u64,
    /// Of standard error.
    pub err: u64,
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

/// A file that is put beside the step's own on the node, readable by the account alone.
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
    /// Interlock's own words about the step: a lost connection, another way of running it.
    Remark,
}

impl Stream {
    /// The word in the API and in stored output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Remark => "remark",
        }
    }
}

/// A piece of a step's output, as it came; lines and characters may be cut. Not masked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The stream.
    pub stream: Stream,
    /// None where there is nothing yet, but the node has begun the step.
    pub bytes: Vec<u8>,
    /// How many bytes of the stream there were up to the end of this piece; 0 for remarks.
    pub end: u64,
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

/// What became of a step.
pub struct Ended {
    /// How it ended.
    pub outcome: StepOutcome,
    /// To be given once outcome and output are stored.
    pub receipt: Receipt,
}

impl Ended {
    /// An end that leaves nothing on a node.
    #[must_use]
    pub fn plain(outcome: StepOutcome) -> Self {
        Self { outcome, receipt: Receipt(None) }
    }
}

/// Tells the node that the server has everything, so that it may forget the output. One that is dropped tells nothing:
/// the node keeps it all, and whoever follows the ticket next gets the same answer.
pub struct Receipt(Option<BoxFuture<'static, ()>>);

impl Receipt {
    pub(crate) fn new(give: BoxFuture<'static, ()>) -> Self {
        Self(Some(give))
    }

    /// Puts something around its giving. Does nothing where there is none to give.
    pub(crate) fn wrapped(self, wrap: impl FnOnce(BoxFuture<'static, ()>) -> BoxFuture<'static, ()>) -> Self {
        Self(self.0.map(wrap))
    }

    /// Tells it.
    pub async fn give(self) {
        if let Some(give) = self.0 {
            give.await;
        }
    }
}

/// Runs steps. Boxed futures keep the trait usable as `dyn`.
pub trait Executor: Send + Sync {
    /// Runs one step to its end, or follows it when it was started before. Output goes to `output` as it comes; when
    /// nobody listens any more it is thrown away. Dropping the future stops nothing on the node; use `cancel`.
    fn run_step<'a>(
        &'a self,
        target: &'a Target,
        request: &'a StepRequest,
        output: mpsc::Sender<Chunk>,
        cancel: CancelSignal,
    ) -> BoxFuture<'a, Ended>;
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
