//! What makes events by itself: timers, and what is read from outside.

mod journals;
mod logs;
mod outside;
mod polls;
mod queues;
mod timers;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::catalogue::{ProjectState, StoredSource};
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::EventId;
use crate::domain::source::Source;
use crate::domain::time::Timestamp;
use crate::store::sources::Standpoint;

pub use outside::{Brought, Outing};
pub use view::SourceView;

/// No sender, no headers.
fn no_headers() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// A source with everything that is needed to make its events.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) at: Standpoint,
    pub(super) revision: i64,
    pub(super) source: Arc<Source>,
    /// Whether a rule listens to its events.
    pub(super) listens: bool,
}

impl Watched {
    fn new(state: &ProjectState, stored: &StoredSource, place: &str) -> Self {
        Self {
            at: Standpoint {
                definition: stored.definition.clone(),
                place: place.to_owned(),
                project: state.project.name.clone(),
                name: stored.source.name.clone(),
            },
            revision: stored.revision,
            source: Arc::clone(&stored.source),
            listens: state.rule_index.listens(&stored.source.event_type),
        }
    }

    /// An event of this source.
    pub(super) fn event(&self, key: String, payload: &Value, now: Timestamp) -> Event {
        let detail = if self.listens { "Rules are about to look at it." } else { "No rule listens to its type." };
        Event {
            id: EventId::new(uuid::Uuid::now_v7()),
            project: self.at.project.clone(),
            received_at: now,
            source: self.source.origin(),
            event_type: self.source.event_type.clone(),
            payload: payload.to_string(),
            dedupe_key: key,
            verdict: EventVerdict::NotMatched,
            detail: detail.to_owned(),
            run: None,
            depth: 0,
            awaits_rules: self.listens,
        }
    }
}
