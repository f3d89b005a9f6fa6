//! An executor of scripted answers, for tests of what drives executors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::{Notify, mpsc};

use super::{CancelSignal, Chunk, Ended, Executor, StepOutcome, StepRequest, Stream, Target};

/// Answers by node and step, and remembers what it was asked. Without a script a step ends with 0.
#[derive(Debug, Clone, Default)]
pub struct FakeExecutor {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    scripts: Mutex<HashMap<(String, String), Vec<Script>>>,
    calls: Mutex<Vec<Call>>,
    started: Notify,
}

/// What a step does.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it writes first.
    pub output: Vec<Chunk>,
    /// When it ends.
    pub end: End,
}

/// When a scripted step ends, and how.
#[derive(Debug, Clone)]
pub enum End {
    /// At once.
    With(StepOutcome),
    /// When it is canceled; so it can be found running. With another outcome than `Canceled` where one is wanted.
    OnCancel(StepOutcome),
    /// When the test says so.
    OnRelease(Arc<Notify>, StepOutcome),
}

/// One call that was made.
#[derive(Debug, Clone)]
pub struct Call {
    /// The node.
    pub target: Target,
    /// The step.
    pub request: StepRequest,
}

impl Script {
    /// Ends at once with this code.
    #[must_use]
    pub fn exits(code: i32) -> Self {
        Self { output: Vec::new(), end: End::With(StepOutcome::Exited(code)) }
    }

    /// Ends at once in this way.
    #[must_use]
    pub fn ends(outcome: StepOutcome) -> Self {
        Self { output: Vec::new(), end: End::With(outcome) }
    }

    /// Runs until it is canceled.
    #[must_use]
    pub fn hangs() -> Self {
        Self { output: Vec::new(), end: End::OnCancel(StepOutcome::Canceled) }
    }

    /// Writes this to standard output first.
    #[must_use]
    pub fn says(mut self, text: &str) -> Self {
        let before = self.output.last().map_or(0, |chunk| chunk.end);
        let end = before + u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.output.push(Chunk { stream: Stream::Stdout, bytes: text.as_bytes().to_vec(), end });
        self
    }
}

impl FakeExecutor {
    /// An executor without scripts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer; several for the same step are given in order, the last one again and again.
    pub fn script(&self, node: &str, step: &str, script: Script) {
        lock(&self.shared.scripts).entry((node.to_owned(), step.to_owned())).or_default().push(script);
    }

    /// What was asked, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// Waits until so many steps were started.
    pub async fn started(&self, count: usize) {
        loop {
            let next = self.shared.started.notified();
            tokio::pin!(next);
            next.as_mut().enable();
            if lock(&self.shared.calls).len() >= count {
                return;
            }
            next.await;
        }
    }

    fn next(&self, node: &str, step: &str) -> Script {
        let mut scripts = lock(&self.shared.scripts);
        match scripts.get_mut(&(node.to_owned(), step.to_owned())) {
            Some(list) if list.len() > 1 => list.remove(0),
            Some(list) => list.first().cloned().unwrap_or_else(|| Script::exits(0)),
            None => Script::exits(0),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor for FakeExecutor {
    fn run_step<'a>(
        &'a self,
        target: &'a Target,
        request: &'a StepRequest,
        output: mpsc::Sender<Chunk>,
        mut cancel: CancelSignal,
    ) -> BoxFuture<'a, Ended> {
        async move {
            let script = self.next(target.node.as_str(), &request.step);
            lock(&self.shared.calls).push(Call { target: target.clone(), request: request.clone() });
            self.shared.started.notify_waiters();
            for chunk in script.output {
                // A test that does not read the output does not want it.
                let _ = output.send(chunk).await;
            }
            let outcome = match script.end {
                End::With(outcome) => outcome,
                End::OnCancel(outcome) => {
                    cancel.given().await;
                    outcome
                }
                End::OnRelease(release, outcome) => tokio::select! {
                    () = release.notified() => outcome,
                    () = cancel.given() => StepOutcome::Canceled,
                },
            };
            Ended::plain(outcome)
        }
        .boxed()
    }
}
