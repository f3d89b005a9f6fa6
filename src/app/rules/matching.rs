//! Holds stored events against rules, in the engine: each event is somebody's for a while, each rule acts on it once, and
//! what a server leaves half done the next one takes up.

use futures_util::StreamExt;
use serde_json::Value;

use super::turns::{Turn, Turns};
use super::verdict::summary;
use crate::app::App;
use crate::app::catalogue::{Catalogue, ProjectState, StoredRule};
use crate::app::error::AppResult;
use crate::app::hooks::read_body;
use crate::domain::access::Permission;
use crate::domain::event::Event;
use crate::domain::moment::Moment;
use crate::domain::rule::judge::{labelled, scope};
use crate::domain::time::Seconds;
use crate::store::rules::states::{self, TextOfRule};
use crate::store::rules::verdicts;
use crate::store::{StoreError, events};

/// How long a server has an event to itself.
const LEASE: Seconds = Seconds::new(30);
/// Events that are taken at once.
const PIECE: u32 = 50;
/// How many of them are looked at at the same time.
const AT_ONCE: usize = 16;

/// An event that rules are about to look at.
struct Waiting {
    event: Event,
    /// What rules look into.
    scope: Value,
    /// The rules that it may concern by their place, each with the event's place in the rule's line.
    candidates: Vec<(usize, Turn)>,
}

impl Waiting {
    fn new(event: Event, catalogue: &Catalogue, turns: &mut Turns) -> Self {
        // What is no JSON cannot be looked into; a criterion on a field of it never matches.
        let payload = read_body(event.payload.as_bytes()).map(|(data, _)| data).unwrap_or(Value::Null);
        let scope = scope(payload);
        let state = catalogue.projects.get(&event.project);
        let places = state.map(|s| s.rule_index.candidates(&event.event_type, &scope)).unwrap_or_default();
        let candidates = places.into_iter().map(|place| (place, turns.next((&event.project, place)))).collect();
        Self { event, scope, candidates }
    }
}

impl App {
    /// Lets rules look at the events that wait for them. How many events.
    ///
    /// # Errors
    /// The database; whatever could not be decided is looked at again later.
    pub async fn match_events(&self) -> AppResult<usize> {
        let now = self.clock.now();
        if !self.db.read(move |c| events::any_unmatched(c, now)).await? {
            return Ok(0);
        }
        let claim = format!("{} {}", self.settings.server, uuid::Uuid::new_v4());
        let permit = self.own_permit(Permission::Edit)?;
        let (mine, until) = (claim.clone(), now + LEASE.to_delta());
        let taken = self.db.write(move |c| events::claim_unmatched(c, &permit, &mine, now, until, PIECE)).await?;
        if !taken.is_empty() {
            Moment::EventTaken.reached();
        }
        let catalogue = self.catalogue().await?;
        let mut turns = Turns::default();
        let waiting: Vec<Waiting> =
            taken.into_iter().map(|event| Waiting::new(event, &catalogue, &mut turns)).collect();
        let (catalogue, claim) = (catalogue.as_ref(), claim.as_str());
        // Those before it in any rule's line are under way before an event is begun with, so no line stands still.
        let looked_at = futures_util::stream::iter(waiting)
            .map(|waiting| Box::pin(async move { self.match_one(waiting, catalogue, claim).await }))
            .buffered(AT_ONCE);
        Ok(looked_at.filter(|done| std::future::ready(*done)).count().await)
    }

    /// Whether rules looked at the event.
    async fn match_one(&self, waiting: Waiting, catalogue: &Catalogue, claim: &str) -> bool {
        let id = waiting.event.id;
        let done = self.try_match(waiting, catalogue, claim).await;
        // The event stays taken until the lease is over, and is looked at again then. Neither other events nor runs wait
        // for it.
        if let Err(error) = &done {
            tracing::warn!(event.id = %id, error.cause = %error, "rules could not look at an event");
        }
        done.is_ok()
    }

    async fn try_match(&self, waiting: Waiting, catalogue: &Catalogue, claim: &str) -> AppResult<()> {
        let Waiting { event, scope, candidates } = waiting;
        let mut verdicts = Vec::new();
        if let Some(state) = catalogue.projects.get(&event.project) {
            let Some(labels) = self.label_here(state, &event, &scope, claim).await? else { return Ok(()) };
            for (place, turn) in candidates {
                let mut turn = Some(turn);
                let Some(rule) = state.rules.get(place) else { continue };
                let scope = labelled(&rule.rule, &scope, &labels);
                verdicts.push(self.apply_rule(state, rule, &event, &scope, &mut turn).await?);
            }
        }
        Moment::EventUnmarked.reached();
        let permit = self.own_permit(Permission::Edit)?;
        let claim = claim.to_owned();
        let write = move |c: &mut crate::store::Conn| {
            for verdict in &verdicts {
                verdicts::insert_once(c, &permit, verdict)?;
            }
            let all = verdicts::of_event(c, event.id)?;
            // What a webhook made of its delivery stays the event's own verdict.
            let own = event.webhook().is_none().then(|| summary(&all));
            let own = own.as_ref().map(|(verdict, detail, run)| (*verdict, detail.as_str(), *run));
            events::matched(c, &permit, &event, &claim, own)
        };
        match self.db.write(write).await {
            // Whoever has it now finds what was done, and does it no second time.
            Ok(()) | Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a text is live now.
pub(super) fn live(c: &mut crate::store::Conn, text: &TextOfRule) -> Result<bool, StoreError> {
    match states::find(c, text)? {
        Some(state) => states::is_live(c, text, &state),
        None => Ok(false),
    }
}

pub(super) fn text_of(state: &ProjectState, stored: &StoredRule) -> TextOfRule {
    TextOfRule {
        definition: stored.definition.clone(),
        digest: stored.digest,
        project: state.project.name.clone(),
        rule: stored.rule.name.clone(),
        enrichers: state.asked_by(&stored.rule).map(|e| e.definition.clone()).collect(),
    }
}
