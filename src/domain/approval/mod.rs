//! Sign-off: the policy of a project, whose signatures count, and the one machine that a request moves by.

mod exceptions;
mod machine;
mod policy;
mod quorum;
mod state;
mod timers;

pub use exceptions::{Asker, ExceptionRefused, Side, break_glass, delegate, next_review_reminder, review, way_round};
pub use machine::{DecisionRefused, Event, FRESH_FOR, Moved, NotStarted, Refused, Request, Signer, helps, next};
pub use policy::{ApprovalPolicy, BreakGlass, DEFAULT_REASONS, EXPIRES, Escalation, Need, Reasons, latest_start};
pub use quorum::{MissingSignature, Party, Signature, describe, missing};
pub use state::{RequestState, Verdict};
pub use timers::{TimerKind, next_reminder, timer_of_approval, timers_of_request};
