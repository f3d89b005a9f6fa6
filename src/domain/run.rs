//! A run's life: the states, and the one function that moves between them.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Where a run stands. The words are part of the outer contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for signatures.
    PendingApproval,
    /// Waits for its time.
    Scheduled,
    /// May start as soon as there is room.
    Queued,
    /// Something runs, or is about to, on at least one node.
    Running,
    /// Every step on every node ended well.
    Succeeded,
    /// A step ended badly, or a node could not be reached before anything ran there.
    Failed,
    /// The time was up and everything was stopped.
    TimedOut,
    /// Somebody canceled; the nodes have not confirmed yet.
    Canceling,
    /// Canceled, and nothing runs any more.
    Canceled,
    /// A signer said no.
    Rejected,
    /// Nobody signed in time.
    Expired,
    /// The outcome of something on a node could not be learnt.
    Unknown,
    /// Only written down: what would have run.
    DryRun,
}

impl State {
    /// Every state, in the order of a usual life.
    pub const ALL: [Self; 13] = [
        Self::PendingApproval,
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Canceled,
        Self::Rejected,
        Self::Expired,
        Self::Unknown,
        Self::DryRun,
    ];

    /// The state's word in the API, the database and the pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingApproval => "pending_approval",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::DryRun => "dry_run",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether nothing can happen to the run any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::PendingApproval | Self::Scheduled | Self::Queued | Self::Running | Self::Canceling => false,
            Self::Succeeded
            | Self::Failed
            | Self::TimedOut
            | Self::Canceled
            | Self::Rejected
            | Self::Expired
            | Self::Unknown
            | Self::DryRun => true,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the work on the nodes ended, all nodes taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkOutcome {
    /// All well.
    Succeeded,
    /// At least one step or connection failed, none is unknown.
    Failed,
    /// Stopped because the time was up.
    TimedOut,
    /// Stopped because somebody canceled, confirmed by every node.
    Canceled,
    /// Of at least one step it is not known how, or whether, it ended.
    Unknown,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEvent {
    /// The last missing signature came.
    Approved,
    /// A signer said no.
    Rejected,
    /// The request's time ran out.
    Expired,
    /// The plan no longer stands: something that it froze has changed.
    Voided,
    /// Its start time has come.
    Due,
    /// A server took it and starts work.
    Started,
    /// The work ended.
    Ended(WorkOutcome),
    /// Somebody asked to cancel.
    CancelRequested,
}

/// What has to be done because of a transition. Plain data; the caller does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Wake the dispatcher.
    Dispatch,
    /// Tell the nodes to stop.
    StopNodes,
    /// Close the approval request, as it will not be decided any more.
    CloseRequest,
    /// Free the places that the run held and tell who wants to know.
    Finish,
}

/// Why an event does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {state} cannot be {}", .event.participle())]
pub struct IllegalTransition {
    /// The state it is in.
    pub state: State,
    /// What was tried.
    pub event: RunEvent,
}

impl RunEvent {
    /// One of each, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::Voided,
        Self::Due,
        Self::Started,
        Self::Ended(WorkOutcome::Succeeded),
        Self::Ended(WorkOutcome::Failed),
        Self::Ended(WorkOutcome::TimedOut),
        Self::Ended(WorkOutcome::Canceled),
        Self::Ended(WorkOutcome::Unknown),
        Self::CancelRequested,
    ];

    fn participle(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Voided => "voided",
            Self::Due => "released by the clock",
            Self::Started => "started",
            Self::Ended(_) => "ended",
            Self::CancelRequested => "canceled",
        }
    }
}

/// Where a new run begins.
///
/// A dry run ends where it begins. A run that needs signatures waits for them first, then for its time.
#[must_use]
pub fn first(dry_run: bool, needs_approval: bool, start_at: Option<Timestamp>, now: Timestamp) -> State {
    match (dry_run, needs_approval, start_at) {
        (true, _, _) => State::DryRun,
        (false, true, _) => State::PendingApproval,
        (false, false, Some(at)) if at > now => State::Scheduled,
        (false, false, _) => State::Queued,
    }
}

