//! Asks an address for a bounded answer in bounded time.

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::domain::json::parse_strict;
use crate::domain::source::errand::{Answer, KnownBy, Question};
use crate::domain::source::poll::{LARGEST_ANSWER, Poll};
use crate::outward::{self, Trouble};

const NOT_TRUSTED: &str = "Its certificate is not trusted; name the certificates of who signed it with `ca`.";
const NOT_PUBLIC: &str = "Its address is not a public one; start the server with --sources-private if that is meant.";

/// Asks.
pub(super) fn ask(question: &Question, private: bool) -> Result<Answer, String> {
    let poll = &question.poll;
    if !private && !poll.url.starts_with("https://") {
        return Err(
            "The address does not begin with https://; start the server with --sources-private if that is meant."
                .to_owned(),
        );
    }
    let mut request = agent(poll, private)?.get(&poll.url).header("accept", "application/json");
    for (name, value) in &question.headers {
        request = request.header(name, value.expose());
    }
    if let Some(etag) = &question.known_by.etag {
        request = request.header("if-none-match", etag);
    }
    if let Some(modified) = &question.known_by.modified {
        request = request.header("if-modified-since", modified);
    }
    let mut answer = request.call().map_err(|error| told(&error))?;
    match answer.status().as_u16() {
        200 => {}
        304 => return Ok(Answer::Unchanged),
        status @ 300..=399 => {
            return Err(format!(
                "It answered {status}, a redirect, and redirects are not followed; name the new address."
            ));
        }
        status => return Err(format!("It answered {status}.")),
    }
    let header = |name: &str| {
        let value = answer.headers().get(name).and_then(|v| v.to_str().ok());
        value.filter(|v| v.len() <= 500).map(str::to_owned)
    };
    let known_by = KnownBy { etag: header("etag"), modified: header("last-modified") };
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec().map_err(|error| told(&error))?;
    let document = parse_strict(&body).map_err(|error| format!("The answer is not JSON: {error}."))?;
    Ok(Answer::Document(document, known_by))
}

fn agent(poll: &Poll, private: bool) -> Result<ureq::Agent, String> {
    let tls = match &poll.ca {
        Some(pem) => TlsConfig::builder().root_certs(RootCerts::from(certificates(pem)?)).build(),
        None => TlsConfig::default(),
    };
    Ok(outward::agent(private, poll.timeout.to_std(), tls))
}

fn certificates(pem: &str) -> Result<Vec<Certificate<'static>>, String> {
    let wrong = || "`ca` holds no certificate that can be read.".to_owned();
    let mut found = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| wrong())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn told(error: &ureq::Error) -> String {
    match Trouble::of(error) {
        Trouble::NotPublic => NOT_PUBLIC.to_owned(),
        Trouble::NotTrusted => NOT_TRUSTED.to_owned(),
        Trouble::Other(why) => {
            let mut letters = why.chars();
            letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        }
        Trouble::Unsaid => "It could not be asked.".to_owned(),
    }
}
