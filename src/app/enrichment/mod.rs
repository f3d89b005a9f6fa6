//! Labels for events: who is to be asked about which event, and what becomes of the answers.
//!
//! An enricher that can tell by itself is asked on the way to the rules. An event about which somebody outside has to be
//! asked waits in a row of its own, where it holds up no other one; `outside` asks and hands it back.

mod here;
mod outside;
mod taught;
mod together;
mod view;

use std::sync::Arc;

use serde_json::Value;

use super::catalogue::{ProjectState, StoredEnricher};
use crate::domain::digest::Digest;
use crate::domain::enricher::Enricher;
use crate::domain::enricher::label::{self, Labels};
use crate::domain::rule::AuthoredMode;
use crate::domain::time::Timestamp;
use crate::store::enrichment::EnricherRef;

pub use crate::store::enrichment::labels::LabelRecord;
pub use crate::store::enrichment::taught::TaughtRecord;
pub use outside::Labelling;
pub use taught::{Learned, TeachView};
pub use together::Together;
pub use view::EnricherView;

/// An enricher with what rows of it carry.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) at: EnricherRef,
    pub(super) revision: i64,
    pub(super) digest: Digest,
    pub(super) enricher: Arc<Enricher>,
}

impl Asked {
    fn new(state: &ProjectState, stored: &StoredEnricher) -> Self {
        let at = EnricherRef {
            definition: stored.definition.clone(),
            project: state.project.name.clone(),
            name: stored.enricher.name.clone(),
        };
        Self { at, revision: stored.revision, digest: stored.digest, enricher: Arc::clone(&stored.enricher) }
    }
}

/// The enricher that an event of this type is still to be held against: the first that any rule asks for which everything
/// else it asks of the event holds. Nobody is asked about an event that no rule can match anyway.
fn next(state: &ProjectState, event_type: &str, scope: &Value, known: &Labels, now: Timestamp) -> Option<Asked> {
    let rules = state.rule_index.of_type(event_type).iter().filter_map(|place| state.rules.get(*place));
    let asking = rules.map(|stored| &stored.rule).filter(|rule| !rule.enrich.is_empty());
    for rule in asking.filter(|rule| rule.mode != AuthoredMode::Off && rule.conditions.could_hold(scope, now)) {
        // One that cannot be read any more has no say, and keeps no event waiting.
        let there: Vec<_> = state.asked_by(rule).map(|e| e.enricher.name.clone()).collect();
        if let Some(stored) = label::next(&there, known).and_then(|name| state.enrichers.get(name)) {
            return Some(Asked::new(state, stored));
        }
    }
    None
}

/// Whether any rule that listens to this type asks an enricher.
fn asks(state: &ProjectState, event_type: &str) -> bool {
    let mut rules = state.rule_index.of_type(event_type).iter().filter_map(|place| state.rules.get(*place));
    rules.any(|stored| !stored.rule.enrich.is_empty())
}

/// The enrichers that rules ask about events of this type, each once.
fn asks_of(state: &ProjectState, event_type: &str) -> Vec<Asked> {
    let mut out: Vec<Asked> = Vec::new();
    for stored in state.rule_index.of_type(event_type).iter().filter_map(|place| state.rules.get(*place)) {
        for enricher in state.asked_by(&stored.rule) {
            if out.iter().all(|known| known.at.definition != enricher.definition) {
                out.push(Asked::new(state, enricher));
            }
        }
    }
    out
}
