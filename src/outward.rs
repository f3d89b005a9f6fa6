//! The way to addresses outside: HTTPS without redirects and proxies, a short patience, and the address that was checked is
//! the one that is connected to.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::domain::reachable::is_public;

const NOT_PUBLIC: &str = "its address is not a public one";

/// An agent that reaches the public network, and private addresses, loopback and plain HTTP as well where `private` says
/// so. An exchange may take so long in all.
pub(crate) fn agent(private: bool, patience: Duration, tls: TlsConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .https_only(!private)
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_global(Some(patience))
        .build();
    let resolver = Guarded { inner: DefaultResolver::default(), private };
    ureq::Agent::with_parts(config, DefaultConnector::new(), resolver)
}

/// The addresses of a host, all of which may be connected to: public ones, and private ones only where `private` says so.
pub(crate) async fn addresses(
    host: &str,
    port: u16,
    private: bool,
    patience: Duration,
) -> Result<Vec<SocketAddr>, Trouble> {
    let other = |words: &str| Trouble::Other(words.to_owned());
    let found = tokio::time::timeout(patience, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| other("its host name was not answered for in time"))?;
    let found: Vec<SocketAddr> = found.map_err(|_| other("its host name leads nowhere"))?.collect();
    if found.is_empty() {
        return Err(other("its host name leads nowhere"));
    }
    if !private && found.iter().any(|address| !is_public(address.ip())) {
        return Err(Trouble::NotPublic);
    }
    Ok(found)
}

/// Why nothing came of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The address is not a public one, and only those may be connected to.
    NotPublic,
    /// Whoever signed its certificate is not trusted.
    NotTrusted,
    /// Something else, as a part of a sentence that names neither address nor content.
    Other(String),
    /// Something that has no words here.
    Unsaid,
}

impl Trouble {
    /// What the error of an exchange was.
    pub(crate) fn of(error: &ureq::Error) -> Self {
        let other = |words: &str| Self::Other(words.to_owned());
        match error {
            ureq::Error::Timeout(_) => other("it did not answer in time"),
            ureq::Error::HostNotFound => other("its host name leads nowhere"),
            ureq::Error::ConnectionFailed => other("it cannot be connected to"),
            ureq::Error::BadUri(why) if why == NOT_PUBLIC => Self::NotPublic,
            ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => other("the address is none"),
            ureq::Error::BodyExceedsLimit(limit) => {
                Self::Other(format!("the answer has more than {} MiB", limit >> 20))
            }
            // What is wrong with a certificate comes as an error of the connection, with words of its own.
            ureq::Error::Io(error) if error.to_string().starts_with("invalid peer certificate") => Self::NotTrusted,
            ureq::Error::Io(error) => Self::Other(format!("the connection broke: {}", error.kind())),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Self::NotTrusted,
            _ => Self::Unsaid,
        }
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
