//! Criteria: conditions on an event's fields, by StackStorm's operator names, each with the reason it matched or not.

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
pub struct Criteria;
