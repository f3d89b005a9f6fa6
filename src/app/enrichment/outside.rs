//! Labels from outside: which events wait for them, what is to be asked, and what becomes of the answer.
//!
//! An event is one server's for a while. What was answered is stored, with the memory of it, in one transaction that asks
//! whether the event is still this server's: of two that asked, one labels.

use serde_json::Value;

use super::together::Asking;
use super::{Asked, next};
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::app::hooks::read_body;
use crate::domain::access::Permission;
use crate::domain::digest::Digest;
use crate::domain::enricher::label::{Label, Labels};
use crate::domain::enricher::outside::{Question, Terms};
use crate::domain::enricher::{Enricher, EnricherKind};
use crate::domain::event::Event;
use crate::domain::rule::judge::scope;
use crate::domain::time::Seconds;
use crate::store::enrichment::{answers, labels};
use crate::store::{Conn, StoreError, events};

/// How long a server has an event to itself before it asks anybody about it.
const LEASE: Seconds = Seconds::new(30);
/// What it has beyond the patience of whom it asks, to store the answer.
const BEYOND: Seconds = Seconds::new(30);

/// An event that waits for labels, and is this server's.
#[derive(Debug)]
pub struct Labelling {
    event: Event,
    claim: String,
    scope: Value,
    known: Labels,
    /// Who is being asked.
    asked: Option<Open>,
}

/// A question without an answer so far.
#[derive(Debug)]
struct Open {
    asked: Asked,
    /// What the answer is remembered under.
    key: Digest,
    /// Where others that ask the same wait for it.
    asking: Option<Asking>,
}

impl App {
    /// Takes events that wait for labels from outside, so many at most.
    ///
    /// # Errors
    /// The database.
    pub async fn labellings(&self, most: u32) -> AppResult<Vec<Labelling>> {
        let now = self.clock.now();
        if !self.db.read(move |c| events::any_unlabelled(c, now)).await? {
            return Ok(Vec::new());
        }
        let claim = format!("{} {}", self.settings.server, uuid::Uuid::new_v4());
        let (permit, mine, until) = (self.own_permit(Permission::Edit)?, claim.clone(), now + LEASE.to_delta());
        let taken = self.db.write(move |c| events::claim_unlabelled(c, &permit, &mine, now, until, most)).await?;
        let mut out = Vec::with_capacity(taken.len());
        for event in taken {
            let payload = read_body(event.payload.as_bytes()).map(|(data, _)| data).unwrap_or(Value::Null);
            let known = self.labels_so_far(event.id).await?;
            out.push(Labelling { event, claim: claim.clone(), scope: scope(payload), known, asked: None });
        }
        Ok(out)
    }

    /// What is to be asked next about an event. Nothing where everything is known, and the event goes on to the rules; or
    /// where another server has it by now.
    ///
    /// # Errors
    /// The database.
    pub async fn next_question(&self, labelling: &mut Labelling) -> AppResult<Option<Question>> {
        let catalogue = self.catalogue().await?;
        loop {
            let Labelling { event, scope, known, .. } = &*labelling;
            let state = catalogue.projects.get(&event.project);
            let next = state.and_then(|state| next(state, &event.event_type, scope, known, self.clock.now()));
            let Some(asked) = next else {
                self.hand_on(labelling).await?;
                return Ok(None);
            };
            match self.prepare_question(labelling, &asked).await? {
                Next::Ask(question, key, asking) => {
                    labelling.asked = Some(Open { asked, key, asking });
                    return Ok(Some(*question));
                }
                Next::Known(label) => {
                    if !self.settle_label(labelling, &asked, label, None).await? {
                        return Ok(None);
                    }
                }
                Next::Lost => return Ok(None),
            }
        }
    }

    /// Stores what was answered, or why nothing was.
    ///
    /// # Errors
    /// The database; the event is asked about again when its time with this server is over.
    pub async fn answered(&self, labelling: &mut Labelling, reply: Result<Vec<u8>, String>) -> AppResult<()> {
        let Some(Open { asked, key, asking }) = labelling.asked.take() else { return Ok(()) };
        let label = match reply {
            Ok(reply) => asked.enricher.read(&reply),
            Err(why) => Label::none(why),
        };
        let keep = terms(&asked.enricher).and_then(|terms| terms.cache).filter(|_| label.class.is_some());
        let told = label.clone();
        self.settle_label(labelling, &asked, label, keep.map(|age| (key, age))).await?;
        if let Some(mut asking) = asking {
            *asking = Some(told);
        }
        Ok(())
    }

