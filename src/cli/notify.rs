//! How notices leave this server, as it is named on the command line and in the environment.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::Failure;
use crate::app::App;
use crate::app::chat::{ANSWER_WITHIN, Answers, Chat};
use crate::config;
use crate::domain::notice::address::MailAddress;
use crate::domain::notice::letter::Outcome;
use crate::domain::secret::SecretText;
use crate::notify::{Courier, Mail, MailSettings, Tls, Web};

/// Options of a server that tells people.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// The mail server; without it no mail is sent. The password is read from `INTERLOCK_SMTP_PASSWORD`
    #[arg(long, value_name = "HOST[:PORT]")]
    smtp: Option<String>,
    /// How the connection to it is encrypted; `none` only for a mail server on this machine
    #[arg(long, value_enum, default_value = "starttls", requires = "smtp")]
    smtp_tls: SmtpTls,
    /// What mail comes from
    #[arg(long, value_name = "ADDRESS", requires = "smtp")]
    smtp_from: Option<String>,
    /// The account at the mail server
    #[arg(long, value_name = "NAME", requires = "smtp")]
    smtp_user: Option<String>,
    /// The certificate of an authority, in PEM, that is trusted for the mail server beside those of the machine
    #[arg(long, value_name = "FILE", requires = "smtp")]
    smtp_ca: Option<PathBuf>,
    /// Let chats and webhooks be at private addresses and without https
    #[arg(long)]
    notify_private: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SmtpTls {
    /// It begins in clear and is encrypted before anything is said (port 587)
    Starttls,
    /// It is encrypted from the start (port 465)
    Implicit,
    /// Not at all (port 25)
    None,
}

impl Options {
    /// The courier.
    pub(super) fn courier(&self) -> Result<Courier, Failure> {
        Ok(Courier::new(self.mail()?, Web::new(self.notify_private)))
    }

    fn mail(&self) -> Result<Option<Mail>, Failure> {
        let Some(place) = &self.smtp else { return Ok(None) };
        let (tls, usual) = match self.smtp_tls {
            SmtpTls::Starttls => (Tls::StartTls, 587),
            SmtpTls::Implicit => (Tls::Implicit, 465),
            SmtpTls::None => (Tls::None, 25),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let bad = || Failure::Usage(format!("`--smtp {place}` has a port that is none; write HOST:PORT"));
                (host, port.parse().map_err(|_| bad())?)
            }
            _ => (place.as_str(), usual),
        };
        let need = || Failure::Usage("`--smtp` needs `--smtp-from ADDRESS`, which mail comes from".to_owned());
        let from = MailAddress::parse(self.smtp_from.as_deref().ok_or_else(need)?)?;
        let account = match (&self.smtp_user, config::smtp_password()) {
            (Some(name), Some(password)) => Some((name.clone(), SecretText::new(password))),
            (None, _) => None,
            (Some(_), None) => {
                let message = "`--smtp-user` needs the password in INTERLOCK_SMTP_PASSWORD, which is not set";
                return Err(Failure::Usage(message.to_owned()));
            }
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let authority = self.smtp_ca.as_deref().map(|file| super::file_of("--smtp-ca", file)).transpose()?;
        let settings = MailSettings { host, port, tls, from, account, authority };
        Mail::new(settings).map(Some).map_err(Failure::Usage)
    }
}

/// Lets the app take presses of buttons and commands in Slack, where `INTERLOCK_SLACK_SIGNING_SECRET` is set.
pub(super) fn install(app: &App, courier: &Courier) {
    if let Some(secret) = config::slack_signing_secret() {
        let answers = Arc::new(Back(courier.clone()));
        app.chat_with(Chat { signing_secret: SecretText::new(secret), answers, answer_within: ANSWER_WITHIN });
    }
}

/// The way back to whoever pressed a button.
#[derive(Debug)]
struct Back(Courier);

impl Answers for Back {
    fn answer(&self, to: SecretText, text: String) -> BoxFuture<'static, ()> {
        let courier = self.0.clone();
        async move {
            if let Outcome::Again(why) | Outcome::Never(why) = courier.answer(to, text).await {
                tracing::warn!(error.cause = why, "somebody in Slack could not be answered");
            }
        }
        .boxed()
    }
}
