//! Sign-off: the policy of a project, whose signatures count, and the one machine that a request moves by.

mod machine;
mod policy;
mod quorum;
mod state;

pub use machine::{DecisionRefused, Event, FRESH_FOR, Moved, NotStarted, Refused, Request, Signer, next};
pub use policy::{ApprovalPolicy, BreakGlass, Escalation, Need, Reasons, latest_start};
pub use quorum::{MissingSignature, Party, Signature, describe, missing};
pub use state::{RequestState, Verdict};
