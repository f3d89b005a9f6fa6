//! Carries out one run: walks its plan, runs steps on nodes, reports what is known. A run that another server began goes
//! on where its steps stand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Executors;
use super::cell::{From, Reporter, Work};
use super::insist::{LetGo, insist, is_final};
use super::output::{self, News};
use super::target::Supplies;
use super::words::{Stopped, outcome_of, reason};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::log::{Sources, Stream};
use crate::app::work::Assignment;
use crate::domain::mask::Masker;
use crate::domain::node::Transport;
use crate::domain::resume::{Standing, Trace, number, standing};
use crate::domain::run::{State, StepState, WorkOutcome};
use crate::domain::walk::{Cell, Walk};
use crate::exec::{CancelHandle, CancelSignal, Known, cancel_pair};

/// How often the lease is renewed and a cancel is looked for.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// What a node has beyond the run's own limit, so that the server, as long as it is there, stops the whole run at once.
const SLACK: Duration = Duration::from_secs(5);

/// Carries a run to its end, or lets go of it when another server has taken it over.
pub(super) async fn carry_out(app: Arc<App>, executors: Executors, assignment: Assignment) {
    let number = assignment.number;
    if carry(app, executors, assignment).await == Err(LetGo) {
        tracing::warn!(run.number = number.get(), "another server goes on with this run");
    }
}

async fn carry(app: Arc<App>, executors: Executors, assignment: Assignment) -> Result<(), LetGo> {
    let (number, fence) = (assignment.number, assignment.fence);
    let earlier = match assignment.taken_over {
        true => Some(insist("the output so far", || app.earlier_output(number)).await?),
        false => None,
    };
    let supplies = match supplies(&app, &assignment).await? {
        Ok(supplies) => supplies,
        Err(why) => {
            // What another server began cannot be looked after without its keys.
            let (outcome, text) = if assignment.done.is_empty() {
                (WorkOutcome::Failed, format!("Nothing was started: {why}"))
            } else {
                (WorkOutcome::Unknown, format!("The run could not be gone on with: {why} Look at the nodes."))
            };
            let bytes = earlier.map_or(0, |earlier| earlier.length);
            insist("the length of a log", || app.report_log(number, fence, bytes, false)).await?;
            return end(&app, &assignment, outcome, text).await;
        }
    };
    let stored = earlier.as_ref().map(|earlier| earlier.sources.clone()).unwrap_or_default();
    let masker = Masker::new(&supplies.secrets);
    let (news, receiver) = mpsc::channel(32);
    let writer = tokio::spawn(output::write(Arc::clone(&app), number, fence, masker.clone(), earlier, receiver));
    let run =
        Run { app: Arc::clone(&app), executors, assignment, supplies, masker, news, stored, born: Instant::now() };
    let walked = run.walk().await;
    let Run { assignment, news, .. } = run;
    drop(news);
    let written = writer.await.unwrap_or_default();
    let (outcome, text) = walked?;
    insist("the length of a log", || app.report_log(number, fence, written.bytes, written.missing.is_some())).await?;
    let text = match written.missing {
        Some(why) => format!("{text} Some of the output could not be kept: {}.", why.words()),
        None => text,
    };
    end(&app, &assignment, outcome, text.trim().to_owned()).await
}

/// What the run needs; the inner error is a sentence.
async fn supplies(app: &App, assignment: &Assignment) -> Result<Result<Supplies, String>, LetGo> {
    let number = assignment.number.get();
    insist("what a run needs", || async {
        match Supplies::fetch(app, &assignment.plan).await {
            Ok(supplies) => Ok(Ok(supplies)),
            Err(AppError::Refused(refusal)) if is_final(&AppError::Refused(refusal.clone())) => {
                Ok(Err(refusal.message))
            }
            Err(AppError::Fault(cause)) => {
                tracing::error!(run.number = number, error.cause = cause, "a run could not be prepared");
                Ok(Err("What the run needs could not be read.".to_owned()))
            }
            Err(busy) => Err(busy),
        }
    })
    .await
}

async fn end(app: &App, assignment: &Assignment, outcome: WorkOutcome, reason: String) -> Result<(), LetGo> {
    insist("the end of a run", || app.report_end(assignment.number, assignment.fence, outcome, reason.clone())).await
}

struct Run {
    app: Arc<App>,
    executors: Executors,
    assignment: Assignment,
    supplies: Supplies,
    masker: Masker,
    news: mpsc::Sender<News>,
    /// How far the output is stored that another server took.
    stored: Sources,
    /// When this server began with it.
    born: Instant,
}

