//! What came in, what was decided about it, and why.

use actix_web::http::StatusCode;
use askama::Template;

use super::choice::{Choice, TIMES, choices};
use super::enrichers::{Given, given};
use super::verdict::{Verdict, verdict};
use crate::app::enrichment::TeachView;
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::app::hooks::Replay;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;
use crate::web::address;
use crate::web::ansi::visible;
use crate::web::api::events::{cursor, place};
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::event_query::{self, EventQuery};
use crate::web::page::{Chrome, Moment, render, see_other};

/// An event in a table.
pub struct Row {
    /// Its id.
    pub id: String,
    /// When it came.
    pub at: Moment,
    /// From where.
    pub source: String,
    /// What it is.
    pub kind: String,
    /// The verdict's class.
    pub verdict: &'static str,
    /// The verdict in words.
    pub verdict_words: &'static str,
    /// Why.
    pub detail: String,
    /// The run that it made.
    pub run: Option<i64>,
}

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    chrome: Chrome,
    f: Filters,
    outcomes: Vec<Choice>,
    projects: Vec<Choice>,
    times: Vec<Choice>,
    rows: Vec<Row>,
    older: Option<String>,
    ndjson: String,
    csv: String,
    trouble: Option<String>,
}

struct Filters {
    source: String,
    kind: String,
    rule: String,
    any: bool,
    /// Whether one of those is set that are used less often.
    more: bool,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    chrome: Chrome,
    e: Row,
    project: String,
    dedupe: String,
    headers: Vec<(String, String)>,
    payload: String,
    /// Whether it came through a webhook, and so can be replayed.
    replayable: bool,
    replay: Option<Replayed>,
    message: Option<String>,
    /// What enrichers made of it.
    labels: Vec<Given>,
    /// The classifiers that may be taught about it.
    teach: Vec<Teach>,
    /// Why nothing was taught.
    teach_message: Option<String>,
    /// What rules made of it.
    verdicts: Vec<Verdict>,
}

/// What a classifier is told of an event.
struct Teach {
    enricher: String,
    labels: Vec<String>,
    /// The label that somebody gave; empty without one.
    label: String,
    /// Who gave it, and when.
    taught_by: Option<(String, Moment)>,
    may_teach: bool,
}

/// What a delivery would ask for now.
struct Replayed {
    webhook: String,
    webhook_href: String,
    job: String,
    matched: bool,
    redacted: bool,
    tokens: Vec<(String, String)>,
    options: Vec<(String, String)>,
    node_filter: Option<String>,
}

/// `GET /events`.
pub async fn list(call: Call) -> Answer {
    let text = |name: &str| call.query(name).map(|t| t.trim().to_owned()).unwrap_or_default();
    let (project, since, outcome) = (text("project"), text("since"), text("outcome"));
    let after = call.query("cursor").map(|c| cursor(&c)).transpose();
    // What cannot be read matches nothing, rather than everything, and is said.
    let (found, trouble) = match event_query::read(&call).and_then(|query| Ok((query, after?))) {
        Ok((EventQuery { project, filter }, after)) => {
            (Some(call.app.event_page(call.actor()?, project.as_ref(), &filter, after, 100).await?), None)
        }
        Err(AppError::Refused(refusal)) => (None, Some(refusal.message.clone())),
        Err(fault) => return Err(fault),
    };
    let (items, next) = found.map(|p| (p.items, p.next)).unwrap_or_default();
    let now = call.app.clock().now();
    let known: Vec<String> = call.app.projects(call.actor()?).await?.iter().map(ToString::to_string).collect();
    let (source, kind, rule) = (text("source"), text("type"), text("rule"));
    let more = !project.is_empty() || !since.is_empty();
    let export = |format| address::other(&call, "/events/export", &["cursor"], &[("format", format)]);
    let page = Events {
        rows: items.iter().map(|e| row(e, now)).collect(),
        older: next.map(|next| address::other(&call, "/events", &["cursor"], &[("cursor", place(next).as_str())])),
        outcomes: choices(event_query::OUTCOMES, &outcome),
        projects: choices(known.iter().map(|p| (p.as_str(), p.as_str())), &project),
        times: choices(TIMES, &since),
        ndjson: export("ndjson"),
        csv: export("csv"),
        f: Filters {
            any: more || [&source, &kind, &rule, &outcome].iter().any(|f| !f.is_empty()),
            source,
            kind,
            rule,
            more,
        },
        trouble,
        chrome: chrome::of(&call, "/events").await,
    };
    Ok(render(StatusCode::OK, &page))
}

