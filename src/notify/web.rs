//! Posts to chats and webhooks.

use std::time::Duration;

use crate::domain::notice::letter::Outcome;
use crate::outward::{self, Trouble};

/// The way to chats and webhooks.
#[derive(Debug, Clone)]
pub struct Web {
    agent: ureq::Agent,
    private: bool,
}

impl Web {
    /// A way to the public network, and to private addresses, loopback and plain HTTP as well where `private` says so.
    #[must_use]
    pub fn new(private: bool) -> Self {
        Self { agent: outward::agent(private, PATIENCE, ureq::tls::TlsConfig::default()), private }
    }

    /// Whether an answer may go there: to Slack itself, or anywhere in a network that is one's own.
    pub(super) fn leads_to_slack(&self, url: &str) -> bool {
        self.private || ["https://hooks.slack.com/", "https://hooks.slack-gov.com/"].iter().any(|s| url.starts_with(s))
    }

    /// Posts a document. The sentences name neither address nor body: an address can be a secret.
    pub(super) fn post(&self, url: &str, body: &str, headers: &[(&'static str, String)]) -> Outcome {
        if !self.private && !url.starts_with("https://") {
            return Outcome::Never("the address does not begin with https://".to_owned());
        }
        let mut request = self.agent.post(url.trim()).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        match request.send(body) {
            Ok(answer) => match answer.status().as_u16() {
                200..=299 => Outcome::Sent,
                status @ 300..=399 => {
                    Outcome::Again(format!("it answered {status}, a redirect, and redirects are not followed"))
                }
                status => Outcome::Again(format!("it answered {status}")),
            },
            Err(error) => Outcome::Again(told(&error)),
        }
    }
}

fn told(error: &ureq::Error) -> String {
    match Trouble::of(error) {
        Trouble::NotPublic => NOT_PUBLIC.to_owned(),
        Trouble::NotTrusted => "its certificate is not trusted".to_owned(),
        Trouble::Other(why) => why,
        Trouble::Unsaid => "it could not be posted".to_owned(),
    }
}

const NOT_PUBLIC: &str = "its address is not a public one; start the server with --notify-private if that is meant";

/// How long a post may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_slack_alone() {
        let web = Web::new(false);
        assert!(web.leads_to_slack("https://hooks.slack.com/commands/T1/2/x"));
        for url in [
            "https://hooks.slack.com.evil.example/x",
            "https://hooks.slack.com@evil.example/x",
            "http://hooks.slack.com/x",
            "https://slack.com/x",
            "",
        ] {
            assert!(!web.leads_to_slack(url), "{url}");
        }
    }

    /// Each of these leads into the own machine or network, in whatever way it is written.
    #[test]
    fn no_way_of_writing_a_private_address_gets_through() {
        let web = Web::new(false);
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0",
            "0.0.0.0",
            "2130706433",
            "0x7f.1",
            "169.254.169.254",
            "10.0.0.1:9",
        ] {
            let outcome = web.post(&format!("https://{host}/x"), "{}", &[]);
            let Outcome::Again(why) = outcome else { panic!("{host}: {outcome:?}") };
            assert!(why == NOT_PUBLIC || why.contains("leads nowhere") || why.contains("is none"), "{host}: {why}");
        }
        for url in ["http://example.com/x", "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/x"] {
            assert!(matches!(web.post(url, "{}", &[]), Outcome::Never(_)), "{url}");
        }
    }
}
