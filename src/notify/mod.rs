//! Words to the outside: mail, chats, signed webhooks.
//!
//! A [`Letter`] says all that is to be said; nothing here decides who hears what, or when it is tried again. Whatever people
//! wrote is data here too: each way out escapes it in its own way.

mod mail;
mod mattermost;
mod slack;
mod teams;
mod web;
mod webhook;

use std::sync::Arc;

use crate::domain::notice::letter::{Destination, Letter, Outcome};
use crate::domain::notice::message::Message;
use crate::domain::secret::SecretText;

pub use mail::{Mail, MailSettings, Tls};
pub use web::Web;

/// Takes letters to where they go.
#[derive(Debug, Clone)]
pub struct Courier {
    mail: Option<Arc<Mail>>,
    web: Web,
}

impl Courier {
    /// With a mail server, if there is one.
    #[must_use]
    pub fn new(mail: Option<Mail>, web: Web) -> Self {
        Self { mail: mail.map(Arc::new), web }
    }

    /// Sends a letter, and says what became of it. What it says never holds a secret.
    pub async fn send(&self, letter: Letter) -> Outcome {
        let this = self.clone();
        let sent = tokio::task::spawn_blocking(move || this.send_now(&letter)).await;
        sent.unwrap_or_else(|_| Outcome::Again("sending broke off".to_owned()))
    }

    fn send_now(&self, letter: &Letter) -> Outcome {
        match &letter.to {
            Destination::Mail(to) => match &self.mail {
                Some(mail) => mail.send(letter, to),
                None => Outcome::Unneeded("this server sends no mail: it was started without --smtp".to_owned()),
            },
            Destination::Slack { url, mention, approve } => {
                self.web.post(url.expose(), &slack::body(&letter.message, mention, approve.as_deref()), &[])
            }
            Destination::SlackAnswer(url) => self.answer_now(url, &slash_answer(&letter.message)),
            Destination::Teams(url) => self.web.post(url.expose(), &teams::body(&letter.message), &[]),
            Destination::Mattermost(url) => self.web.post(url.expose(), &mattermost::body(&letter.message), &[]),
            Destination::Webhook { url, secret } => {
                let body = webhook::body(&letter.message, letter.at);
                match webhook::headers(&letter.id, letter.at, &body, secret) {
                    Ok(headers) => self.web.post(url, &body, &headers),
                    Err(why) => Outcome::Never(why),
                }
            }
        }
    }

    /// Answers somebody who pressed a button or typed a command in Slack, so that only they see it.
    pub async fn answer(&self, url: SecretText, text: String) -> Outcome {
        let this = self.clone();
        let sent = tokio::task::spawn_blocking(move || this.answer_now(&url, &text));
        sent.await.unwrap_or_else(|_| Outcome::Again("sending broke off".to_owned()))
    }

    fn answer_now(&self, url: &SecretText, text: &str) -> Outcome {
        if !self.web.leads_to_slack(url.expose()) {
            return Outcome::Never("the address is none of Slack's".to_owned());
        }
        self.web.post(url.expose(), &slack::only_for_you(text), &[])
    }
}

/// A message in the few lines of an answer.
fn slash_answer(message: &Message) -> String {
    let words = message.lines.iter().find(|(name, _)| *name == "In words").map(|(_, text)| format!("\n{text}"));
    format!("{}{}\n{}", message.subject, words.unwrap_or_default(), message.about.link)
}