/// `GET /events/{id}`.
pub async fn one(call: Call) -> Answer {
    show(&call, None, Said::default(), StatusCode::OK).await
}

/// `POST /events/{id}/labels`: what it really is, for a classifier to learn from.
pub async fn teach(call: Call) -> Answer {
    let id = id_of(&call)?;
    let enricher = call.form.text("enricher").unwrap_or_default();
    let label = call.form.text("label").filter(|label| !label.is_empty());
    match call.app.teach(call.actor()?, id, enricher, label, &call.source).await {
        Ok(()) => Ok(see_other(&format!("/events/{id}"))),
        Err(AppError::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => {
            let said = Said { teach: Some(refusal.message.clone()), ..Said::default() };
            show(&call, None, said, status_of(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

/// What a page says of the form that was sent.
#[derive(Default)]
struct Said {
    replay: Option<String>,
    teach: Option<String>,
}

/// `POST /events/{id}/replay`: what the delivery would ask for now, token by token. Nothing is stored and nothing runs.
pub async fn replay(call: Call) -> Answer {
    match call.app.replay(call.actor()?, id_of(&call)?).await {
        Ok(replay) => show(&call, Some(replayed(replay)), Said::default(), StatusCode::OK).await,
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            let said = Said { replay: Some(refusal.message.clone()), ..Said::default() };
            show(&call, None, said, status_of(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

fn id_of(call: &Call) -> AppResult<EventId> {
    EventId::parse(&call.part("id")).map_err(|_| AppError::not_found())
}

fn replayed(replay: Replay) -> Replayed {
    let shown = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(a, b)| (visible(&a), visible(&b))).collect();
    Replayed {
        webhook_href: format!("/webhooks/{}/{}", replay.project, replay.webhook),
        webhook: replay.webhook.to_string(),
        job: replay.job,
        matched: replay.matched,
        redacted: replay.redacted,
        tokens: shown(replay.expanded.tokens),
        options: shown(replay.expanded.options),
        node_filter: replay.expanded.node_filter.map(|f| visible(&f)),
    }
}

async fn show(call: &Call, replay: Option<Replayed>, said: Said, status: StatusCode) -> Answer {
    let (event, headers) = call.app.event(call.actor()?, id_of(call)?).await?;
    let pretty = serde_json::from_str::<serde_json::Value>(&event.payload)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    let now = call.app.clock().now();
    let verdicts = call.app.verdicts(call.actor()?, event.id).await?;
    let labels = call.app.labels(call.actor()?, event.id).await?;
    let teachable = call.app.teachable(call.actor()?, event.id).await?;
    let page = EventPage {
        labels: labels.iter().map(|l| given(l, now)).collect(),
        verdicts: verdicts.iter().map(|v| verdict(v, now)).collect(),
        e: row(&event, call.app.clock().now()),
        project: event.project.to_string(),
        dedupe: visible(&event.dedupe_key),
        headers: headers.into_iter().map(|(name, value)| (name, visible(&value))).collect(),
        replayable: event.webhook().is_some(),
        payload: visible(&pretty.unwrap_or(event.payload)),
        replay,
        message: said.replay,
        teach: teachable.iter().map(|t| taught(t, now)).collect(),
        teach_message: said.teach,
        chrome: chrome::of(call, "/events").await,
    };
    Ok(render(status, &page))
}

fn taught(t: &TeachView, now: Timestamp) -> Teach {
    Teach {
        enricher: t.enricher.to_string(),
        labels: t.labels.iter().map(ToString::to_string).collect(),
        label: t.taught.as_ref().map(|t| t.label.clone()).unwrap_or_default(),
        taught_by: t.taught.as_ref().map(|t| (t.taught_by.short().to_owned(), Moment::new(t.taught_at, now))),
        may_teach: t.may_teach,
    }
}

/// An event as a row.
pub fn row(event: &Event, now: Timestamp) -> Row {
    let (verdict, verdict_words) = match event.verdict {
        EventVerdict::Ran => ("ran", "ran"),
        EventVerdict::DryRun => ("dry_run", "dry run"),
        EventVerdict::NotMatched => ("skipped", "no match"),
        EventVerdict::Refused => ("rejected", "refused"),
        EventVerdict::Pending => ("queued", "being decided"),
    };
    Row {
        id: event.id.to_string(),
        at: Moment::new(event.received_at, now),
        source: event.source.clone(),
        kind: event.event_type.clone(),
        verdict,
        verdict_words,
        detail: visible(&event.detail),
        run: event.run.map(|r| r.get()),
    }
}
