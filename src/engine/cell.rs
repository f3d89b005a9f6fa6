//! One step on one node: sent to the node, followed, tried again where that is allowed, and reported.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::insist::{LetGo, insist};
use super::output::News;
use super::words::verdict;
use crate::app::App;
use crate::app::work::StepReport;
use crate::domain::ids::{NodeName, RunNumber, StepName, Ticket};
use crate::domain::mask::Masker;
use crate::domain::moment::Moment;
use crate::domain::resume::{may_try_again, number, sent_ago};
use crate::domain::run::StepState;
use crate::domain::time::Timestamp;
use crate::domain::walk::Cell;
use crate::exec::{CancelSignal, Chunk, Earlier, Ended, Executor, Known, Receipt, StepOutcome, StepRequest, Target};

/// Everything that one step on one node needs.
pub(super) struct Work {
    pub(super) reporter: Reporter,
    pub(super) executor: Arc<dyn Executor>,
    /// Where it runs, or why that cannot be.
    pub(super) target: Result<Target, String>,
    pub(super) request: StepRequest,
    pub(super) news: mpsc::Sender<News>,
    pub(super) masker: Masker,
    pub(super) signal: CancelSignal,
    pub(super) attempt: u32,
    pub(super) tries: u32,
    pub(super) delay: Duration,
    pub(super) idempotent: bool,
}

/// Where a step on a node goes on.
pub(super) enum From {
    /// With this try, from 0.
    Try(u32),
    /// With a try, from 0, that another server began and may have sent.
    Begun {
        one: u32,
        ticket: Ticket,
        since: Option<Timestamp>,
        /// Whether the node said that it had begun it.
        surely: bool,
        /// How much of its output is stored.
        known: Known,
    },
}

impl Work {
    /// Runs the step to its end; its last state.
    pub(super) async fn run(mut self, from: From) -> Result<StepState, LetGo> {
        let mut one = match &from {
            From::Try(one) | From::Begun { one, .. } => *one,
        };
        let mut begun = Some(from);
        loop {
            // Each try of each attempt has a row of its own.
            let count = number(self.attempt, self.tries, one);
            let now = self.reporter.app.clock().now();
            self.request.attempt = count;
            let started_at = self.prepare(begun.take(), now);
            // A start is on the record before it is sent, so that whoever takes the run over knows where to look.
            self.reporter.say(count, StepState::Running, None, String::new(), started_at, &self.request.ticket).await?;
            let ended = match &self.target {
                Ok(target) => through(&self, target).await,
                Err(why) => Ended::plain(StepOutcome::CouldNotStart { code: "no_key", message: why.clone() }),
            };
            let state = self.report(count, ended, started_at).await?;
            if !may_try_again(state, self.idempotent) || one + 1 >= self.tries {
                return Ok(state);
            }
            let mut canceled = self.signal.clone();
            tokio::select! {
                () = tokio::time::sleep(self.delay) => {}
                () = canceled.given() => return Ok(state),
            }
            one += 1;
        }
    }

    /// Fills in what tells this try from others; when it began.
    fn prepare(&mut self, from: Option<From>, now: Timestamp) -> Option<Timestamp> {
        if let Some(From::Begun { ticket, since, surely, known, .. }) = from {
            let surely = surely || known.out > 0 || known.err > 0;
            self.request.ticket = ticket;
            self.request.known = known;
            self.request.earlier = match sent_ago(since, now) {
                _ if self.idempotent => Earlier::Never,
                Some(ago) if !surely => Earlier::Perhaps(ago),
                // A node that does not know the step may have begun it and been booted since.
                Some(_) | None => Earlier::Surely,
            };
            return since;
        }
        self.request.ticket = super::target::fresh_ticket();
        self.request.known = Known::default();
        self.request.earlier = Earlier::Never;
        Some(now)
    }

    /// Stores the output's end and the outcome; only then the node may forget them.
    async fn report(&self, count: u32, ended: Ended, started_at: Option<Timestamp>) -> Result<StepState, LetGo> {
        let Ended { outcome, receipt } = ended;
        let (state, code, message) = verdict(outcome);
        let message = String::from_utf8_lossy(&self.masker.mask(message.as_bytes())).into_owned();
        let (node, step) = (self.reporter.node.clone(), self.reporter.step.clone());
        if !message.is_empty() {
            let text = message.clone();
            // The writer is only gone when the run is being given up.
            let remark = News::Remark { node: node.clone(), step: step.clone(), attempt: count, text };
            let _ = self.news.send(remark).await;
        }
        let (stored, waits) = oneshot::channel();
        let _ = self.news.send(News::Ended { node, step, attempt: count, stored }).await;
        let _ = waits.await;
        Moment::CodeUncommitted.reached();
        self.reporter.say(count, state, code, message, started_at, &self.request.ticket).await?;
        give(receipt);
        Ok(state)
    }
}

/// Nobody waits for the node's tidying.
fn give(receipt: Receipt) {
    tokio::spawn(receipt.give());
}

/// Runs a step and hands its output on.
async fn through(work: &Work, target: &Target) -> Ended {
    // Each node holds little, as there may be hundreds that write at once.
    let (sender, mut receiver) = mpsc::channel::<Chunk>(1);
    let (node, step) = (&work.reporter.node, &work.reporter.step);
    let forward = async {
        while let Some(chunk) = receiver.recv().await {
            if chunk.bytes.is_empty() {
                work.reporter.begun(work.request.attempt);
                continue;
            }
            let news = News::chunk(node.clone(), step.clone(), work.request.attempt, chunk);
            if work.news.send(news).await.is_err() {
                return;
            }
        }
    };
    let run = work.executor.run_step(target, &work.request, sender, work.signal.clone());
    let (ended, ()) = tokio::join!(run, forward);
    ended
}

/// Writes how one step on one node stands.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) app: Arc<App>,
    pub(super) number: RunNumber,
    pub(super) fence: i64,
    pub(super) node: NodeName,
    pub(super) step: StepName,
    pub(super) cell: Cell,
}

impl Reporter {
    async fn say(
        &self,
        attempt: u32,
        state: StepState,
        exit_code: Option<i32>,
        message: String,
        started_at: Option<Timestamp>,
        ticket: &Ticket,
    ) -> Result<(), LetGo> {
        let report = StepReport {
            node: self.node.clone(),
            index: self.cell.step,
            step: self.step.clone(),
            attempt,
            state,
            exit_code,
            message,
            started_at,
            ticket: Some(ticket.clone()),
        };
        self.write(report).await
    }

    /// Notes that the node has begun the step. No output waits for it, nor is it insisted on: it counts where the node has
    /// lost the step by the time that another server asks.
    fn begun(&self, attempt: u32) {
        let (app, node) = (Arc::clone(&self.app), self.node.clone());
        let (number, fence, index) = (self.number, self.fence, self.cell.step);
        tokio::spawn(async move { app.report_begun(number, fence, node, index, attempt).await });
    }

    /// Says that the step was left out.
    pub(super) async fn skipped(&self, attempt: u32) -> Result<(), LetGo> {
        let report = StepReport {
            node: self.node.clone(),
            index: self.cell.step,
            step: self.step.clone(),
            attempt,
            state: StepState::Skipped,
            exit_code: None,
            message: String::new(),
            started_at: None,
            ticket: None,
        };
        self.write(report).await
    }

    async fn write(&self, report: StepReport) -> Result<(), LetGo> {
        insist("how a step stands", || self.app.report_step(self.number, self.fence, report.clone())).await
    }
}
