//! Carries out one run: walks its plan, runs steps on nodes, reports what is known.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Executors;
use super::output::{self, News, stream_of};
use super::report::until_taken;
use super::target::Supplies;
use crate::app::App;
use crate::app::error::AppError;
use crate::app::work::{Assignment, StepReport};
use crate::domain::mask::Masker;
use crate::domain::node::Transport;
use crate::domain::plan::Plan;
use crate::domain::run::{State, StepState, WorkOutcome, sum_up};
use crate::domain::walk::{Cell, Walk};
use crate::exec::{CancelHandle, CancelSignal, Chunk, Executor, StepOutcome, cancel_pair};

/// How often the lease is renewed and a cancel is looked for.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Carries a run to its end. Every fault ends as a report; one that cannot be reported leaves the lease to run out.
pub(super) async fn carry_out(app: Arc<App>, executors: Executors, assignment: Assignment) {
    let (number, fence) = (assignment.number, assignment.fence);
    let supplies = match until_taken(number, || Supplies::fetch(&app, &assignment.plan)).await {
        Ok(supplies) => supplies,
        Err(error) => {
            let why = match error {
                AppError::Refused(refusal) => refusal.message,
                AppError::Fault(cause) => {
                    tracing::error!(run.number = number.get(), error.cause = cause, "a run could not be prepared");
                    "What the run needs could not be read.".to_owned()
                }
            };
            end(&app, &assignment, WorkOutcome::Failed, format!("Nothing was started: {why}")).await;
            return;
        }
    };
    let masker = Masker::new(&supplies.secrets);
    let (news, receiver) = mpsc::channel(1_024);
    let writer = tokio::spawn(output::write(Arc::clone(&app), number, fence, masker.clone(), receiver));
    let run = Run { app: Arc::clone(&app), executors, assignment, supplies, masker, news };
    let (outcome, reason) = run.walk().await;
    let assignment = Assignment { number, fence, plan: run.finish() };
    let written = writer.await.unwrap_or_default();
    let truncated = written.missing.is_some();
    if until_taken(number, || app.report_log(number, fence, written.bytes, truncated)).await.is_err() {
        return;
    }
    let reason = match written.missing {
        Some(why) => format!("{reason} Some of the output could not be kept: {}.", why.words()),
        None => reason,
    };
    end(&app, &assignment, outcome, reason.trim().to_owned()).await;
}

async fn end(app: &App, assignment: &Assignment, outcome: WorkOutcome, reason: String) {
    let report = || app.report_end(assignment.number, assignment.fence, outcome, reason.clone());
    if let Err(error) = until_taken(assignment.number, report).await {
        tracing::error!(run.number = assignment.number.get(), error.cause = %error, "the end of a run could not be reported");
    }
}

struct Run {
    app: Arc<App>,
    executors: Executors,
    assignment: Assignment,
    supplies: Supplies,
    masker: Masker,
    news: mpsc::Sender<News>,
}

/// Why the walk was stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Canceled,
    TimedOut,
}

impl Run {
    fn finish(self) -> Plan {
        self.assignment.plan
    }

    /// Walks the plan; how it ended and what there is to say about it.
    async fn walk(&self) -> (WorkOutcome, String) {
        let plan = &self.assignment.plan;
        let attempts = plan.execution.retry.count + 1;
        let deadline = plan.execution.timeout.map(|t| tokio::time::Instant::now() + t.to_std());
        let (handle, signal) = cancel_pair();
        let mut attempt = 1;
        loop {
            let (states, stopped) = self.attempt(attempt, deadline, &handle, &signal).await;
            let outcome = outcome_of(&states, stopped);
            if outcome == WorkOutcome::Failed && attempt < attempts && self.pause(deadline).await {
                attempt += 1;
                continue;
            }
            return (outcome, self.reason(outcome, &states, attempt, stopped));
        }
    }

