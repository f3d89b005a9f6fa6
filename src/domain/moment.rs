//! Moments in the life of a run, a notice or an event at which a server can die. Tests end the process there; otherwise nothing happens.

use std::sync::OnceLock;

/// Where a server is with a run, a notice or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A request was understood and nothing is stored yet.
    Accepted,
    /// The run is stored.
    RowCommitted,
    /// The run is this server's, and nothing was sent.
    LeaseTaken,
    /// A step was sent to its node as a whole.
    BootstrapSent,
    /// The node said that it has started; nobody took note.
    AcknowledgementLost,
    /// The first output came, and is not stored.
    FirstOutput,
    /// The step is over on the node; its code was not read.
    ExitUnread,
    /// The code was read and is not stored.
    CodeUncommitted,
    /// A notice is this server's to send, and was not sent.
    NoticeTaken,
    /// It was sent, and nobody took note.
    NoticeSent,
    /// An event is stored, and whoever sent it has no answer.
    EventStored,
    /// An event is this server's to look at, and no rule has.
    EventTaken,
    /// A rule wants to act on it, and nothing is stored of that.
    EventJudged,
    /// Its action, with claim and run, is written and not committed.
    ActionUncommitted,
    /// Every rule has looked at it, and the event does not say so.
    EventUnmarked,
    /// A timer's events are written and not committed.
    TimerUncommitted,
    /// They are stored.
    TimerFired,
    /// Something came from what a source watches, and is not stored.
    SourceFetched,
    /// Its events are written and not committed.
    SourceUncommitted,
    /// Its events are stored; what it came from was not told.
    SourceStored,
}

impl Moment {
    /// Every moment of a run, in order.
    pub const OF_A_RUN: [Self; 8] = [
        Self::Accepted,
        Self::RowCommitted,
        Self::LeaseTaken,
        Self::BootstrapSent,
        Self::AcknowledgementLost,
        Self::FirstOutput,
        Self::ExitUnread,
        Self::CodeUncommitted,
    ];

    /// Every moment of an event that is posted and that a rule acts on, in order.
    pub const OF_AN_EVENT: [Self; 5] =
        [Self::EventStored, Self::EventTaken, Self::EventJudged, Self::ActionUncommitted, Self::EventUnmarked];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::RowCommitted => "row_committed",
            Self::LeaseTaken => "lease_taken",
            Self::BootstrapSent => "bootstrap_sent",
            Self::AcknowledgementLost => "acknowledgement_lost",
            Self::FirstOutput => "first_output",
            Self::ExitUnread => "exit_unread",
            Self::CodeUncommitted => "code_uncommitted",
            Self::NoticeTaken => "notice_taken",
            Self::NoticeSent => "notice_sent",
            Self::EventStored => "event_stored",
            Self::EventTaken => "event_taken",
            Self::EventJudged => "event_judged",
            Self::ActionUncommitted => "action_uncommitted",
            Self::EventUnmarked => "event_unmarked",
            Self::TimerUncommitted => "timer_uncommitted",
            Self::TimerFired => "timer_fired",
            Self::SourceFetched => "source_fetched",
            Self::SourceUncommitted => "source_uncommitted",
            Self::SourceStored => "source_stored",
        }
    }

    /// Says that it has come.
    pub fn reached(self) {
        if let Some(watcher) = WATCHER.get() {
            watcher(self);
        }
    }
}

static WATCHER: OnceLock<fn(Moment)> = OnceLock::new();

/// Has every moment told to this function, for the rest of the process. The first call counts.
pub fn watch(watcher: fn(Moment)) {
    let _ = WATCHER.set(watcher);
}
