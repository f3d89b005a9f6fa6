//! What is fetched from outside for a source, and what is brought back. Who fetches decides nothing; who decides fetches
//! nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::log::Line;
use super::poll::Poll;
use crate::domain::secret::SecretText;

/// Something to fetch.
#[derive(Debug)]
pub enum Errand {
    /// An answer from an address.
    Ask(Question),
    /// New lines of a file.
    Read(Reading),
}

/// What was brought back.
#[derive(Debug)]
pub enum Catch {
    /// An answer.
    Answer(Answer),
    /// Lines.
    Lines(Lines),
}

/// A question to an address.
#[derive(Debug)]
pub struct Question {
    /// Where, and with which patience.
    pub poll: Arc<Poll>,
    /// What is sent along.
    pub headers: Vec<(String, SecretText)>,
    /// What the last answer was known by.
    pub known_by: KnownBy,
}

/// What an answer can be known by, so that it need not be sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBy {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// As it was.
    Unchanged,
    /// This document.
    Document(Value, KnownBy),
}

/// Lines that are looked for.
#[derive(Debug)]
pub struct Reading {
    /// The file.
    pub file: String,
    /// How far it was read; `None` at first.
    pub position: Option<LogPosition>,
    /// Whether a first look begins at the start.
    pub from_start: bool,
    /// What tells this reading from every other one of the same source.
    pub born: String,
}

/// How far a file was read, and by what it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// What tells this reading from every other one of the same source.
    pub born: String,
    /// Counts the files that were read one after the other.
    pub generation: u64,
    /// The file's device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// The bytes that are read.
    pub offset: u64,
    /// How many of its first bytes the fingerprint is of.
    pub print_length: u64,
    /// SHA-256 of those.
    pub print: String,
    /// Whether the rest of a line that was too long is still passed over.
    pub skipping: bool,
}

/// Lines, and how far they reach.
#[derive(Debug)]
pub struct Lines {
    /// The lines, in their order.
    pub lines: Vec<Line>,
    /// How far they reach.
    pub position: LogPosition,
    /// Whether there is more to read at once.
    pub more: bool,
    /// What may have been lost, in a sentence.
    pub warning: Option<String>,
}