/// The only place where a run changes state.
///
/// # Errors
/// [`IllegalTransition`] when the event cannot happen in this state; nothing changes then.
pub fn next(
    state: State,
    event: RunEvent,
    start_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(State, Vec<Effect>), IllegalTransition> {
    use Effect::{CloseRequest, Dispatch, Finish, StopNodes};
    let (to, effects) = match (state, event) {
        (State::PendingApproval, RunEvent::Approved) => match start_at {
            Some(at) if at > now => (State::Scheduled, vec![]),
            _ => (State::Queued, vec![Dispatch]),
        },
        (State::PendingApproval, RunEvent::Rejected) => (State::Rejected, vec![Finish]),
        (State::PendingApproval, RunEvent::Expired) => (State::Expired, vec![Finish]),
        // An approved run whose plan no longer stands must not start either.
        (State::PendingApproval, RunEvent::Voided | RunEvent::CancelRequested) => {
            (State::Canceled, vec![CloseRequest, Finish])
        }
        (State::Scheduled | State::Queued, RunEvent::Voided | RunEvent::CancelRequested) => {
            (State::Canceled, vec![Finish])
        }
        // The start window after the last signature can run out as well.
        (State::Scheduled | State::Queued, RunEvent::Expired) => (State::Expired, vec![Finish]),
        (State::Scheduled, RunEvent::Due) => (State::Queued, vec![Dispatch]),
        (State::Queued, RunEvent::Started) => (State::Running, vec![]),
        (State::Running, RunEvent::CancelRequested) => (State::Canceling, vec![StopNodes]),
        (State::Running | State::Canceling, RunEvent::Ended(outcome)) => (ended(outcome), vec![Finish]),
        (state, event) => return Err(IllegalTransition { state, event }),
    };
    Ok((to, effects))
}

/// A run that was canceled may still have ended in another way before the nodes heard of it: the truth is kept.
const fn ended(outcome: WorkOutcome) -> State {
    match outcome {
        WorkOutcome::Succeeded => State::Succeeded,
        WorkOutcome::Failed => State::Failed,
        WorkOutcome::TimedOut => State::TimedOut,
        WorkOutcome::Canceled => State::Canceled,
        WorkOutcome::Unknown => State::Unknown,
    }
}

/// Where one step stands on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not started.
    Waiting,
    /// Under way.
    Running,
    /// Exit code 0.
    Succeeded,
    /// Another exit code, or it could not be started.
    Failed,
    /// Its time was up; it was stopped.
    TimedOut,
    /// Stopped on request, confirmed by the node.
    Canceled,
    /// Never started, because something before it ended badly.
    Skipped,
    /// Not known.
    Unknown,
}

impl StepState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Canceled,
        Self::Skipped,
        Self::Unknown,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// Sums up all steps on all nodes. Unknown weighs most, as nothing may be claimed over it; then canceled, timed out,
/// failed.
#[must_use]
pub fn sum_up(steps: impl IntoIterator<Item = StepState>) -> WorkOutcome {
    let mut sum = WorkOutcome::Succeeded;
    let weight = |o: WorkOutcome| match o {
        WorkOutcome::Succeeded => 0,
        WorkOutcome::Failed => 1,
        WorkOutcome::TimedOut => 2,
        WorkOutcome::Canceled => 3,
        WorkOutcome::Unknown => 4,
    };
    for step in steps {
        let one = match step {
            StepState::Succeeded | StepState::Skipped => WorkOutcome::Succeeded,
            StepState::Failed => WorkOutcome::Failed,
            StepState::TimedOut => WorkOutcome::TimedOut,
            StepState::Canceled => WorkOutcome::Canceled,
            StepState::Waiting | StepState::Running | StepState::Unknown => WorkOutcome::Unknown,
        };
        if weight(one) > weight(sum) {
            sum = one;
        }
    }
    sum
}
