//! What people are told: what happened, who is to hear of it, and when a delivery that failed is tried again.

pub mod address;
pub mod letter;
pub mod message;
pub mod press;
mod retry;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{RoleName, UserName};
use super::words::words;

pub use retry::{GIVEN_UP_AFTER, next_try};

words! {
    /// What happened.
    NoticeKind {
        /// A run waits for signatures.
        ApprovalAsked => "approval_asked",
        /// It still waits.
        ApprovalReminder => "approval_reminder",
        /// Somebody signed, and signatures are still missing.
        ApprovalSigned => "approval_signed",
        /// It has waited for too long.
        ApprovalEscalated => "approval_escalated",
        /// It was approved, rejected, or nobody signed in time.
        ApprovalDecided => "approval_decided",
        /// It was sent back to be amended.
        ApprovalPushedBack => "approval_pushed_back",
        /// Its plan no longer stands.
        ApprovalVoid => "approval_void",
        /// Somebody ran without waiting for signatures.
        BreakGlass => "break_glass",
        /// Nobody has looked in time at a run that did not wait.
        ReviewOverdue => "review_overdue",
        /// Somebody lets another person sign for them.
        Delegated => "delegated",
        /// A run has ended.
        RunEnded => "run_ended",
        /// A rule tells people of an event.
        RuleTold => "rule_told",
        /// A rule stopped itself and asks for a person.
        RuleEscalated => "rule_escalated",
        /// A rule is back in dry run.
        RuleDemoted => "rule_demoted",
        /// Anything else, in words.
        General => "general",
    }
}

impl NoticeKind {
    /// Whether it asks somebody to sign, so that nobody needs it any more once they cannot.
    #[must_use]
    pub const fn asks_to_sign(self) -> bool {
        matches!(self, Self::ApprovalAsked | Self::ApprovalReminder | Self::ApprovalSigned | Self::ApprovalEscalated)
    }
}

/// Who is to hear of it. Written `signers`, `reviewers`, `requester`, `members`, `keepers`, `role:NAME`, `user:NAME`, `channel:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Whoever can sign the request at the time of sending.
    Signers,
    /// Whoever can review the run at the time of sending.
    Reviewers,
    /// Who asked for the run.
    Requester,
    /// Everybody who holds a role of the project.
    Members,
    /// Whoever may promote the rule at the time of sending.
    Keepers,
    /// Whoever holds this role of the project.
    Role(RoleName),
    /// One person.
    User(UserName),
    /// A channel of the project, whoever reads it.
    Channel(String),
}

impl Audience {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("role", name)) => RoleName::parse(name).ok().map(Self::Role),
            Some(("user", name)) => UserName::parse(name).ok().map(Self::User),
            Some(("channel", name)) if !name.is_empty() => Some(Self::Channel(name.to_owned())),
            None => match text {
                "signers" => Some(Self::Signers),
                "reviewers" => Some(Self::Reviewers),
                "requester" => Some(Self::Requester),
                "members" => Some(Self::Members),
                "keepers" => Some(Self::Keepers),
                _ => None,
            },
            Some(_) => None,
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signers => f.write_str("signers"),
            Self::Reviewers => f.write_str("reviewers"),
            Self::Requester => f.write_str("requester"),
            Self::Members => f.write_str("members"),
            Self::Keepers => f.write_str("keepers"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Channel(name) => write!(f, "channel:{name}"),
        }
    }
}

impl Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an audience such as role:manager"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_are_read_as_they_are_written() {
        let all = [
            "signers",
            "reviewers",
            "requester",
            "members",
            "keepers",
            "role:dba",
            "user:maria",
            "channel:oncall-chat",
        ];
        for text in all {
            assert_eq!(Audience::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "everybody", "role:", "user:", "channel:", "signers:x", "group:a"] {
            assert_eq!(Audience::parse(text), None, "{text}");
        }
    }
}
