//! The revisions of a definition: who saved what when, and the way back.

use actix_web::http::StatusCode;
use askama::Template;

use super::{diff, editor, words};
use crate::app::definitions::RevisionView;
use crate::domain::access::Principal;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render};

struct Row {
    revision: i64,
    digest: String,
    author: String,
    at: Moment,
    message: String,
    newest: bool,
    left: bool,
    right: bool,
}

struct Compared {
    title: String,
    /// Nothing when every line is the same.
    diff_html: Option<String>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    chrome: Chrome,
    project: String,
    kind: &'static str,
    name: String,
    href: String,
    edit_href: String,
    back_href: String,
    may_edit: bool,
    rows: Vec<Row>,
    compared: Option<Compared>,
}

/// `GET /projects/{project}/history/{kind}/{name}`; `?from=A&to=B` compares two revisions.
pub async fn page(call: Call) -> Answer {
    let place = editor::place(&call)?;
    let actor = call.actor()?;
    let revisions = call.app.history(actor, &place.project, place.kind, &place.name).await?;
    let newest = revisions.first().map_or(0, |r| r.revision);
    let number = |name: &str| call.query(name).and_then(|n| n.parse::<i64>().ok());
    let right = number("to").unwrap_or(newest);
    let left = number("from").unwrap_or(right - 1);
    let now = call.app.clock().now();
    let (project, kind, encoded) = (place.project.to_string(), place.kind.as_str(), words::encoded(&place.name));
    let page = History {
        compared: compare(&revisions, left, right),
        rows: revisions
            .iter()
            .map(|r| Row {
                revision: r.revision,
                digest: r.digest.short(),
                author: Principal::parse(&r.author).map_or_else(|| r.author.clone(), |p| words::who(&p)),
                at: Moment::new(r.created_at, now),
                message: r.message.clone(),
                newest: r.revision == newest,
                left: r.revision == left,
                right: r.revision == right,
            })
            .collect(),
        may_edit: call.app.may_edit(actor, &place.project, place.kind, &place.name).await.is_ok(),
        href: format!("/projects/{project}/history/{kind}/{encoded}"),
        edit_href: words::edit_href(&place.project, place.kind, &place.name),
        back_href: editor::after(&place.project, place.kind, &place.name),
        project,
        kind,
        name: place.name,
        chrome: chrome::of(&call, "/jobs").await,
    };
    Ok(render(StatusCode::OK, &page))
}

/// The difference between two revisions; the one before the first is empty.
fn compare(revisions: &[RevisionView], left: i64, right: i64) -> Option<Compared> {
    let source = |number: i64| revisions.iter().find(|r| r.revision == number).map(|r| r.source.as_str());
    let new = source(right)?;
    let title = match source(left) {
        Some(_) => format!("From revision {left} to {right}"),
        None => format!("Revision {right}"),
    };
    let before = if source(left).is_some() { format!("Revision {left}") } else { "Nothing".to_owned() };
    let after = (format!("Revision {right}"), new);
    Some(Compared { title, diff_html: diff::html((before, source(left).unwrap_or_default()), after) })
}
