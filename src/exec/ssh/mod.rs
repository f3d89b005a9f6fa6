//! Runs steps on nodes over OpenSSH.
//!
//! The login shell of a node sees one constant command; everything else arrives on its standard input. Host keys are
//! strict against the project's own list, private keys live in memory, and connections are kept warm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use openssh::Stdio;
use tokio::sync::mpsc;

use super::session::{Channel, NotOpened, Session, Shell};
use super::{CancelSignal, Chunk, Ended, Executor, StepRequest, Target, bootstrap, step};

pub(super) mod agent;
mod arrivals;
mod attendant;
pub(super) mod config;
mod keeper;
mod master;
mod pool;
mod ready;
mod receipts;
mod trouble;

pub use config::KeyExchange;
use pool::Trust;

/// The SSH executor with its pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SshExecutor {
    pool: Arc<pool::Pool>,
    patience: Duration,
}

impl SshExecutor {
    /// Keeps sockets and configuration below this directory, in one of its own that is made 0700; or below `/tmp`
    /// when the path is too long for a socket. All its connections agree on their keys in the same way.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(control_directory: &Path, key_exchange: KeyExchange) -> std::io::Result<Self> {
        Ok(Self { pool: Arc::new(pool::Pool::new(control_directory, key_exchange)?), patience: step::PATIENCE })
    }

    /// Gives up a node that is out of reach for so long, with what runs on it unknown; 15 minutes otherwise.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects to the node and says why it cannot: for `node` pages and `doctor`.
    ///
    /// # Errors
    /// A stable code and a sentence.
    pub async fn check(&self, target: &Target) -> Result<(), (&'static str, String)> {
        self.pool.control(target).await.map(drop)
    }

    /// Ends all connections and agents. Steps under way become unknown.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Executor for SshExecutor {
    fn run_step<'a>(
        &'a self,
        target: &'a Target,
        request: &'a StepRequest,
        output: mpsc::Sender<Chunk>,
        cancel: CancelSignal,
    ) -> BoxFuture<'a, Ended> {
        async move {
            let shell = NodeShell { pool: self.pool.clone(), target };
            let mut ended = step::run(&shell, request, output, cancel, self.patience).await;
            // What is kept there was opened before this step's end.
            self.pool.vacate(target);
            let mut open = self.pool.receipt(target);
            let keep = ready::keep(&self.pool, target);
            ended.receipt = ended.receipt.wrapped(|give| {
                let whole = async move {
                    open.time().await;
                    give.await;
                    drop(open);
                    // Nobody has to wait for it.
                    drop(tokio::spawn(keep));
                };
                whole.boxed()
            });
            ended
        }
        .boxed()
    }
}

struct NodeShell<'a> {
    pool: Arc<pool::Pool>,
    target: &'a Target,
}

impl NodeShell<'_> {
    async fn try_open(&self, trust: Trust) -> Result<Session, NotOpened> {
        let (master, permit) = self.pool.session(self.target, trust).await?;
        open(master.session(), Box::new((permit, master))).await
    }
}

impl Shell for NodeShell<'_> {
    fn open(&self) -> BoxFuture<'_, Result<Session, NotOpened>> {
        async {
            let _hurry = self.pool.hurry(self.target);
            if let Some(session) = self.pool.ready(self.target).await {
                return Ok(session);
            }
            match self.try_open(Trust::Blind).await {
                // The connection has ended since it was used last. Nothing was sent yet, so once more is safe.
                Err(("connection_lost", _)) => self.try_open(Trust::Checked).await,
                other => other,
            }
        }
        .boxed()
    }

    fn open_control(&self) -> BoxFuture<'_, Result<Session, NotOpened>> {
        async {
            let master = self.pool.control(self.target).await?;
            open(master.session(), Box::new(master)).await
        }
        .boxed()
    }
}

async fn open(session: Arc<openssh::Session>, guard: Box<dyn std::any::Any + Send>) -> Result<Session, NotOpened> {
    let broken = |e: String| ("connection_lost", format!("the node did not open a session: {e}"));
    let mut child = session
        .arc_raw_command(&*bootstrap::COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .await
        .map_err(|e| broken(e.to_string()))?;
    let missing = || broken("it has no streams".to_owned());
    Ok(Session::new(Channel {
        stdin: Box::new(child.stdin().take().ok_or_else(missing)?),
        stdout: Box::new(child.stdout().take().ok_or_else(missing)?),
        stderr: Box::new(child.stderr().take().ok_or_else(missing)?),
        guard: Box::new((child, guard)),
    }))
}
