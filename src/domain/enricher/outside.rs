//! What is the same for everybody outside who is asked: how long, how often, and for how long an answer holds.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::domain::secret::SecretText;
use crate::domain::time::{Seconds, Timestamp};

/// The largest answer that is read, in bytes.
pub const LARGEST_ANSWER: u64 = 256 * 1024;

/// How somebody outside is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How long an answer may take.
    pub timeout: Seconds,
    /// How often it may be asked.
    pub budget: Budget,
    /// How long an answer holds for the same text; always asked anew without it.
    pub cache: Option<Seconds>,
}

/// So many calls in each window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub calls: u32,
    /// How long a window lasts.
    pub window: Seconds,
}

impl Budget {
    /// The window that a moment lies in: windows follow each other from 1970 on, the same ones for every server.
    #[must_use]
    pub fn window_at(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let length = i64::try_from(self.window.get()).unwrap_or(i64::MAX).max(1);
        let since = now.timestamp() - now.timestamp().rem_euclid(length);
        let since = DateTime::from_timestamp(since, 0).unwrap_or(now);
        (since, since + TimeDelta::try_seconds(length).unwrap_or_default())
    }

    /// What is said of an event that is not asked about any more.
    #[must_use]
    pub fn spent(&self) -> String {
        format!("The budget of {} calls in {} is spent, so nobody was asked.", self.calls, self.window)
    }
}

impl Terms {
    /// Everything that its author set, with defaults filled in.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({
            "timeout": self.timeout, "cache": self.cache,
            "budget": { "calls": self.budget.calls, "window": self.budget.window },
        })
    }
}

/// A question to somebody outside. Who asks decides nothing; who decides asks nobody.
#[derive(Debug)]
pub enum Question {
    /// To a model behind an address.
    Model {
        /// The address.
        url: String,
        /// What proves who asks.
        key: Option<SecretText>,
        /// What is posted.
        body: String,
        /// How long an answer may take.
        timeout: Seconds,
    },
    /// To a program on the server's machine.
    Program {
        /// The program and its arguments, as its author fixed them.
        command: Vec<String>,
        /// What it reads on its standard input.
        input: String,
        /// How long an answer may take.
        timeout: Seconds,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_the_same_for_every_moment_in_it() {
        let budget = Budget { calls: 3, window: Seconds::new(3_600) };
        let at = |text: &str| budget.window_at(text.parse().unwrap());
        let noon = at("2026-11-28T12:00:00Z");
        assert_eq!(noon, at("2026-11-28T12:59:59.9Z"));
        assert_eq!(noon.1, at("2026-11-28T13:00:00Z").0);
    }
}