    /// Waits before the next attempt; whether there is still time and nobody canceled.
    async fn pause(&self, deadline: Option<tokio::time::Instant>) -> bool {
        let until = tokio::time::Instant::now() + self.assignment.plan.execution.retry.delay.to_std();
        while tokio::time::Instant::now() < until {
            if deadline.is_some_and(|d| tokio::time::Instant::now() >= d) || self.state().await != Some(State::Running)
            {
                return false;
            }
            tokio::time::sleep_until(until.min(tokio::time::Instant::now() + HEARTBEAT)).await;
        }
        self.state().await == Some(State::Running)
    }

    /// The run's state, and a sign of life; `None` when another server has taken it over.
    async fn state(&self) -> Option<State> {
        match self.app.still_working(self.assignment.number, self.assignment.fence).await {
            Ok(state) => Some(state),
            Err(AppError::Refused(refusal)) if !refusal.kind.is_of_the_moment() => None,
            // The database cannot be asked just now, which is no reason to stop what runs.
            Err(cause) => {
                tracing::warn!(
                    run.number = self.assignment.number.get(),
                    error.cause = %cause,
                    "the lease could not be renewed"
                );
                Some(State::Running)
            }
        }
    }

    async fn attempt(
        &self,
        attempt: u32,
        deadline: Option<tokio::time::Instant>,
        handle: &CancelHandle,
        signal: &CancelSignal,
    ) -> (Vec<(Cell, StepState)>, Option<Stopped>) {
        let plan = &self.assignment.plan;
        let mut walk = Walk::new(&plan.execution, plan.nodes.len(), plan.steps.len());
        let mut set: JoinSet<(Cell, StepState)> = JoinSet::new();
        let mut stopped = None;
        let mut beat = tokio::time::interval(HEARTBEAT);
        let mut changes = self.app.live.runs();
        loop {
            if stopped.is_none() {
                for cell in walk.startable() {
                    walk.report(cell, StepState::Running);
                    if let Some(step) = self.step(cell, attempt, signal.clone()) {
                        set.spawn(step);
                    }
                }
            }
            if walk.settle() {
                break;
            }
            let time_is_up = async {
                match deadline {
                    Some(at) if stopped.is_none() => tokio::time::sleep_until(at).await,
                    _ => std::future::pending().await,
                }
            };
            let mine = self.assignment.number;
            let look = tokio::select! {
                Some(ended) = set.join_next() => {
                    match ended {
                        Ok((cell, state)) => walk.report(cell, state),
                        Err(error) => tracing::error!(run.number = mine.get(), error.cause = %error, "a step's task broke off"),
                    }
                    false
                }
                _ = beat.tick() => true,
                changed = changes.recv() => matches!(changed, Ok(number) if number == mine),
                () = time_is_up => {
                    stopped = Some(Stopped::TimedOut);
                    walk.stop();
                    handle.cancel();
                    false
                }
            };
            if look && stopped.is_none() {
                match self.state().await {
                    Some(State::Canceling) | None => {
                        stopped = Some(Stopped::Canceled);
                        walk.stop();
                        handle.cancel();
                    }
                    Some(_) => {}
                }
            }
        }
        for (cell, state) in walk.cells().filter(|(_, s)| *s == StepState::Skipped).collect::<Vec<_>>() {
            self.report(cell, attempt, state, None, String::new(), None).await;
        }
        (walk.cells().collect(), stopped)
    }

