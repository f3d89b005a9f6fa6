//! What people teach classifiers, and what those learned from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{Asked, asks_of};
use crate::app::App;
use crate::app::catalogue::ProjectState;
use crate::app::error::{AppError, AppResult};
use crate::app::hooks::read_body;
use crate::app::record::Source;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::approval::DecisionRefused;
use crate::domain::enricher::EnricherKind;
use crate::domain::enricher::classifier::{Classifier, Example, MOST};
use crate::domain::enricher::label::Label;
use crate::domain::event::Event;
use crate::domain::ids::{EnricherName, EventId, LabelName};
use crate::domain::rule::judge::scope;
use crate::store::enrichment::EnricherRef;
use crate::store::enrichment::taught::{self, TaughtRecord};
use crate::store::{StoreError, events};

/// What classifiers learned, by definition, with what it was learned from.
#[derive(Debug, Default)]
pub struct Learned(Mutex<BTreeMap<String, (String, Arc<Classifier>)>>);

/// A classifier that may be taught about an event.
#[derive(Debug, Clone)]
pub struct TeachView {
    /// The classifier.
    pub enricher: EnricherName,
    /// The labels that it can give.
    pub labels: Vec<LabelName>,
    /// What somebody said of this event.
    pub taught: Option<TaughtRecord>,
    /// Whether the actor may say something else.
    pub may_teach: bool,
}

impl App {
    /// What can be told of an event without asking anybody outside.
    pub(super) async fn told_here(&self, asked: &Asked, scope: &Value) -> AppResult<Option<Label>> {
        let learned = match asked.enricher.kind {
            EnricherKind::Classifier if asked.enricher.enabled => Some(self.learned(asked).await?),
            _ => None,
        };
        Ok(asked.enricher.told_here(scope, learned.as_deref()))
    }

    /// What a classifier learned; learned anew where anything was taught since.
    async fn learned(&self, asked: &Asked) -> AppResult<Arc<Classifier>> {
        let definition = asked.at.definition.clone();
        let stamp = self.db.read(move |c| taught::stamp_of(c, &definition)).await?;
        let stamp = format!("{} {stamp}", asked.digest);
        let known = self.learned.0.lock().unwrap_or_else(PoisonError::into_inner).get(&asked.at.definition).cloned();
        if let Some((_, learned)) = known.filter(|(of, _)| *of == stamp) {
            return Ok(learned);
        }
        let (definition, labels) = (asked.at.definition.clone(), asked.enricher.labels.clone());
        // On a thread that may take its time.
        let learned = self
            .db
            .read(move |c| {
                let mut newest = taught::newest(c, &definition, MOST)?;
                newest.reverse();
                Ok::<_, StoreError>(newest)
            })
            .await?;
        let learn = move || {
            let examples: Vec<Example> =
                learned.into_iter().map(|t| Example { label: t.label, text: t.text }).collect();
            Classifier::learn(&labels, &examples)
        };
        let learned = Arc::new(tokio::task::spawn_blocking(learn).await.map_err(AppError::fault)?);
        let mut all = self.learned.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(asked.at.definition.clone(), (stamp, Arc::clone(&learned)));
        Ok(learned)
    }

    /// The classifiers that rules ask about events of this one's type, and what people said of it.
    ///
    /// # Errors
    /// Not found, also when the event may not be seen.
    pub async fn teachable(&self, actor: &Actor, id: EventId) -> AppResult<Vec<TeachView>> {
        let catalogue = self.catalogue().await?;
        let event = self.db.read(move |c| events::get(c, id)).await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: event.project.clone() })?;
        let Some(state) = catalogue.projects.get(&event.project) else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        for asked in asks_of(state, &event.event_type) {
            let on = resource(&asked.at);
            let sees = self.authorize(actor, Permission::View, &on).is_ok();
            if !sees || !matches!(asked.enricher.kind, EnricherKind::Classifier) {
                continue;
            }
            let definition = asked.at.definition.clone();
            out.push(TeachView {
                enricher: asked.enricher.name.clone(),
                labels: asked.enricher.labels.clone(),
                taught: self.db.read(move |c| taught::of_event(c, &definition, id)).await?,
                may_teach: actor.is_person() && self.authorize(actor, Permission::Promote, &on).is_ok(),
            });
        }
        Ok(out)
    }

    /// Says what an event really is, for a classifier to learn from; or takes that back, without a label.
    ///
    /// # Errors
    /// Not found; forbidden without `promote` on the enricher and for who is no person; `no_classifier`, `bad_label`,
    /// `no_text`.
    pub async fn teach(
        &self,
        actor: &Actor,
        id: EventId,
        enricher: &str,
        label: Option<&str>,
        source: &Source,
    ) -> AppResult<()> {
        let catalogue = self.catalogue().await?;
        let event = self.db.read(move |c| events::get(c, id)).await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: event.project.clone() })?;
        let asked = find(catalogue.project(&event.project)?, enricher).ok_or_else(AppError::not_found)?;
        let permit = self.authorize(actor, Permission::Promote, &resource(&asked.at))?;
        if !actor.is_person() {
            return Err(DecisionRefused::NotAPerson.into());
        }
        if !matches!(asked.enricher.kind, EnricherKind::Classifier) {
            let message = format!("`{enricher}` does not learn from labels; only a classifier does.");
            return Err(AppError::invalid("no_classifier", message));
        }
        let label = match label {
            Some(label) => {
                let known = asked.enricher.labels.iter().find(|known| known.as_str() == label);
                let message = "That is none of the enricher's labels. Choose one of those that it has.";
                Some(known.ok_or_else(|| AppError::invalid("bad_label", message))?.clone())
            }
            None => None,
        };
        let text = text_of(&asked, &event).map_err(|why| AppError::invalid("no_text", why))?;
        let (recorder, source, actor, now) = (self.recorder(), source.to_owned(), actor.clone(), self.clock.now());
        self.db
            .write(move |c| {
                let at = &asked.at;
                match &label {
                    Some(label) => taught::set(c, &permit, at, event.id, label.as_str(), &text, now)?,
                    None => drop(taught::take_back(c, &permit, at, event.id)?),
                }
                let detail = json!({ "event": event.id, "label": label });
                let resource = format!("{}:enricher/{}", at.project, at.name);
                recorder.note(c, &actor, &source, "enricher.taught", resource, Some(&at.project), detail)?;
                Ok::<_, AppError>(())
            })
            .await
    }
}

fn find(state: &ProjectState, name: &str) -> Option<Asked> {
    let stored = state.enrichers.get(&EnricherName::parse(name).ok()?)?;
    Some(Asked::new(state, stored))
}

fn resource(at: &EnricherRef) -> Resource {
    Resource::Enricher { project: at.project.clone(), name: at.name.to_string() }
}

/// What the classifier looks at of an event.
fn text_of(asked: &Asked, event: &Event) -> Result<String, String> {
    let payload = read_body(event.payload.as_bytes()).map(|(data, _)| data).unwrap_or(Value::Null);
    asked.enricher.looked_at(&scope(payload))
}
