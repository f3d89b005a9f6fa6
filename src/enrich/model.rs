//! Asks an address for a bounded answer in bounded time.

use std::time::Duration;

use ureq::tls::TlsConfig;

use crate::domain::enricher::outside::LARGEST_ANSWER;
use crate::domain::secret::SecretText;
use crate::outward::{self, Trouble};

const NOT_PUBLIC: &str = "Its address is not a public one; start the server with --enrichers-private if that is meant.";

/// Asks.
pub(super) fn ask(
    url: &str,
    key: Option<&SecretText>,
    body: &str,
    patience: Duration,
    private: bool,
) -> Result<Vec<u8>, String> {
    if !private && !url.starts_with("https://") {
        return Err(
            "Its address does not begin with https://; start the server with --enrichers-private if that is meant."
                .to_owned(),
        );
    }
    let agent = outward::agent(private, patience, TlsConfig::default());
    let mut request = agent.post(url).header("content-type", "application/json").header("accept", "application/json");
    if let Some(key) = key {
        // A line break in a secret would end the header.
        let key = SecretText::new(format!("Bearer {}", key.expose().trim_end_matches(['\r', '\n'])));
        request = request.header("authorization", key.expose());
    }
    let mut answer = request.send(body).map_err(|error| told(&error))?;
    match answer.status().as_u16() {
        200 => {}
        status @ 300..=399 => return Err(format!("It answered {status}, a redirect, and redirects are not followed.")),
        status => return Err(format!("It answered {status}.")),
    }
    answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec().map_err(|error| told(&error))
}

fn told(error: &ureq::Error) -> String {
    match Trouble::of(error) {
        Trouble::NotPublic => NOT_PUBLIC.to_owned(),
        Trouble::NotTrusted => "Its certificate is not trusted.".to_owned(),
        Trouble::Other(_) if matches!(error, ureq::Error::BodyExceedsLimit(_)) => too_large(),
        Trouble::Other(why) => {
            let mut letters = why.chars();
            letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        }
        Trouble::Unsaid => "It could not be asked.".to_owned(),
    }
}

/// What is said of an answer that nobody reads to its end.
pub(super) fn too_large() -> String {
    format!("Its answer has more than {} KiB.", LARGEST_ANSWER >> 10)
}
