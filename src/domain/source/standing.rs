//! Whether what is remembered of a source still speaks of it.

use super::Source;
use crate::domain::digest::Digest;

/// What is to be done with what is remembered before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing; it holds.
    Holds,
    /// Begin anew: nothing is remembered, or it speaks of something else.
    Begin,
    /// It was turned off: note that.
    Rest,
    /// It was turned on again: go on from now, not from where it was.
    Wake,
}

/// What is to be done. `remembered` has what the position belongs to, and whether the source was off.
#[must_use]
pub fn turn(source: &Source, remembered: Option<(Digest, bool)>) -> Turn {
    match (remembered, source.enabled) {
        // What has never been on needs no memory.
        (None, false) => Turn::Holds,
        (None, true) => Turn::Begin,
        (Some((_, true)), false) => Turn::Holds,
        (Some((_, false)), false) => Turn::Rest,
        (Some((of, _)), true) if of != source.position_digest() => Turn::Begin,
        (Some((_, true)), true) => Turn::Wake,
        (Some((_, false)), true) => Turn::Holds,
    }
}
