//! What rules made of events, what they did, and where each of them stands.

pub mod backtests;
pub mod enforcements;
pub mod states;
pub mod verdicts;
