//! Sources: what makes events by itself. A source runs with nobody's rights, as all that it can do is say that something
//! happened.

pub mod errand;
pub mod journal;
pub mod log;
pub mod poll;
pub mod queue;
pub mod standing;
pub mod timer;

use serde_json::{Value, json};

use super::digest::{Digest, canonical_json};
use super::ids::{KeyPath, SourceName};
use journal::Journal;
use log::LogFile;
use poll::Poll;
use queue::Queue;
use timer::Timer;

/// A source, as its file defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What it watches and why.
    pub description: String,
    /// The type of its events.
    pub event_type: String,
    /// Whether it makes events.
    pub enabled: bool,
    /// Where they come from.
    pub kind: SourceKind,
}

/// Where a source's events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// The clock.
    Timer(Timer),
    /// An address that is asked over and over.
    Poll(Poll),
    /// New lines of a file.
    Log(LogFile),
    /// Messages of a queue.
    Queue(Queue),
    /// New entries of systemd's journal.
    Journal(Journal),
}

impl SourceKind {
    /// The word of `type:`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Timer(_) => "timer",
            Self::Poll(_) => "poll",
            Self::Log(_) => "log",
            Self::Queue(_) => "nats",
            Self::Journal(_) => "journal",
        }
    }

    /// Everything that its author set, with defaults filled in.
    #[must_use]
    pub fn settings(&self) -> Value {
        match self {
            Self::Timer(timer) => timer.settings(),
            Self::Poll(poll) => poll.settings(),
            Self::Log(log) => log.settings(),
            Self::Queue(queue) => queue.settings(),
            Self::Journal(journal) => journal.settings(),
        }
    }

    /// What its stored position belongs to: with another one, the source begins anew.
    fn position_of(&self) -> Value {
        match self {
            Self::Timer(timer) => timer.schedule.settings(),
            Self::Poll(poll) => poll.position_of(),
            Self::Log(log) => json!(log.file),
            Self::Queue(queue) => queue.position_of(),
            Self::Journal(journal) => journal.position_of(),
        }
    }
}

impl SourceKind {
    /// The secrets of the key store that it shows to others.
    #[must_use]
    pub fn secrets(&self) -> Vec<&KeyPath> {
        match self {
            Self::Timer(_) | Self::Log(_) | Self::Journal(_) => Vec::new(),
            Self::Poll(poll) => poll.secrets().collect(),
            Self::Queue(queue) => queue.secret().into_iter().collect(),
        }
    }
}

impl Source {
    /// What events of this source carry as theirs.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("source:{}", self.name)
    }

    /// Changes whenever what was remembered of this source says nothing about it any more.
    #[must_use]
    pub fn position_digest(&self) -> Digest {
        let position = json!({ "type": self.kind.as_str(), "of": self.kind.position_of() });
        Digest::of(canonical_json(&position).as_bytes())
    }
}
