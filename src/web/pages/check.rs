//! What the editor says about a text while one types: its mistakes with their places, and the form that it makes.

use actix_web::HttpResponse;
use askama::Template;

use super::editor::Place;
use super::job_form::{self, Typed};
use crate::app::definitions::{Diagnostic, Kind};
use crate::app::error::{AppError, AppResult, sentence};
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::page::fragment;

/// A mistake with its place.
struct Mark {
    error: bool,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    /// The file, where it is another one than the edited.
    file: Option<String>,
    message: String,
    hint: Option<String>,
    code: &'static str,
}

#[derive(Template)]
#[template(path = "parts/diagnostics.html")]
struct Diagnostics {
    marks: Vec<Mark>,
}

#[derive(Template)]
#[template(path = "parts/checked.html")]
struct Parts {
    checked: Checked,
}

/// The parts of the page that follow the text.
pub struct Checked {
    /// The mistakes.
    pub diagnostics_html: String,
    /// The form that the text makes, where it makes one.
    pub form_html: Option<String>,
    /// Why there is no form; empty when there is one.
    pub no_form: String,
}

/// `POST /projects/{project}/check/{kind}`: the parts of the editor's page for a text.
pub async fn answer(call: Call) -> Answer {
    let kind = Kind::parse(&call.part("kind")).ok_or_else(AppError::not_found)?;
    let place = Place { project: call.name("project")?, kind, name: String::new() };
    let source = call.form.text("source").unwrap_or_default().replace("\r\n", "\n");
    let checked = checked(&call, &place, &source).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .body(fragment(&Parts { checked })))
}

/// Checks a text and draws its form.
pub async fn checked(call: &Call, place: &Place, source: &str) -> AppResult<Checked> {
    let found = call.app.check(call.actor()?, &place.project, place.kind, source).await?;
    let (form_html, no_form) = form(call, place, source, found.iter().any(Diagnostic::is_error)).await?;
    let own = call.app.file_of(&place.project, place.kind, source);
    let marks = found.into_iter().map(|d| mark(d, &own)).collect();
    Ok(Checked { diagnostics_html: fragment(&Diagnostics { marks }), form_html, no_form })
}

async fn form(call: &Call, place: &Place, source: &str, wrong: bool) -> AppResult<(Option<String>, String)> {
    if place.kind != Kind::Job {
        return Ok((None, String::new()));
    }
    if wrong {
        return Ok((None, "The text makes no form until its mistakes are mended.".to_owned()));
    }
    match call.app.preview_job(call.actor()?, &place.project, source).await {
        Ok(view) => Ok((Some(job_form::html(&view, &Typed::default(), None)), String::new())),
        // Whom the draft's job is hidden from, or who may not save it, learns no more than that.
        Err(AppError::Refused(_)) => {
            Ok((None, "You may not save a job of this name, so its form is not shown.".to_owned()))
        }
        Err(fault) => Err(fault),
    }
}

fn mark(found: Diagnostic, own: &str) -> Mark {
    Mark {
        error: found.is_error(),
        line: found.line,
        column: found.column,
        end_line: found.end_line,
        end_column: found.end_column,
        file: Some(found.file).filter(|f| f != own),
        message: sentence(&found.message),
        hint: found.hint.as_deref().map(sentence),
        code: found.code,
    }
}
