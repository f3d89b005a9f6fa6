//! The editor of definitions: the server's own check while one types, the difference before saving, and a text that is
//! never lost to a conflict. Works as a plain form.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::diff::{DiffLine, lines_of};
use super::words;
use crate::app::definitions::{Kind, unified};
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::domain::digest::Digest;
use crate::domain::ids::ProjectName;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, fragment, render, see_other};

/// A mistake with its place.
struct Mark {
    error: bool,
    line: u32,
    column: u32,
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
#[template(path = "editor.html")]
struct Editor {
    chrome: Chrome,
    project: String,
    kind: &'static str,
    name: String,
    title: String,
    href: String,
    history_href: Option<String>,
    back_href: String,
    source: String,
    message: String,
    expected: i64,
    refusal: Option<String>,
    diagnostics_html: String,
    diff: Option<Vec<DiffLine>>,
    looked: String,
}

/// What is being edited.
pub struct Place {
    /// The project.
    pub project: ProjectName,
    /// The kind.
    pub kind: Kind,
    /// The name; empty for a new one.
    pub name: String,
}

/// What stands in the form.
struct Draft {
    source: String,
    message: String,
    expected: i64,
}

/// What came of pressing a button.
#[derive(Default)]
struct Outcome {
    refusal: Option<(StatusCode, String)>,
    diff: Option<String>,
    looked: String,
}

/// The definition that the path names.
pub fn place(call: &Call) -> AppResult<Place> {
    let kind = Kind::parse(&call.part("kind")).ok_or_else(AppError::not_found)?;
    Ok(Place { project: call.name("project")?, kind, name: call.part("name") })
}

/// `GET /projects/{project}/edit/{kind}/{name}`; `?revision=N` starts from an earlier text.
pub async fn form(call: Call) -> Answer {
    let place = place(&call)?;
    allowed(&call, &place).await?;
    let draft = if place.name.is_empty() {
        Draft { source: beginning(place.kind).to_owned(), message: String::new(), expected: 0 }
    } else {
        let asked = call.query("revision").and_then(|r| r.parse().ok());
        let (newest, wanted) = call.app.to_edit(call.actor()?, &place.project, place.kind, &place.name, asked).await?;
        let restored = wanted.revision != newest.revision;
        Draft {
            message: if restored { format!("Restore revision {}", wanted.revision) } else { String::new() },
            source: wanted.source,
            expected: newest.revision,
        }
    };
    show(&call, &place, draft, Outcome::default()).await
}

/// `POST /projects/{project}/edit/{kind}/{name}`: the first press shows the difference, the second saves it.
pub async fn submit(call: Call) -> Answer {
    let place = place(&call)?;
    allowed(&call, &place).await?;
    let text = |name: &str| call.form.text(name).unwrap_or_default().to_owned();
    let draft = Draft {
        source: text("source").replace("\r\n", "\n"),
        message: text("message"),
        expected: text("expected").parse().unwrap_or(0),
    };
    let looked = Digest::of(draft.source.as_bytes()).to_string();
    let seen = text("looked") == looked;
    let actor = call.actor()?;
    let mistakes = call.app.check(actor, &place.project, place.kind, &draft.source).await?;
    let errors = mistakes.iter().filter(|m| m.is_error()).count();
    if errors > 0 {
        let line = format!(
            "There {} to mend first. Nothing was saved.",
            if errors == 1 { "is 1 mistake".to_owned() } else { format!("are {errors} mistakes") }
        );
        let refusal = Some((StatusCode::UNPROCESSABLE_ENTITY, line));
        return show(&call, &place, draft, Outcome { refusal, ..Outcome::default() }).await;
    }
    if text("do") != "save" || !seen {
        let diff = Some(difference(&call, &place, &draft.source).await?.1);
        return show(&call, &place, draft, Outcome { diff, looked, refusal: None }).await;
    }
    let expected = Some(draft.expected);
    let (project, kind) = (&place.project, place.kind);
    match call.app.save(actor, project, kind, &draft.source, expected, draft.message.trim(), &call.source).await {
        Ok(saved) => Ok(see_other(&after(project, kind, &saved.name))),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            let mut draft = draft;
            let mut outcome =
                Outcome { refusal: Some((status_of(&refusal), refusal.message.clone())), ..Outcome::default() };
            if refusal.code == "stale_revision" || refusal.code == "conflict" {
                // From here on the text goes on top of the newer revision, which is shown against it.
                let (newest, diff) = difference(&call, &place, &draft.source).await?;
                draft.expected = newest;
                outcome.diff = Some(diff);
                outcome.looked = looked;
            }
            show(&call, &place, draft, outcome).await
        }
        Err(error) => Err(error),
    }
}

