//! Telling people: who is to hear of a notice, what it says to them, and what became of it.
//!
//! Notices are written where something happens, in the same transaction. Engine loops come here for the rest; each step is
//! safe to call again, on any server.

mod about;
mod address;
mod letters;
mod trouble;
mod who;

use crate::domain::time::Seconds;

pub use letters::Taken;
pub use trouble::Trouble;

/// How long a server has a notice or a delivery to itself.
const LEASE: Seconds = Seconds::new(120);
