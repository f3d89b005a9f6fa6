//! A rule, stored or only written, held against stored events, beside what really happened.
//!
//! Each is a row: who asked, how far it is, and what came of it. The server that was asked carries it out; where that one
//! dies, another begins it again.

mod asking;
mod carrying;
mod report;

pub use crate::store::rules::backtests::{BacktestRecord, BacktestState};
pub use asking::{AskedBacktest, BacktestView};
pub use report::{BacktestReport, BacktestRow, Tried};
