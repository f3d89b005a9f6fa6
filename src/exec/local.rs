//! Runs steps on the machine that Interlock runs on, by the same program as on any node.

use std::process::Stdio;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use super::session::{Channel, NotOpened, Session, Shell};
use super::{CancelSignal, Chunk, Ended, Executor, StepRequest, Target, bootstrap, step};

/// The local executor. Steps do not see the server's own environment.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    shell: Vec<String>,
    env: Vec<(String, String)>,
}

impl LocalExecutor {
    /// Steps get these variables and their own; pass at least `PATH` and `HOME`.
    #[must_use]
    pub fn new(env: Vec<(String, String)>) -> Self {
        Self { shell: vec!["/bin/sh".to_owned()], env }
    }

    /// Uses another POSIX shell for the bootstrap, with its arguments: `["busybox", "sh"]`.
    #[must_use]
    pub fn with_shell(mut self, shell: &[&str]) -> Self {
        self.shell = shell.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    fn spawn(&self) -> Result<Channel, NotOpened> {
        let broken = |e: String| ("no_shell", format!("the local shell could not be started: {e}"));
        let (program, arguments) = self.shell.split_first().ok_or_else(|| broken("none is set".to_owned()))?;
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .args(bootstrap::ARGUMENTS)
            .env_clear()
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .current_dir("/")
            // An interrupt on the server's terminal is not meant for steps.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| broken(e.to_string()))?;
        let missing = || broken("it has no streams".to_owned());
        Ok(Channel {
            stdin: Box::new(child.stdin.take().ok_or_else(missing)?),
            stdout: Box::new(child.stdout.take().ok_or_else(missing)?),
            stderr: Box::new(child.stderr.take().ok_or_else(missing)?),
            guard: Box::new(child),
        })
    }
}

impl Shell for LocalExecutor {
    fn open(&self) -> BoxFuture<'_, Result<Session, NotOpened>> {
        async { self.spawn().map(Session::new) }.boxed()
    }

    fn open_control(&self) -> BoxFuture<'_, Result<Session, NotOpened>> {
        self.open()
    }
}

impl Executor for LocalExecutor {
    fn run_step<'a>(
        &'a self,
        _target: &'a Target,
        request: &'a StepRequest,
        output: mpsc::Sender<Chunk>,
        cancel: CancelSignal,
    ) -> BoxFuture<'a, Ended> {
        // The machine is always in reach; what fails twice fails again.
        step::run(self, request, output, cancel, std::time::Duration::from_secs(5)).boxed()
    }
}

#[cfg(test)]
mod tests;
