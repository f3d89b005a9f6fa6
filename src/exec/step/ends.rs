//! What a step came to: what the node says of its end, and what can be said where it says nothing.

use futures_util::future::FutureExt as _;

use super::{Lost, Step};
use crate::exec::session::Session;
use crate::exec::stop::Stopped;
use crate::exec::{Ended, Receipt, StepOutcome};

impl Step<'_> {
    pub(super) fn refused(&self, why: &str) -> Result<Ended, Lost> {
        let (code, message) = match why {
            "incomplete" => {
                let why = "the node did not get all of the step".to_owned();
                return Err(Lost { why, reached: true, quiet: false });
            }
            "fenced" => return Ok(unknown("another server has taken the run over".to_owned())),
            "never_started" => {
                ("never_started", "the step was handed over, but the node did not start it; nothing ran")
            }
            "no_directory" => (
                "no_directory",
                "the node has no place for the step: neither the home directory nor ${TMPDIR:-/tmp} can be written",
            ),
            "no_interpreter" => {
                ("no_interpreter", "the step's interpreter is not on the node; install it or name another")
            }
            "no_space" => ("no_space", "the node could not write the step's files; is its disk full?"),
            _ => ("refused", "the node refused the step"),
        };
        if self.asked.is_some() {
            Ok(Ended::plain(StepOutcome::Canceled))
        } else {
            Ok(not_started(code, message.to_owned()))
        }
    }

    pub(super) fn lost_for_good(&self, why: &str) -> Ended {
        if let (Some(Stopped::Gone), Some(asked)) = (self.stopped, &self.asked) {
            return Ended::plain(asked.clone());
        }
        let message = match why {
            "rebooted" => "the node was booted anew while the step was running; how far it came is not known",
            "supervisor" => {
                "the step's supervisor on the node was killed, so nobody took note of its end; how it ended is not known"
            }
            _ => "the node knows nothing of the step, which may have begun there before; how it ended is not known",
        };
        unknown(message.to_owned())
    }

    /// The end that the node reported.
    pub(super) fn ended(&mut self, code: &str, word: &str, session: Session) -> Ended {
        let outcome = match (word, code.parse(), self.stopped, self.asked.take()) {
            ("no_space", ..) => StepOutcome::CouldNotStart {
                code: "no_space",
                message: "the node could not write the step's files; is its disk full?".to_owned(),
            },
            ("gone", ..) => StepOutcome::TimedOut,
            ("alive", ..) => StepOutcome::Unknown {
                message: "the step's time was up, but something of it is still running on the node".to_owned(),
            },
            (_, _, Some(Stopped::Gone | Stopped::NotBegun), Some(asked)) => asked,
            (_, Ok(code), ..) => StepOutcome::Exited(code),
            (_, Err(_), ..) => StepOutcome::Unknown { message: "the node gave no exit code".to_owned() },
        };
        if self.attached {
            return Ended::plain(outcome);
        }
        Ended { outcome, receipt: Receipt::new(session.receipt().boxed()) }
    }

    /// The step was stopped, and its end does not come over this connection.
    pub(super) fn after_stop(&mut self) -> Result<Ended, Lost> {
        match (self.stopped, &self.asked) {
            (Some(Stopped::NotBegun), Some(asked)) => Ok(Ended::plain(asked.clone())),
            (Some(Stopped::Gone), Some(asked)) if self.attached => Ok(Ended::plain(asked.clone())),
            // What it wrote last can be had over another connection.
            _ => Err(Lost { why: "the connection to the node was lost".to_owned(), reached: true, quiet: false }),
        }
    }

    /// The node was out of reach for too long.
    pub(super) fn given_up(&self, why: &str) -> Ended {
        match (&self.asked, self.stopped) {
            (Some(asked), Some(Stopped::Gone | Stopped::NotBegun)) => Ended::plain(asked.clone()),
            (Some(_), _) => unknown(format!("the step was asked to stop, but this is not confirmed: {why}")),
            (None, _) if self.attached => unknown(
                "the connection to the node was lost while the step was running; whether it ended, and how, is not known"
                    .to_owned(),
            ),
            (None, _) => unknown(format!("the node could not be reached any more to learn how the step ended: {why}")),
        }
    }
}

pub(super) fn not_started(code: &'static str, message: String) -> Ended {
    Ended::plain(StepOutcome::CouldNotStart { code, message })
}

pub(super) fn unknown(message: String) -> Ended {
    Ended::plain(StepOutcome::Unknown { message })
}
