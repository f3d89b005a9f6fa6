//! Polls: what is sent along, and what comes of an answer.

use super::no_headers;
use super::outside::{Brought, FROM_END, Outing};
use crate::app::App;
use crate::app::error::AppResult;
use crate::domain::access::Permit;
use crate::domain::ids::ProjectName;
use crate::domain::secret::SecretText;
use crate::domain::source::errand::KnownBy;
use crate::domain::source::poll::{First, HeaderValue, MOST_REMEMBERED, Poll, REMEMBERED, payload};
use crate::domain::time::Timestamp;
use crate::store::sources::{self, NewStanding, seen};
use crate::store::{Conn, StoreError, events};

impl App {
    /// The headers of a question, with their secrets.
    pub(super) async fn headers(&self, project: &ProjectName, poll: &Poll) -> AppResult<Vec<(String, SecretText)>> {
        let mut out = Vec::with_capacity(poll.headers.len());
        for (name, value) in &poll.headers {
            let value = match value {
                HeaderValue::Plain(text) => SecretText::new(text.clone()),
                HeaderValue::Secret { path, prefix } => {
                    let secret = Box::pin(self.key_value(project, path, None)).await?;
                    SecretText::new(format!("{prefix}{}", secret.expose().trim_end_matches(['\r', '\n'])))
                }
            };
            out.push((name.clone(), value));
        }
        Ok(out)
    }
}

/// The position of a source whose answer is known by this.
pub(super) fn position(known_by: &KnownBy) -> String {
    serde_json::to_string(known_by).unwrap_or_default()
}

/// Stores an event for each item that was not seen yet, and what was seen, unless somebody moved the source meanwhile.
pub(super) fn store_items(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    poll: &Poll,
    items: Option<Vec<(String, serde_json::Value)>>,
    position: String,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    let at = &watched.at;
    // Nothing was brought before, or it was off meanwhile.
    let first = standing.position.is_empty() || standing.position == FROM_END;
    let silent = first && (poll.first == First::Seen || standing.position == FROM_END);
    let known = if items.is_some() { seen::all(c, &at.definition)? } else { Default::default() };
    let items =
        items.map(|all| (all.iter().map(|(key, _)| key.clone()).collect::<std::collections::BTreeSet<_>>(), all));
    let fresh: Vec<&(String, serde_json::Value)> = match &items {
        Some((_, all)) => all.iter().filter(|(key, _)| !known.contains_key(key)).collect(),
        None => Vec::new(),
    };
    let makes = !silent && !fresh.is_empty();
    let new = NewStanding {
        position,
        next_at: Some(poll.next(0, now)),
        failures: 0,
        error: String::new(),
        event_at: if makes { Some(now) } else { standing.event_at },
        ..NewStanding::of(standing)
    };
    if !sources::advance(c, permit, at, standing.changes, &new)? {
        return Ok(Brought::default());
    }
    if let Some((there, _)) = &items {
        let picked = |gone: bool, present: bool| -> Vec<String> {
            known.iter().filter(|(k, g)| **g == gone && there.contains(*k) == present).map(|(k, _)| k.clone()).collect()
        };
        seen::add(c, permit, at, &fresh.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>())?;
        seen::set_gone(c, permit, at, &picked(false, false), Some(now))?;
        seen::set_gone(c, permit, at, &picked(true, true), None)?;
        seen::age(c, permit, at, now - REMEMBERED.to_delta(), MOST_REMEMBERED)?;
    }
    if silent {
        return Ok(Brought::default());
    }
    for (key, item) in &fresh {
        let event = watched.event(key.clone(), &payload(item.clone()), now);
        events::insert_event_once(c, permit, &event, &no_headers())?;
    }
    Ok(Brought { events: fresh.len(), more: false, taken: true })
}
