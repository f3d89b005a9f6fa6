//! Asks an address: no redirects, no proxy, a bounded answer in bounded time, and the address that was checked is the one
//! that is connected to.

use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::domain::json::parse_strict;
use crate::domain::reachable::is_public;
use crate::domain::source::errand::{Answer, KnownBy, Question};
use crate::domain::source::poll::{LARGEST_ANSWER, Poll};

const NOT_TRUSTED: &str = "Its certificate is not trusted; name the certificates of who signed it with `ca`.";
const NOT_PUBLIC: &str = "its address is not a public one";

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
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .https_only(!private)
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_global(Some(poll.timeout.to_std()))
        .build();
    let resolver = Guarded { inner: DefaultResolver::default(), private };
    Ok(ureq::Agent::with_parts(config, DefaultConnector::new(), resolver))
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
    match error {
        ureq::Error::Timeout(_) => "It did not answer in time.".to_owned(),
        ureq::Error::HostNotFound => "Its host name leads nowhere.".to_owned(),
        ureq::Error::ConnectionFailed => "It cannot be connected to.".to_owned(),
        ureq::Error::BadUri(why) if why == NOT_PUBLIC => {
            "Its address is not a public one; start the server with --sources-private if that is meant.".to_owned()
        }
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => "The address is none.".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => format!("The answer has more than {} MiB.", limit >> 20),
        // What is wrong with a certificate comes as an error of the connection, with words of its own.
        ureq::Error::Io(error) if error.to_string().starts_with("invalid peer certificate") => NOT_TRUSTED.to_owned(),
        ureq::Error::Io(error) => format!("The connection broke: {}.", error.kind()),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => NOT_TRUSTED.to_owned(),
        _ => "It could not be asked.".to_owned(),
    }
}

/// Resolves names, and lets no private address through.
#[derive(Debug)]
struct Guarded {
    inner: DefaultResolver,
    private: bool,
}

impl Resolver for Guarded {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        // One private address among public ones is no accident.
        if !self.private && found.iter().any(|address| !is_public(address.ip())) {
            return Err(ureq::Error::BadUri(NOT_PUBLIC.to_owned()));
        }
        Ok(found)
    }
}
