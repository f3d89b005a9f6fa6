//! Guards: what holds a rule back although its conditions hold. Each of them fails closed: what is missing, not a number
//! or not known counts as the strict answer.

pub mod breaker;
mod event;
mod past;
mod scope;
mod settings;

use serde::{Deserialize, Serialize};

pub use event::{DEEPEST, Sureness, confidence, depth, maintenance, strict};
pub use past::{Facts, blast_radius, dedupe, rate};
pub use scope::{Reached, environments};
pub use settings::{Below, BlastRadius, Breaker, ConfidenceFloor, Dedupe, Guards, Maintenance, Rate};

/// What one guard said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardResult {
    /// Which one.
    pub guard: String,
    /// Whether it lets the action pass.
    pub passed: bool,
    /// Why, in a sentence.
    pub detail: String,
}

impl GuardResult {
    pub(crate) fn new(guard: &str, passed: bool, detail: impl Into<String>) -> Self {
        Self { guard: guard.to_owned(), passed, detail: detail.into() }
    }
}

/// The guard that decides.
#[must_use]
pub fn first_failed(results: &[GuardResult]) -> Option<&GuardResult> {
    results.iter().find(|r| !r.passed)
}