/// `POST /projects/{project}/check/{kind}`: the mistakes of a text, as a piece of the page.
pub async fn check(call: Call) -> Answer {
    let kind = Kind::parse(&call.part("kind")).ok_or_else(AppError::not_found)?;
    let project = call.name("project")?;
    let source = call.form.text("source").unwrap_or_default().replace("\r\n", "\n");
    let html = diagnostics(&call, &Place { project, kind, name: String::new() }, &source).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .body(html))
}

/// Who may not change it has no use for the editor. A new definition's name is not known yet, so saving decides.
async fn allowed(call: &Call, place: &Place) -> AppResult<()> {
    let name = if place.name.is_empty() { "new" } else { &place.name };
    call.app.may_edit(call.actor()?, &place.project, place.kind, name).await
}

/// The newest revision's number, and how the text differs from it.
async fn difference(call: &Call, place: &Place, source: &str) -> AppResult<(i64, String)> {
    if place.name.is_empty() {
        return Ok((0, unified("", source)));
    }
    let (newest, _) = call.app.to_edit(call.actor()?, &place.project, place.kind, &place.name, None).await?;
    Ok((newest.revision, unified(&newest.source, source)))
}

async fn diagnostics(call: &Call, place: &Place, source: &str) -> AppResult<String> {
    let found = call.app.check(call.actor()?, &place.project, place.kind, source).await?;
    let own = call.app.file_of(&place.project, place.kind, source);
    let marks = found
        .into_iter()
        .map(|d| Mark {
            error: d.is_error(),
            line: d.line,
            column: d.column,
            file: Some(d.file).filter(|f| *f != own),
            message: crate::app::error::sentence(&d.message),
            hint: d.hint,
            code: d.code,
        })
        .collect();
    Ok(fragment(&Diagnostics { marks }))
}

async fn show(call: &Call, place: &Place, draft: Draft, outcome: Outcome) -> AppResult<HttpResponse> {
    let (project, kind) = (place.project.to_string(), place.kind.as_str());
    let encoded = words::encoded(&place.name);
    let new = place.name.is_empty();
    let page = Editor {
        diagnostics_html: diagnostics(call, place, &draft.source).await?,
        title: if new { format!("New {kind} in {project}") } else { format!("Edit {}", place.name) },
        href: format!("/projects/{project}/edit/{kind}/{encoded}"),
        history_href: (!new).then(|| format!("/projects/{project}/history/{kind}/{encoded}")),
        back_href: if new { "/jobs".to_owned() } else { after(&place.project, place.kind, &place.name) },
        project,
        kind,
        name: place.name.clone(),
        source: draft.source,
        message: draft.message,
        expected: draft.expected,
        diff: outcome.diff.map(|d| lines_of(&d)),
        looked: outcome.looked,
        chrome: chrome::of(call, "/jobs").await,
        refusal: outcome.refusal.as_ref().map(|(_, message)| message.clone()),
    };
    Ok(render(outcome.refusal.map_or(StatusCode::OK, |(status, _)| status), &page))
}

/// Where to go on after saving.
pub fn after(project: &ProjectName, kind: Kind, name: &str) -> String {
    let encoded = words::encoded(name);
    match kind {
        Kind::Job => format!("/projects/{project}/jobs/{encoded}"),
        Kind::Webhook => format!("/webhooks/{project}/{encoded}"),
        Kind::Access => "/access".to_owned(),
        _ => format!("/projects/{project}/history/{}/{encoded}", kind.as_str()),
    }
}

/// What stands in the editor of a new definition.
const fn beginning(kind: Kind) -> &'static str {
    match kind {
        Kind::Job => {
            "name: my-job\ngroup: services\ndescription: What it does, in one line.\noptions:\n  - {name: service, type: string, required: true}\nnodes:\n  filter: 'tags: web'\nsteps:\n  - name: show\n    run: systemctl status ${option.service}\n"
        }
        Kind::Webhook => {
            "webhook:\n  name: my-webhook\n  description: Who sends it and why.\n  eventPlugin: webhook-run-job\n  config:\n    jobId: GROUP/NAME\n    argString: \"-service ${data.service}\"\n  run_as: my-service\n  mode: dry_run\n"
        }
        _ => "",
    }
}