type Cells = Vec<(Cell, StepState)>;

impl Run {
    /// Walks the plan; how it ended and what there is to say about it.
    async fn walk(&self) -> Result<(WorkOutcome, String), LetGo> {
        let plan = &self.assignment.plan;
        let attempts = plan.execution.retry.count + 1;
        let (worked, fence) = (self.assignment.worked, self.assignment.fence);
        let deadline = plan.execution.timeout.map(|t| self.born + t.to_std().saturating_sub(worked));
        let (handle, signal) = cancel_pair();
        let mut beat = Beat::new(self);
        let mut attempt = self.assignment.attempt;
        loop {
            let (states, stopped) = self.attempt(attempt, deadline, &handle, &signal, &mut beat).await?;
            let outcome = outcome_of(&states, stopped);
            let again =
                outcome == WorkOutcome::Failed || (outcome == WorkOutcome::Unknown && plan.execution.idempotent);
            if again && stopped.is_none() && attempt < attempts && self.pause(deadline, &mut beat).await? {
                attempt += 1;
                insist("the next attempt", || self.app.report_attempt(self.assignment.number, fence, attempt)).await?;
                continue;
            }
            return Ok((outcome, reason(&self.assignment, outcome, &states, attempt, stopped)));
        }
    }

    /// Waits before the next attempt; whether there is still time and nobody canceled.
    async fn pause(&self, deadline: Option<Instant>, beat: &mut Beat) -> Result<bool, LetGo> {
        let until = Instant::now() + self.assignment.plan.execution.retry.delay.to_std();
        while Instant::now() < until {
            if deadline.is_some_and(|d| Instant::now() >= d) || beat.look(self).await? != State::Running {
                return Ok(false);
            }
            tokio::time::sleep_until(until.min(Instant::now() + HEARTBEAT)).await;
        }
        Ok(beat.look(self).await? == State::Running)
    }

