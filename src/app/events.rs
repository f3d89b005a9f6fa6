//! Events that are posted, and lists of events.

use serde_json::{Value, json};

use super::App;
use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::record::Source;
use crate::domain::access::{Actor, Permission, Permit, Resource};
use crate::domain::event::{Event, EventVerdict, POSTED, is_event_type};
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::option::FieldError;
use crate::domain::time::Timestamp;
use crate::store::events::{self, Stored};

/// The longest key that tells two posts of one event.
const LONGEST_KEY: usize = 500;

/// An event that somebody posts.
#[derive(Debug, Clone)]
pub struct PostedEvent {
    /// The project; may be left out by who may post to one only.
    pub project: Option<ProjectName>,
    /// Such as `prometheus.alert`.
    pub event_type: String,
    /// What it says.
    pub payload: Value,
    /// What makes a second post the same event; a new event every time without one.
    pub dedupe_key: Option<String>,
}

/// A page of events and where the next one begins.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, newest first.
    pub items: Vec<Event>,
    /// What to pass as `after` for older ones.
    pub next: Option<(Timestamp, EventId)>,
}

impl App {
    /// Stores an event for good, once for each key. The event as stored, and whether it was there before.
    ///
    /// # Errors
    /// `invalid_fields`; forbidden without `run` on the project's events.
    pub async fn post_event(&self, actor: &Actor, posted: PostedEvent, source: &Source) -> AppResult<(Event, bool)> {
        self.catalogue().await?;
        let mut wrong = Vec::new();
        let mut field = |field: &str, message: String| {
            wrong.push(FieldError { field: field.to_owned(), code: format!("bad_{field}"), message });
        };
        if !is_event_type(&posted.event_type) {
            let message = format!("`{}` is no type; write it as prometheus.alert.", posted.event_type);
            field("type", message);
        }
        if posted.dedupe_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            field("dedupe_key", format!("`dedupe_key` has to have 1 to {LONGEST_KEY} bytes."));
        }
        if !wrong.is_empty() {
            let message = "Some fields are wrong. Nothing was stored.";
            return Err(Refusal::new(RefusalKind::Invalid, "invalid_fields", message).with_fields(wrong).into());
        }
        let (project, permit) = self.may_post(actor, posted.project)?;
        let known = self.known();
        let awaits_rules = known.projects.get(&project).is_some_and(|p| p.rule_index.listens(&posted.event_type));
        let detail = if awaits_rules { "Rules are about to look at it." } else { "No rule listens to its type." };
        let event = Event {
            id: EventId::new(uuid::Uuid::now_v7()),
            project: project.clone(),
            received_at: self.clock.now(),
            source: POSTED.to_owned(),
            event_type: posted.event_type,
            payload: posted.payload.to_string(),
            dedupe_key: posted.dedupe_key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            verdict: EventVerdict::NotMatched,
            detail: detail.to_owned(),
            run: None,
            depth: 0,
            awaits_rules,
        };
        let (recorder, source, actor) = (self.recorder(), source.to_owned(), actor.clone());
        let stored = self
            .db
            .write(move |c| match events::insert_event_once(c, &permit, &event, &Default::default())? {
                Stored::Duplicate(known) => Ok::<_, AppError>((*known, true)),
                Stored::Inserted => {
                    let detail = json!({ "type": event.event_type, "dedupe_key": event.dedupe_key });
                    let resource = format!("event:{}", event.id);
                    recorder.note(c, &actor, &source, "event.posted", resource, Some(&project), detail)?;
                    Ok((event.clone(), false))
                }
            })
            .await?;
        if stored.0.awaits_rules {
            self.live.work_is_there();
        }
        Ok(stored)
    }

    /// The project that an event goes to, and the right to post it there.
    fn may_post(&self, actor: &Actor, project: Option<ProjectName>) -> AppResult<(ProjectName, Permit)> {
        let on = |project: &ProjectName| {
            self.authorize(actor, Permission::Run, &Resource::Events { project: project.clone() })
        };
        if let Some(project) = project {
            let permit = on(&project)?;
            return Ok((project, permit));
        }
        let known = self.known();
        let tried: Vec<_> = known.projects.keys().map(|name| (name, on(name))).collect();
        let mut may: Vec<_> = tried.iter().filter_map(|(name, permit)| Some((*name, permit.as_ref().ok()?))).collect();
        match (may.pop(), may.is_empty()) {
            (Some((name, permit)), true) => Ok((name.clone(), permit.clone())),
            (Some(_), false) => {
                let message = "You may post to several projects, so say which with `project`.".to_owned();
                let field = FieldError { field: "project".to_owned(), code: "required".to_owned(), message };
                let message = field.message.clone();
                Err(Refusal::new(RefusalKind::Invalid, "invalid_fields", message).with_fields(vec![field]).into())
            }
            (None, _) => {
                let visible = tried.into_iter().filter_map(|(_, refused)| refused.err());
                let forbidden =
                    visible.map(AppError::from).find(|e| e.refusal().is_some_and(|r| r.code == "forbidden"));
                Err(forbidden.unwrap_or_else(AppError::not_found))
            }
        }
    }

    /// A page of events of the projects whose events the actor may see, newest first.
    ///
    /// # Errors
    /// The database.
    pub async fn event_page(
        &self,
        actor: &Actor,
        project: Option<&ProjectName>,
        source: Option<&str>,
        after: Option<(Timestamp, EventId)>,
        limit: u32,
    ) -> AppResult<EventPage> {
        let catalogue = self.catalogue().await?;
        let limit = limit.clamp(1, 199);
        let mut items: Vec<Event> = Vec::new();
        for name in catalogue.projects.keys().filter(|n| project.is_none_or(|p| p == *n)) {
            if self.authorize(actor, Permission::View, &Resource::Events { project: name.clone() }).is_err() {
                continue;
            }
            let (name, source) = (name.clone(), source.map(str::to_owned));
            // One more than a page, to know whether there is another.
            items.extend(self.db.read(move |c| events::list(c, &name, source.as_deref(), after, limit + 1)).await?);
        }
        items.sort_by_key(|e| std::cmp::Reverse((e.received_at, e.id)));
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|e| (e.received_at, e.id));
        Ok(EventPage { items, next })
    }
}
