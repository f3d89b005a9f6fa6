//! Aliases: the words of a chat that ask for runs.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::chat::aliases::AliasView;
use crate::app::definitions::Kind;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

struct Row {
    name: String,
    project: String,
    description: String,
    ways: Vec<String>,
    job: String,
    /// Empty where the job is not there, or not theirs to see.
    job_href: String,
    enabled: bool,
    edit_href: String,
    may_edit: bool,
}

#[derive(Template)]
#[template(path = "aliases.html")]
struct Aliases {
    chrome: Chrome,
    rows: Vec<Row>,
}

/// `GET /aliases`.
pub async fn list(call: Call) -> Answer {
    let rows = call.app.aliases(call.actor()?).await?.iter().map(row).collect();
    Ok(render(StatusCode::OK, &Aliases { rows, chrome: chrome::of(&call, "/jobs").await }))
}

fn row(a: &AliasView) -> Row {
    let phrases = a.alias.formats.iter().flat_map(|format| &format.phrases);
    let job_href = a.asks_for.as_ref().map(|path| words::job_href(&a.project, path));
    Row {
        edit_href: words::edit_href(&a.project, Kind::Alias, &a.alias.name),
        name: visible(&a.alias.name),
        project: a.project.to_string(),
        description: visible(&a.alias.description),
        ways: phrases.map(|phrase| visible(phrase.source())).collect(),
        job: a.asks_for.as_ref().map_or_else(|| visible(&a.alias.job), ToString::to_string),
        job_href: job_href.unwrap_or_default(),
        enabled: a.alias.enabled,
        may_edit: a.may_edit,
    }
}
