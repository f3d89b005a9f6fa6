//! Moments in the life of a run or a notice at which a server can die. Tests end the process there; otherwise nothing happens.

use std::sync::OnceLock;

/// Where a server is with a run or a notice.
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
