//! Mail over SMTP: plain text only, so that nothing in it is ever read as markup.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mime};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as SmtpTls, TlsParameters};
use lettre::{Address, SmtpTransport, Transport as _};

use crate::domain::notice::address::MailAddress;
use crate::domain::notice::letter::{Letter, Outcome};
use crate::domain::secret::SecretText;

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It begins in clear and is encrypted before anything is said; port 587.
    StartTls,
    /// It is encrypted from the start; port 465.
    Implicit,
    /// Not at all: only to a mail server on this machine.
    None,
}

/// The mail server.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// What mail comes from.
    pub from: MailAddress,
    /// Name and password, where the server wants them.
    pub account: Option<(String, SecretText)>,
    /// The certificate of an authority that is trusted beside those of the machine, as PEM.
    pub authority: Option<Vec<u8>>,
}

/// The way to the mail server.
pub struct Mail {
    transport: SmtpTransport,
    from: MailAddress,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mail {
    /// Takes the settings; nothing is connected to yet.
    ///
    /// # Errors
    /// A sentence, for a connection in clear to another machine, or where TLS cannot be set up.
    pub fn new(settings: MailSettings) -> Result<Self, String> {
        let host = settings.host.as_str();
        let tls = match settings.tls {
            Tls::None if !is_loopback(host) => {
                return Err(format!(
                    "mail to {host} would go over the network in clear; choose `--smtp-tls starttls` or `implicit`"
                ));
            }
            Tls::None => SmtpTls::None,
            encrypted => {
                let mut parameters = TlsParameters::builder(host.to_owned());
                if let Some(pem) = &settings.authority {
                    if !String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----") {
                        return Err("the authority's certificate for mail is no certificate in PEM".to_owned());
                    }
                    let authority = Certificate::from_pem(pem)
                        .map_err(|e| format!("the authority's certificate for mail is no certificate in PEM: {e}"))?;
                    parameters = parameters.add_root_certificate(authority);
                }
                let parameters = parameters.build().map_err(|e| format!("mail to {host} cannot be encrypted: {e}"))?;
                if encrypted == Tls::Implicit { SmtpTls::Wrapper(parameters) } else { SmtpTls::Required(parameters) }
            }
        };
        let mut builder =
            SmtpTransport::builder_dangerous(host).port(settings.port).tls(tls).timeout(Some(Duration::from_secs(10)));
        if let Some((name, password)) = settings.account {
            builder = builder.credentials(Credentials::new(name, password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), from: settings.from })
    }

    pub(super) fn send(&self, letter: &Letter, to: &[MailAddress]) -> Outcome {
        let mime = match self.mime(letter, to) {
            Ok(mime) => mime,
            Err(why) => return Outcome::Never(why),
        };
        match self.transport.send(&mime) {
            Ok(_) => Outcome::Sent,
            Err(error) if error.status().is_some_and(|code| u16::from(code) == 535) => {
                Outcome::Again("the mail server does not accept this name and password (535)".to_owned())
            }
            Err(error) if error.is_permanent() => {
                let code = error.status().map(|code| format!(" ({code})")).unwrap_or_default();
                Outcome::Again(format!("the mail server refused it{code}"))
            }
            Err(error) if error.is_transient() => {
                let code = error.status().map(|code| format!(" ({code})")).unwrap_or_default();
                Outcome::Again(format!("the mail server does not take it now{code}"))
            }
            Err(error) if error.is_timeout() => Outcome::Again("the mail server did not answer in time".to_owned()),
            Err(error) if error.is_tls() || distrusted(&error) => Outcome::Again(
                "the connection to the mail server could not be encrypted, or its certificate is not trusted"
                    .to_owned(),
            ),
            Err(error) if error.is_client() => Outcome::Again(
                "the mail server does not offer the encryption or the way to sign in that it takes; nothing was sent"
                    .to_owned(),
            ),
            Err(_) => Outcome::Again("the mail server cannot be reached".to_owned()),
        }
    }

    fn mime(&self, letter: &Letter, to: &[MailAddress]) -> Result<Mime, String> {
        let mailbox = |address: &MailAddress, name: Option<&str>| {
            let address: Address = address.as_str().parse().map_err(|_| "a mail address is none".to_owned())?;
            Ok::<_, String>(Mailbox::new(name.map(str::to_owned), address))
        };
        let host = self.from.as_str().split_once('@').map_or("localhost", |(_, host)| host);
        let mut builder = Mime::builder()
            .from(mailbox(&self.from, Some("Interlock"))?)
            .subject(letter.message.subject.clone())
            .message_id(Some(format!("<{}@{host}>", letter.id)))
            .date(letter.at.into());
        for address in to {
            builder = builder.to(mailbox(address, None)?);
        }
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        builder = builder.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        builder = builder.header(ContentType::TEXT_PLAIN);
        builder.body(text(letter)).map_err(|e| format!("the mail could not be written: {e}"))
    }
}

/// Whether a connection broke off because of the other side's certificate, which lettre calls an error of the network.
fn distrusted(error: &lettre::transport::smtp::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().contains("certificate") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn text(letter: &Letter) -> String {
    let message = &letter.message;
    let mut out = format!("{}\n\n", message.subject);
    for (name, line) in &message.lines {
        out.push_str(&format!("{:<13}{line}\n", format!("{name}:")));
    }
    out.push_str(&format!("\n{}:\n{}\n", message.link_words, message.about.link));
    out.push_str(
        "\nThe link only opens a page; you sign in there, and nothing is decided before you press a button.\n",
    );
    out
}

/// Whether the name leads nowhere but to this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
