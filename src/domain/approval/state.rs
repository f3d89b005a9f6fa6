//! Where a request stands, and the three answers.

use serde::{Deserialize, Serialize};

/// Where a request stands. Everything but `pending` and `approved` is an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Waits for signatures.
    Pending,
    /// A signer wants it changed; whoever asked amends it and asks again.
    PushedBack,
    /// Every line is met; the run has not started yet.
    Approved,
    /// A signer said no.
    Rejected,
    /// Nobody signed in time, or it was not started in time.
    Expired,
    /// The plan no longer stands, or the run was canceled.
    Void,
    /// Its one run has started.
    Used,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::PushedBack, Self::Approved, Self::Rejected, Self::Expired, Self::Void, Self::Used];

    /// The word in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::PushedBack => "pushed_back",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Void => "void",
            Self::Used => "used",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether it ended without a run, so that somebody may want to ask again.
    #[must_use]
    pub const fn ended_without_run(self) -> bool {
        matches!(self, Self::PushedBack | Self::Rejected | Self::Expired | Self::Void)
    }
}

/// What a signer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Let it run.
    Approve,
    /// Not like this: change it and ask again.
    PushBack,
    /// Do not.
    Reject,
}

impl Verdict {
    /// Every answer.
    pub const ALL: [Self; 3] = [Self::Approve, Self::PushBack, Self::Reject];

    /// The word in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::PushBack => "push_back",
            Self::Reject => "reject",
        }
    }

    /// What was done, in a word, as the record and the pages have it.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::PushBack => "pushed_back",
            Self::Reject => "rejected",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text)
    }
}
