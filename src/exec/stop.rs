//! Stopping a step through a shell of its own.

use std::time::Duration;

use super::StepRequest;
use super::session::{ANSWER, Event, Shell};

/// Between TERM and KILL.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// What the node said about stopping. In all of these nothing of the step is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The step was over already: how, its own exit code says.
    Over,
    /// It was stopped.
    Gone,
    /// It had not begun, and cannot begin any more.
    NotBegun,
}

/// Why a stop is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotStopped {
    /// The node could not be asked; asking again may help.
    Unheard(String),
    /// The node knows no better.
    Unsure(String),
}

/// Asks the node to stop a step. Stopping twice is the same as once.
pub(super) async fn stop(shell: &dyn Shell, request: &StepRequest) -> Result<Stopped, NotStopped> {
    // KILL has five seconds after the grace.
    let limit = ANSWER + GRACE + Duration::from_secs(5);
    match tokio::time::timeout(limit, ask(shell, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(NotStopped::Unheard("the node did not answer".to_owned())),
    }
}

async fn ask(shell: &dyn Shell, request: &StepRequest) -> Result<Stopped, NotStopped> {
    let mut session = shell.open_control().await.map_err(|(_, message)| NotStopped::Unheard(message))?;
    let unheard = |e: std::io::Error| NotStopped::Unheard(format!("the connection was lost: {e}"));
    session.ask(&format!("stop {} {} {}", request.ticket, request.fence, GRACE.as_secs())).await.map_err(unheard)?;
    loop {
        let word = match session.next().await {
            Event::Frame(word) => word,
            Event::Output(..) | Event::ErrorsOver => continue,
            Event::Closed => return Err(NotStopped::Unheard("the connection was lost".to_owned())),
        };
        return match word.as_str() {
            "ended" => Ok(Stopped::Over),
            "gone" => Ok(Stopped::Gone),
            "never" => Ok(Stopped::NotBegun),
            "alive" => Err(NotStopped::Unsure("something of it is still running on the node".to_owned())),
            "fenced" => Err(NotStopped::Unsure("another server has taken the run over".to_owned())),
            _ => Err(NotStopped::Unsure("the node does not know its process".to_owned())),
        };
    }
}
