//! A notice ready to be sent, and what became of it.

use super::address::MailAddress;
use super::message::Message;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;

/// A notice ready to be sent to one recipient over one channel.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The same at each try, so that the other side can tell a repetition.
    pub id: String,
    /// When this try was made.
    pub at: Timestamp,
    /// Where it goes.
    pub to: Destination,
    /// What it says.
    pub message: Message,
}

/// Where a letter goes.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Mail to these addresses.
    Mail(Vec<MailAddress>),
    /// An incoming webhook of Slack. The address lets anybody post, so it is a secret.
    Slack {
        /// The address.
        url: SecretText,
        /// Ids of members who are named in the post.
        mention: Vec<String>,
        /// What a button that approves carries; without it there is no button.
        approve: Option<String>,
    },
    /// The address that came with a command of Slack, where only who typed it reads; whoever knows it can write there.
    SlackAnswer(SecretText),
    /// A workflow webhook of Teams.
    Teams(SecretText),
    /// An incoming webhook of Mattermost.
    Mattermost(SecretText),
    /// A webhook that is signed as Standard Webhooks says.
    Webhook {
        /// The address.
        url: String,
        /// `whsec_` and the key in base64.
        secret: SecretText,
    },
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other side took it.
    Sent,
    /// It did not; the sentence says why. It is tried again.
    Again(String),
    /// It cannot be sent as things are; the sentence says why. It is not tried again.
    Never(String),
    /// Nobody needs it any more, or this server is not set up to send such; the sentence says which.
    Unneeded(String),
}