    async fn attempt(
        &self,
        attempt: u32,
        deadline: Option<Instant>,
        handle: &CancelHandle,
        signal: &CancelSignal,
        beat: &mut Beat,
    ) -> Result<(Cells, Option<Stopped>), LetGo> {
        let plan = &self.assignment.plan;
        let mut walk = Walk::new(&plan.execution, plan.nodes.len(), plan.steps.len());
        let mut set: JoinSet<(Cell, Result<StepState, LetGo>)> = JoinSet::new();
        let mut stopped = None;
        let mut cancels = self.app.live.cancels();
        for (cell, from) in self.restore(attempt, &mut walk) {
            self.spawn(&mut set, cell, attempt, from, deadline, signal);
        }
        loop {
            if stopped.is_none() && beat.is_due() && beat.look(self).await? == State::Canceling {
                stopped = Some(Stopped::Canceled);
                walk.stop();
                handle.cancel();
            }
            if stopped.is_none() {
                for cell in walk.startable() {
                    walk.report(cell, StepState::Running);
                    self.spawn(&mut set, cell, attempt, From::Try(0), deadline, signal);
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
            tokio::select! {
                Some(ended) = set.join_next() => match ended {
                    Ok((cell, state)) => walk.report(cell, state?),
                    Err(error) => tracing::error!(run.number = mine.get(), error.cause = %error, "a step's task broke off"),
                },
                () = beat.wait() => {}
                asked = cancels.recv() => {
                    if asked != Ok(mine) {
                        continue;
                    }
                    beat.hurry();
                }
                () = time_is_up => {
                    stopped = Some(Stopped::TimedOut);
                    walk.stop();
                    handle.cancel();
                }
            }
        }
        for (cell, _) in walk.cells().filter(|(_, s)| *s == StepState::Skipped).collect::<Vec<_>>() {
            let Some(reporter) = self.reporter(cell) else { continue };
            let tries = plan.steps.get(cell.step).map_or(1, |s| s.retry.count + 1);
            reporter.skipped(number(attempt, tries, 0)).await?;
        }
        Ok((walk.cells().collect(), stopped))
    }

    /// Puts the walk where the attempt stands; what is under way and has to be gone on with.
    fn restore(&self, attempt: u32, walk: &mut Walk) -> Vec<(Cell, From)> {
        let plan = &self.assignment.plan;
        let mut going = Vec::new();
        if self.assignment.done.is_empty() {
            return going;
        }
        for (node, planned) in plan.nodes.iter().enumerate() {
            for (index, step) in plan.steps.iter().enumerate() {
                let cell = Cell { node, step: index };
                let rows = self
                    .assignment
                    .done
                    .iter()
                    .filter(|r| r.node == planned.name && usize::try_from(r.step_index).is_ok_and(|i| i == index));
                let traces: Vec<Trace> = rows
                    .map(|r| Trace {
                        number: u32::try_from(r.attempt).unwrap_or(1),
                        state: r.state,
                        ticket: r.ticket.clone(),
                        started_at: r.started_at,
                        begun: r.begun,
                    })
                    .collect();
                let tries = step.retry.count + 1;
                match standing(&traces, attempt, tries, plan.execution.idempotent) {
                    Standing::Fresh => {}
                    Standing::Over(state) => walk.report(cell, state),
                    Standing::Again(one) => {
                        walk.report(cell, StepState::Running);
                        going.push((cell, From::Try(one)));
                    }
                    Standing::UnderWay { one, ticket, since, begun } => {
                        walk.report(cell, StepState::Running);
                        let count = number(attempt, tries, one);
                        let far = |stream| {
                            let key = (planned.name.clone(), step.name.clone(), count, stream);
                            self.stored.get(&key).copied().unwrap_or(0)
                        };
                        let known = Known { out: far(Stream::Stdout), err: far(Stream::Stderr) };
                        going.push((cell, From::Begun { one, ticket, since, surely: begun, known }));
                    }
                }
            }
        }
        going
    }

    fn reporter(&self, cell: Cell) -> Option<Reporter> {
        let plan = &self.assignment.plan;
        let (node, step) = (plan.nodes.get(cell.node)?, plan.steps.get(cell.step)?);
        Some(Reporter {
            app: Arc::clone(&self.app),
            number: self.assignment.number,
            fence: self.assignment.fence,
            node: node.name.clone(),
            step: step.name.clone(),
            cell,
        })
    }

    /// Starts the task of one step on one node.
    fn spawn(
        &self,
        set: &mut JoinSet<(Cell, Result<StepState, LetGo>)>,
        cell: Cell,
        attempt: u32,
        from: From,
        deadline: Option<Instant>,
        signal: &CancelSignal,
    ) {
        let plan = &self.assignment.plan;
        let (Some(reporter), Some(node), Some(step)) =
            (self.reporter(cell), plan.nodes.get(cell.node), plan.steps.get(cell.step))
        else {
            return;
        };
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()) + SLACK);
        let mut request = self.supplies.request(self.assignment.number.get(), plan, node, step);
        request.fence = self.assignment.fence;
        request.timeout = request.timeout.into_iter().chain(left).min();
        let work = Work {
            reporter,
            executor: match node.transport {
                Transport::Ssh => Arc::clone(&self.executors.ssh),
                Transport::Local => Arc::clone(&self.executors.local),
            },
            target: self.supplies.target(node),
            request,
            news: self.news.clone(),
            masker: self.masker.clone(),
            signal: signal.clone(),
            attempt,
            tries: step.retry.count + 1,
            delay: step.retry.delay.to_std(),
            idempotent: plan.execution.idempotent,
        };
        set.spawn(async move { (cell, work.run(from).await) });
    }
}

/// Says from time to time that this server is alive, and hears what is wanted of the run.
struct Beat {
    last: Instant,
    next: Instant,
}

impl Beat {
    fn new(run: &Run) -> Self {
        // A run that was taken just now has been looked at; one that another server began may have been canceled since.
        Self { last: run.born, next: if run.assignment.taken_over { run.born } else { run.born + HEARTBEAT } }
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    fn hurry(&mut self) {
        self.next = Instant::now();
    }

    async fn wait(&self) {
        tokio::time::sleep_until(self.next).await;
    }

    /// The state that the run is in now.
    async fn look(&mut self, run: &Run) -> Result<State, LetGo> {
        let now = Instant::now();
        let worked = now - self.last;
        self.next = now + HEARTBEAT;
        match run.app.still_working(run.assignment.number, run.assignment.fence, worked).await {
            Ok(state) => {
                self.last = now;
                Ok(state)
            }
            Err(error) if is_final(&error) => Err(LetGo),
            // The database cannot be asked just now. Nothing new starts without it, and what runs goes on.
            Err(error) => {
                tracing::warn!(
                    run.number = run.assignment.number.get(),
                    error.cause = %error,
                    "the lease could not be renewed"
                );
                Ok(State::Running)
            }
        }
    }
}
