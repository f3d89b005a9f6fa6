//! Enrichers: what each tells apart, and what it made of an event last.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::definitions::Kind;
use crate::app::enrichment::{EnricherView, LabelRecord};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render};

struct Row {
    name: String,
    project: String,
    description: String,
    kind: &'static str,
    labels: String,
    rules: Vec<(String, String)>,
    edit_href: String,
    may_edit: bool,
    state: &'static str,
    state_class: &'static str,
    last: Option<Given>,
}

/// What an enricher made of an event, as pages show it.
pub struct Given {
    /// The enricher.
    pub enricher: String,
    /// The label; empty where there is none.
    pub class: String,
    /// How sure, such as `95 %`.
    pub sure: String,
    /// The share, for the bar.
    pub percent: u32,
    /// Why.
    pub reason: String,
    /// Whether those are the words of whoever was asked.
    pub quoted: bool,
    /// Why there is no label.
    pub trouble: String,
    /// Whether an earlier answer about the same text was used.
    pub remembered: bool,
    /// When.
    pub at: Moment,
    /// The event's page.
    pub event_href: String,
}

#[derive(Template)]
#[template(path = "enrichers.html")]
struct Enrichers {
    chrome: Chrome,
    rows: Vec<Row>,
}

/// `GET /enrichers`.
pub async fn list(call: Call) -> Answer {
    let now = call.app.clock().now();
    let rows = call.app.enrichers(call.actor()?).await?.iter().map(|e| row(e, now)).collect();
    Ok(render(StatusCode::OK, &Enrichers { rows, chrome: chrome::of(&call, "/rules").await }))
}

fn row(e: &EnricherView, now: Timestamp) -> Row {
    let (state, state_class) = match e.state() {
        "off" => ("off", "off"),
        "unused" => ("no rule asks it", "off"),
        "failing" => ("gave no label last", "failed"),
        "waiting" => ("not asked yet", "dry_run"),
        _ => ("labels", "ran"),
    };
    let labels: Vec<&str> = e.enricher.labels.iter().map(AsRef::as_ref).collect();
    let rule = |rule: &String| (rule.clone(), format!("/rules/{}/{}", e.project, words::encoded(rule)));
    Row {
        edit_href: words::edit_href(&e.project, Kind::Enricher, e.enricher.name.as_str()),
        name: e.enricher.name.to_string(),
        project: e.project.to_string(),
        description: e.enricher.description.clone(),
        kind: e.enricher.kind.as_str(),
        labels: labels.join(", "),
        rules: e.rules.iter().map(rule).collect(),
        may_edit: e.may_edit,
        state,
        state_class,
        last: e.last.as_ref().map(|l| given(l, now)),
    }
}

/// What an enricher made of an event.
pub fn given(l: &LabelRecord, now: Timestamp) -> Given {
    let percent = percent(l.label.confidence);
    Given {
        enricher: l.enricher.to_string(),
        class: l.label.class.as_deref().map(visible).unwrap_or_default(),
        sure: format!("{percent} %"),
        percent,
        reason: visible(&l.label.reason),
        quoted: l.label.quoted,
        trouble: visible(&l.label.trouble),
        remembered: l.label.remembered,
        at: Moment::new(l.made_at, now),
        event_href: format!("/events/{}", l.event_id),
    }
}

/// Rounded down, so that nothing looks surer than it is.
fn percent(confidence: f64) -> u32 {
    (0..=100).rev().find(|n| f64::from(*n) <= confidence * 100.0 + 1e-9).unwrap_or(0)
}
