//! Guards: what holds a rule back although its conditions hold. Each of them fails closed.

mod settings;

pub use settings::{Below, BlastRadius, Breaker, ConfidenceFloor, Dedupe, Guards, Maintenance, Rate};