    /// One step on one node, with its own retries; a task.
    fn step(
        &self,
        cell: Cell,
        attempt: u32,
        signal: CancelSignal,
    ) -> Option<impl Future<Output = (Cell, StepState)> + Send + 'static> {
        let plan = &self.assignment.plan;
        let (node, step) = (plan.nodes.get(cell.node)?.clone(), plan.steps.get(cell.step)?.clone());
        let target = self.supplies.target(&node);
        let request = self.supplies.request(self.assignment.number.get(), plan, &node, &step, attempt);
        let executor = match node.transport {
            Transport::Ssh => Arc::clone(&self.executors.ssh),
            Transport::Local => Arc::clone(&self.executors.local),
        };
        let (news, masker) = (self.news.clone(), self.masker.clone());
        let reporter =
            Reporter { app: Arc::clone(&self.app), number: self.assignment.number, fence: self.assignment.fence };
        let delay = step.retry.delay.to_std();
        Some(async move {
            let tries = step.retry.count + 1;
            let mut state = StepState::Failed;
            for one in 0..tries {
                // Each try of each attempt has a row of its own.
                let number = (attempt - 1) * tries + one + 1;
                let started_at = Some(reporter.app.clock().now());
                reporter
                    .say(&node.name, cell, &step.name, number, StepState::Running, None, String::new(), started_at)
                    .await;
                let outcome = match &target {
                    Ok(target) => {
                        through(executor.as_ref(), target, &request, &news, &node.name, &step.name, signal.clone())
                            .await
                    }
                    Err(why) => StepOutcome::CouldNotStart { code: "no_key", message: why.clone() },
                };
                let (now, code, message) = verdict(outcome);
                let message = String::from_utf8_lossy(&masker.mask(message.as_bytes())).into_owned();
                if !message.is_empty() {
                    let text = message.clone();
                    // The writer is only gone when the run is being given up.
                    let _ = news.send(News::Remark { node: node.name.clone(), step: step.name.clone(), text }).await;
                }
                let _ = news.send(News::Ended { node: node.name.clone(), step: step.name.clone() }).await;
                reporter.say(&node.name, cell, &step.name, number, now, code, message, started_at).await;
                state = now;
                if state != StepState::Failed || one + 1 == tries {
                    break;
                }
                let mut canceled = signal.clone();
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = canceled.given() => break,
                }
            }
            (cell, state)
        })
    }

    async fn report(
        &self,
        cell: Cell,
        attempt: u32,
        state: StepState,
        exit_code: Option<i32>,
        message: String,
        started_at: Option<crate::domain::time::Timestamp>,
    ) {
        let plan = &self.assignment.plan;
        let (Some(node), Some(step)) = (plan.nodes.get(cell.node), plan.steps.get(cell.step)) else { return };
        let reporter =
            Reporter { app: Arc::clone(&self.app), number: self.assignment.number, fence: self.assignment.fence };
        let tries = step.retry.count + 1;
        let number = (attempt - 1) * tries + 1;
        reporter.say(&node.name, cell, &step.name, number, state, exit_code, message, started_at).await;
    }

    /// What the run's page says about its end.
    fn reason(
        &self,
        outcome: WorkOutcome,
        states: &[(Cell, StepState)],
        attempt: u32,
        stopped: Option<Stopped>,
    ) -> String {
        let plan = &self.assignment.plan;
        let named = |wanted: &[StepState]| {
            let mut names: Vec<String> = Vec::new();
            for (cell, state) in states {
                if let (true, Some(node), Some(step)) =
                    (wanted.contains(state), plan.nodes.get(cell.node), plan.steps.get(cell.step))
                {
                    names.push(format!("{} on {}", step.name, node.name));
                }
            }
            let more = names.len().saturating_sub(5);
            names.truncate(5);
            let list = names.join(", ");
            if more > 0 { format!("{list} and {more} more") } else { list }
        };
        let tries = if attempt > 1 { format!(" after {attempt} attempts") } else { String::new() };
        match outcome {
            WorkOutcome::Succeeded => String::new(),
            WorkOutcome::Failed => format!("Failed{tries}: {}.", named(&[StepState::Failed])),
            WorkOutcome::TimedOut if stopped == Some(Stopped::TimedOut) => {
                format!(
                    "The run's time limit of {} was up; everything was stopped.",
                    plan.execution.timeout.unwrap_or_default()
                )
            }
            WorkOutcome::TimedOut => format!("A step's time limit was up: {}.", named(&[StepState::TimedOut])),
            WorkOutcome::Canceled => "Canceled; every node confirmed that nothing runs any more.".to_owned(),
            WorkOutcome::Unknown => {
                let names = named(&[StepState::Unknown, StepState::Running, StepState::Waiting]);
                format!("It is not known how this ended: {names}. Look at the node before you run it again.")
            }
        }
    }
}

