//! What is left of events that had been kept long enough: how many there were.

use actix_web::http::StatusCode;
use askama::Template;

use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::event_query::{self, OUTCOMES};
use crate::web::page::{Chrome, render};

struct Row {
    day: String,
    project: String,
    kind: String,
    source: String,
    rule: String,
    outcome: String,
    count: i64,
}

#[derive(Template)]
#[template(path = "event_counts.html")]
struct Counts {
    chrome: Chrome,
    of_rules: bool,
    rows: Vec<Row>,
}

/// `GET /events/counts`: of events, or with `of=rules` of what rules made of them.
pub async fn page(call: Call) -> Answer {
    let of_rules = call.query("of").is_some_and(|of| of == "rules");
    let project = event_query::read(&call)?.project;
    let found = call.app.event_tallies(call.actor()?, project.as_ref(), of_rules).await?;
    let words = |outcome: &str| match OUTCOMES.iter().find(|(word, _)| *word == outcome) {
        Some((word, _)) if of_rules => word.replace('_', " "),
        Some((_, words)) => (*words).to_owned(),
        None => outcome.to_owned(),
    };
    let rows = found.into_iter().map(|(project, t)| Row {
        day: t.day,
        project: project.to_string(),
        kind: t.event_type,
        source: t.source,
        rule: t.rule,
        outcome: words(&t.outcome),
        count: t.count,
    });
    let page = Counts { rows: rows.collect(), of_rules, chrome: chrome::of(&call, "/events").await };
    Ok(render(StatusCode::OK, &page))
}
