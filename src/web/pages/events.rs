//! What came in, what was decided about it, and why.

use actix_web::http::StatusCode;
use askama::Template;

use crate::app::error::AppError;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render};

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
    source: String,
    rows: Vec<Row>,
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
}

/// `GET /events`.
pub async fn list(call: Call) -> Answer {
    let source = call.query("source").unwrap_or_default();
    let project = call.query("project").and_then(|p| ProjectName::parse(&p).ok());
    let wanted = Some(source.trim()).filter(|s| !s.is_empty());
    let found = call.app.events(call.actor()?, project.as_ref(), wanted, 100).await?;
    let now = call.app.clock().now();
    let rows = found.iter().map(|e| row(e, now)).collect();
    Ok(render(StatusCode::OK, &Events { rows, source, chrome: chrome::of(&call, "/events").await }))
}

/// `GET /events/{id}`.
pub async fn one(call: Call) -> Answer {
    let id = EventId::parse(&call.part("id")).map_err(|_| AppError::not_found())?;
    let (event, headers) = call.app.event(call.actor()?, id).await?;
    let pretty = serde_json::from_str::<serde_json::Value>(&event.payload)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    let page = EventPage {
        e: row(&event, call.app.clock().now()),
        project: event.project.to_string(),
        dedupe: visible(&event.dedupe_key),
        headers: headers.into_iter().map(|(name, value)| (name, visible(&value))).collect(),
        payload: visible(&pretty.unwrap_or(event.payload)),
        chrome: chrome::of(&call, "/events").await,
    };
    Ok(render(StatusCode::OK, &page))
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
