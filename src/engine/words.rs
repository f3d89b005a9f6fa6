//! What a step's and a run's end are called, and the sentence that goes with them.

use crate::app::work::Assignment;
use crate::domain::run::{StepState, WorkOutcome, sum_up};
use crate::domain::walk::Cell;
use crate::exec::StepOutcome;

/// Why the walk was stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Canceled,
    TimedOut,
}

/// A step's state, exit code and message for what an executor learnt.
pub(super) fn verdict(outcome: StepOutcome) -> (StepState, Option<i32>, String) {
    match outcome {
        StepOutcome::Exited(0) => (StepState::Succeeded, Some(0), String::new()),
        StepOutcome::Exited(code) => (StepState::Failed, Some(code), String::new()),
        StepOutcome::TimedOut => (StepState::TimedOut, None, "The step's time was up; it was stopped.".to_owned()),
        StepOutcome::Canceled => (StepState::Canceled, None, "Stopped on request; the node confirmed it.".to_owned()),
        StepOutcome::CouldNotStart { message, .. } => (StepState::Failed, None, format!("Not started: {message}")),
        StepOutcome::Unknown { message } => (StepState::Unknown, None, message),
    }
}

/// How the whole work ended.
pub(super) fn outcome_of(states: &[(Cell, StepState)], stopped: Option<Stopped>) -> WorkOutcome {
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

/// What the run's page says about its end.
pub(super) fn reason(
    assignment: &Assignment,
    outcome: WorkOutcome,
    states: &[(Cell, StepState)],
    attempt: u32,
    stopped: Option<Stopped>,
) -> String {
    let plan = &assignment.plan;
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