#[derive(Clone)]
struct Reporter {
    app: Arc<App>,
    number: crate::domain::ids::RunNumber,
    fence: i64,
}

impl Reporter {
    #[expect(clippy::too_many_arguments, reason = "they are the columns of one row")]
    async fn say(
        &self,
        node: &crate::domain::ids::NodeName,
        cell: Cell,
        step: &crate::domain::ids::StepName,
        attempt: u32,
        state: StepState,
        exit_code: Option<i32>,
        message: String,
        started_at: Option<crate::domain::time::Timestamp>,
    ) {
        let report = StepReport {
            node: node.clone(),
            index: cell.step,
            step: step.clone(),
            attempt,
            state,
            exit_code,
            message,
            started_at,
        };
        let store = || self.app.report_step(self.number, self.fence, report.clone());
        if let Err(error) = until_taken(self.number, store).await {
            tracing::error!(run.number = self.number.get(), node.name = %node, error.cause = %error, "a step could not be reported");
        }
    }
}

/// Runs a step and hands its output on.
async fn through(
    executor: &dyn Executor,
    target: &crate::exec::Target,
    request: &crate::exec::StepRequest,
    news: &mpsc::Sender<News>,
    node: &crate::domain::ids::NodeName,
    step: &crate::domain::ids::StepName,
    signal: CancelSignal,
) -> StepOutcome {
    let (sender, mut receiver) = mpsc::channel::<Chunk>(64);
    let forward = async {
        while let Some(chunk) = receiver.recv().await {
            let bytes = News::Bytes {
                node: node.clone(),
                step: step.clone(),
                stream: stream_of(chunk.stream),
                bytes: chunk.bytes,
            };
            if news.send(bytes).await.is_err() {
                return;
            }
        }
    };
    let (outcome, ()) = tokio::join!(executor.run_step(target, request, sender, signal), forward);
    outcome
}

/// A step's state, exit code and message for what an executor learnt.
fn verdict(outcome: StepOutcome) -> (StepState, Option<i32>, String) {
    match outcome {
        StepOutcome::Exited(0) => (StepState::Succeeded, Some(0), String::new()),
        StepOutcome::Exited(code) => (StepState::Failed, Some(code), String::new()),
        StepOutcome::TimedOut => (StepState::TimedOut, None, "The step's time was up; it was stopped.".to_owned()),
        StepOutcome::Canceled => (StepState::Canceled, None, "Stopped on request; the node confirmed it.".to_owned()),
        StepOutcome::CouldNotStart { message, .. } => (StepState::Failed, None, format!("Not started: {message}")),
        StepOutcome::Unknown { message } => (StepState::Unknown, None, message),
    }
}

fn outcome_of(states: &[(Cell, StepState)], stopped: Option<Stopped>) -> WorkOutcome {
    let sum = sum_up(states.iter().map(|(_, state)| *state));
    match (sum, stopped) {
        // Everything was over before the request to stop reached a node: then it ended as it ended, unless something
        // was left out because of the request.
        (WorkOutcome::Succeeded, Some(why)) if states.iter().any(|(_, s)| *s == StepState::Skipped) => cut_short(why),
        (WorkOutcome::Canceled, Some(why)) => cut_short(why),
        (other, _) => other,
    }
}

fn cut_short(why: Stopped) -> WorkOutcome {
    match why {
        Stopped::Canceled => WorkOutcome::Canceled,
        Stopped::TimedOut => WorkOutcome::TimedOut,
    }
}
