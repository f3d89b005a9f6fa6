//! What is fetched from outside for a source, and what is brought back. Who fetches decides nothing; who decides fetches
//! nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::journal::{Entry, Filter, JournalPosition};
use super::log::Line;
use super::poll::Poll;
use super::queue::{Message, Queue};
use crate::domain::secret::SecretText;

/// Something to fetch.
#[derive(Debug)]
pub enum Errand {
    /// An answer from an address.
    Ask(Question),
    /// New lines of a file.
    Read(Reading),
    /// Messages of a queue.
    Pull(Pulling),
    /// New entries of a journal.
    Follow(Following),
}

/// What was brought back.
#[derive(Debug)]
pub enum Catch {
    /// An answer.
    Answer(Answer),
    /// Lines.
    Lines(Lines),
    /// Messages, which are still the queue's until they are acknowledged.
    Messages(Messages),
    /// Entries.
    Entries(Entries),
}

impl Catch {
    /// Whether anything came.
    #[must_use]
    pub fn has_something(&self) -> bool {
        match self {
            Self::Answer(answer) => matches!(answer, Answer::Document(..)),
            Self::Lines(lines) => !lines.lines.is_empty(),
            Self::Messages(messages) => !messages.messages.is_empty(),
            Self::Entries(entries) => !entries.entries.is_empty(),
        }
    }

    /// What is to be acknowledged once it is stored; the first call has it.
    #[must_use]
    pub fn receipts(&mut self) -> Option<Receipts> {
        match self {
            Self::Messages(messages) => messages.receipts.take(),
            Self::Answer(_) | Self::Lines(_) | Self::Entries(_) => None,
        }
    }
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

/// Entries that are looked for.
#[derive(Debug)]
pub struct Following {
    /// Which.
    pub filter: Filter,
    /// How far the journal was read; `None` at first.
    pub position: Option<JournalPosition>,
    /// Whether a first look begins at the start.
    pub from_start: bool,
}

/// Entries, and how far they reach.
#[derive(Debug)]
pub struct Entries {
    /// The entries, in their order.
    pub entries: Vec<Entry>,
    /// How far they reach.
    pub position: JournalPosition,
    /// Whether there is more to read at once.
    pub more: bool,
    /// What may have been lost, in a sentence.
    pub warning: Option<String>,
}

/// Messages that are looked for.
#[derive(Debug)]
pub struct Pulling {
    /// Where, and which.
    pub queue: Arc<Queue>,
    /// The durable consumer's name.
    pub consumer: String,
    /// What shows who the source is.
    pub secret: Option<SecretText>,
    /// When the stream took the newest message that is stored, in nanoseconds since 1970: from there it goes on where the
    /// consumer is gone. `None` where none was stored.
    pub since: Option<i64>,
}

/// Messages, and how many are left.
#[derive(Debug)]
pub struct Messages {
    /// The messages, in the order in which they came.
    pub messages: Vec<Message>,
    /// Messages that wait; `None` where that was not asked.
    pub waiting: Option<u64>,
    /// Whether there is more to take at once.
    pub more: bool,
    /// What may have been lost, in a sentence.
    pub warning: Option<String>,
    /// What acknowledges them.
    pub receipts: Option<Receipts>,
}

/// What acknowledges messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    /// The connection that they came over.
    pub connection: String,
    /// Where each is acknowledged.
    pub addresses: Vec<String>,
}
