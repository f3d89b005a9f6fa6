//! Events that are posted, and lists of events.

use serde_json::{Value, json};

use super::App;
use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::hooks::shown_payload;
use super::record::Source;
use crate::domain::access::{Actor, Permission, Permit, Resource};
use crate::domain::event::{Event, EventVerdict, POSTED, is_event_type};
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::moment::Moment;
use crate::domain::option::FieldError;
use crate::domain::time::Timestamp;
use crate::store::events::{self, Stored};

pub use crate::store::events::Tally;
pub use crate::store::events::history::{Filter as EventFilter, Wanted as WantedOutcome};

/// Lines of counts that are shown of a project.
const TALLIES: u32 = 1_000;
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
        if !stored.1 {
            Moment::EventStored.reached();
        }
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

    /// A page of those events that the filter wants, of the projects whose events the actor may see, newest first. A rule
    /// that they may not see looked at nothing.
    ///
    /// # Errors
    /// The database.
    pub async fn event_page(
        &self,
        actor: &Actor,
        project: Option<&ProjectName>,
        filter: &EventFilter,
        after: Option<(Timestamp, EventId)>,
        limit: u32,
    ) -> AppResult<EventPage> {
        let limit = limit.clamp(1, 199);
        let mut items: Vec<Event> = Vec::new();
        for name in self.projects_of_events(actor, project, filter).await? {
            let filter = filter.clone();
            // One more than a page, to know whether there is another.
            items.extend(self.db.read(move |c| events::list(c, &name, &filter, after, limit + 1)).await?);
        }
        items.sort_by_key(|e| std::cmp::Reverse((e.received_at, e.id)));
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|e| (e.received_at, e.id));
        Ok(EventPage { items, next })
    }

    async fn projects_of_events(
        &self,
        actor: &Actor,
        project: Option<&ProjectName>,
        filter: &EventFilter,
    ) -> AppResult<Vec<ProjectName>> {
        let catalogue = self.catalogue().await?;
        let sees = |resource: &Resource| self.authorize(actor, Permission::View, resource).is_ok();
        let wanted = catalogue.projects.keys().filter(|name| project.is_none_or(|p| p == *name));
        let seen = wanted.filter(|name| {
            let rule = filter.rule.clone().map(|rule| Resource::Rule { project: (*name).clone(), name: rule });
            sees(&Resource::Events { project: (*name).clone() }) && rule.is_none_or(|rule| sees(&rule))
        });
        Ok(seen.cloned().collect())
    }

    /// The projects that an export is of. Each of its pieces asks for all of them, so that a right that is lost on the way
    /// breaks it off instead of leaving something out.
    ///
    /// # Errors
    /// The database.
    pub async fn begin_export(
        &self,
        actor: &Actor,
        project: Option<&ProjectName>,
        filter: &EventFilter,
    ) -> AppResult<Vec<ProjectName>> {
        self.projects_of_events(actor, project, filter).await
    }

    /// A piece of an export: as [`App::event_page`], with payloads, without what is secret by its name.
    ///
    /// # Errors
    /// Not found where one of the projects may not be seen any more; the database.
    pub async fn export_piece(
        &self,
        actor: &Actor,
        projects: &[ProjectName],
        filter: &EventFilter,
        after: Option<(Timestamp, EventId)>,
    ) -> AppResult<EventPage> {
        let seen = self.projects_of_events(actor, None, filter).await?;
        if !projects.iter().all(|name| seen.contains(name)) {
            return Err(AppError::not_found());
        }
        let only = match projects {
            [only] => Some(only),
            _ => None,
        };
        let mut page = self.event_page(actor, only, filter, after, 199).await?;
        page.items.retain(|e| projects.contains(&e.project));
        for event in &mut page.items {
            event.payload = shown_payload(&event.payload);
        }
        Ok(page)
    }

    /// How many events were removed because they had been kept long enough, by day; or how many verdicts of rules that the
    /// actor may see.
    ///
    /// # Errors
    /// The database.
    pub async fn event_tallies(
        &self,
        actor: &Actor,
        project: Option<&ProjectName>,
        of_rules: bool,
    ) -> AppResult<Vec<(ProjectName, Tally)>> {
        let mut all = Vec::new();
        for name in self.projects_of_events(actor, project, &EventFilter::default()).await? {
            let wanted = name.clone();
            let found = self.db.read(move |c| events::tallies(c, &wanted, of_rules, TALLIES)).await?;
            let sees = |rule: &str| {
                let rule = Resource::Rule { project: name.clone(), name: rule.to_owned() };
                !of_rules || self.authorize(actor, Permission::View, &rule).is_ok()
            };
            all.extend(found.into_iter().filter(|t| sees(&t.rule)).map(|t| (name.clone(), t)));
        }
        let alike = |t: &Tally| (t.event_type.clone(), t.source.clone(), t.rule.clone(), t.outcome.clone());
        all.sort_by(|(p, a), (q, b)| b.day.cmp(&a.day).then_with(|| (p, alike(a)).cmp(&(q, alike(b)))));
        Ok(all)
    }
}