    /// How many events are at a question that equal ones share: one of each kind asks, the others wait for what it is told.
    #[must_use]
    pub fn at_shared_questions(&self) -> usize {
        self.questions.joined()
    }

    async fn prepare_question(&self, labelling: &Labelling, asked: &Asked) -> AppResult<Next> {
        if let Some(label) = self.told_here(asked, &labelling.scope).await? {
            return Ok(Next::Known(label));
        }
        let text = match asked.enricher.looked_at(&labelling.scope) {
            Ok(text) => text,
            Err(why) => return Ok(Next::Known(Label::none(why))),
        };
        let Some(terms) = terms(&asked.enricher).cloned() else {
            return Ok(Next::Known(Label::none("There is nobody to ask.")));
        };
        let asks = serde_json::json!({ "of": asked.at.definition, "as": asked.digest, "text": text });
        let key = Digest::of_json(&asks);
        // Who wants an answer of its own for each event does not share one.
        let asking = match terms.cache {
            Some(_) => Some(self.questions.join(key).await),
            None => None,
        };
        if let Some(label) = asking.as_deref().cloned().flatten() {
            return Ok(Next::Known(label.again()));
        }
        let now = self.clock.now();
        if terms.cache.is_some()
            && let Some(label) = self.db.read(move |c| answers::find(c, &key, now)).await?
        {
            return Ok(Next::Known(label.again()));
        }
        let secret = match &asked.enricher.kind {
            EnricherKind::Model(model) => match &model.key {
                Some(path) => match Box::pin(self.key_value(&asked.at.project, path, None)).await {
                    Ok(secret) => Some(secret),
                    Err(AppError::Refused(refusal)) => return Ok(Next::Known(Label::none(refusal.message))),
                    Err(error) => return Err(error),
                },
                None => None,
            },
            _ => None,
        };
        let permit = self.own_permit(Permission::Edit)?;
        let (event, claim, at) = (labelling.event.clone(), labelling.claim.clone(), asked.at.clone());
        let spend = move |c: &mut Conn| {
            // Whoever has lost the event spends nothing.
            events::keep(c, &permit, &event, &claim, now + (terms.timeout.to_delta() + BEYOND.to_delta()))?;
            let (since, until) = terms.budget.window_at(now);
            answers::spend(c, &permit, &at, since, until, terms.budget.calls)
        };
        let spent = match self.db.write(spend).await {
            Ok(granted) => granted,
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => return Ok(Next::Lost),
            Err(error) => return Err(error.into()),
        };
        let question = asked.enricher.question(&text, secret).filter(|_| spent);
        Ok(match question {
            Some(question) => Next::Ask(Box::new(question), key, asking),
            None => Next::Known(Label::none(terms.budget.spent())),
        })
    }

    /// Stores a label of an event that is still this server's. Whether it was.
    async fn settle_label(
        &self,
        labelling: &mut Labelling,
        asked: &Asked,
        label: Label,
        remember: Option<(Digest, Seconds)>,
    ) -> AppResult<bool> {
        let (permit, now) = (self.own_permit(Permission::Edit)?, self.clock.now());
        let (event, claim) = (labelling.event.clone(), labelling.claim.clone());
        let (by, given) = (asked.clone(), label.clone());
        let store = move |c: &mut Conn| {
            events::keep(c, &permit, &event, &claim, now + LEASE.to_delta())?;
            labels::insert_once(c, &permit, &by.at, by.revision, event.id, &given, now)?;
            if let Some((key, age)) = remember {
                answers::remember(c, &permit, &by.at, &key, &given, now + age.to_delta())?;
            }
            Ok::<_, StoreError>(())
        };
        match self.db.write(store).await {
            Ok(()) => {
                labelling.known.insert(asked.enricher.name.clone(), label);
                Ok(true)
            }
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn hand_on(&self, labelling: &Labelling) -> AppResult<()> {
        let permit = self.own_permit(Permission::Edit)?;
        let (event, claim) = (labelling.event.clone(), labelling.claim.clone());
        match self.db.write(move |c| events::labelled(c, &permit, &event, &claim)).await {
            Ok(()) => self.live.work_is_there(),
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// What is to be done about an enricher.
enum Next {
    /// Ask; the answer is remembered under this key, and others may wait for it.
    Ask(Box<Question>, Digest, Option<Asking>),
    /// Nothing, as it is known.
    Known(Label),
    /// Nothing, as another server has the event.
    Lost,
}

fn terms(enricher: &Enricher) -> Option<&Terms> {
    enricher.kind.terms()
}
