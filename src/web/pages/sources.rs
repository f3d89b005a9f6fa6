//! Sources: where each stands.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::definitions::Kind;
use crate::app::error::AppError;
use crate::app::sources::SourceView;
use crate::domain::time::Timestamp;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render, see_other};

struct Row {
    name: String,
    project: String,
    description: String,
    kind: &'static str,
    event: String,
    events_href: String,
    edit_href: String,
    switch_href: String,
    state: &'static str,
    state_class: &'static str,
    next: Option<Moment>,
    waiting: Option<String>,
    last: Option<Moment>,
    error: String,
    may_edit: bool,
    enabled: bool,
}

#[derive(Template)]
#[template(path = "sources.html")]
struct Sources {
    chrome: Chrome,
    rows: Vec<Row>,
}

/// `GET /sources`.
pub async fn list(call: Call) -> Answer {
    let now = call.app.clock().now();
    let rows = call.app.sources(call.actor()?).await?.iter().map(|s| row(s, now)).collect();
    Ok(render(StatusCode::OK, &Sources { rows, chrome: chrome::of(&call, "/sources").await }))
}

/// `POST /sources/{project}/{name}/enabled`.
pub async fn switch(call: Call) -> Answer {
    let enabled = match call.form.text("enabled") {
        Some("yes") => true,
        Some("no") => false,
        _ => return Err(AppError::invalid("bad_form", "The form does not say on or off. Open the page again.")),
    };
    let (project, name) = (call.name("project")?, call.part("name"));
    call.app.switch_source(call.actor()?, &project, &name, enabled, &call.source).await?;
    Ok(see_other("/sources"))
}

fn row(s: &SourceView, now: Timestamp) -> Row {
    let name = s.source.name.to_string();
    let encoded = words::encoded(&name);
    let (state, state_class) = match s.state {
        "off" => ("off", "off"),
        "failing" => ("failing", "failed"),
        "done" => ("has fired", "ran"),
        "starting" => ("starting", "dry_run"),
        _ => ("watching", "ran"),
    };
    Row {
        events_href: format!("/events?source=source:{encoded}"),
        edit_href: words::edit_href(&s.project, Kind::Source, &name),
        switch_href: format!("/sources/{}/{encoded}/enabled", s.project),
        project: s.project.to_string(),
        description: s.source.description.clone(),
        kind: s.source.kind.as_str(),
        event: s.source.event_type.clone(),
        state,
        state_class,
        waiting: s
            .waiting
            .map(|count| if count == 0 { "nothing waits".to_owned() } else { format!("{count} waiting") }),
        next: s.next_at.map(|at| soon(at, now)),
        last: s.event_at.map(|at| Moment::new(at, now)),
        error: s.error.clone(),
        may_edit: s.may_edit,
        enabled: s.source.enabled,
        name,
    }
}

/// A moment that is to come.
fn soon(at: Timestamp, now: Timestamp) -> Moment {
    let moment = Moment::new(at, now);
    if at - now < chrono::TimeDelta::minutes(1) {
        return Moment { words: "within a minute".to_owned(), ..moment };
    }
    moment
}
