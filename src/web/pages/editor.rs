//! The editor of definitions: the server's own check while one types, the difference before saving, and a text that is
//! never lost to a conflict. Works as a plain form.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::backtest::{self, Shown};
use super::check::{self, Checked};
use super::{diff, words};
use crate::app::definitions::Kind;
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::domain::digest::Digest;
use crate::domain::ids::ProjectName;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, render, see_other};

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
    /// Whether the text is as somebody found it; one that came back from the form is not.
    stored: bool,
    message: String,
    expected: i64,
    refusal: Option<String>,
    checked: Checked,
    /// Whether such a definition makes a form.
    makes_form: bool,
    /// Whether the change is shown, to be saved.
    looks: bool,
    /// The change; nothing when every line is the same.
    diff_html: Option<String>,
    looked: String,
    /// Whether such a definition can be held against stored events.
    is_rule: bool,
    tried: Option<Shown>,
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
    /// The change, once it was asked for.
    change: Option<Change>,
    looked: String,
    tried: Option<Shown>,
}

/// What saving would change.
struct Change {
    /// The revision that holds.
    holds: i64,
    /// The comparison; nothing when every line is the same.
    html: Option<String>,
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
    if text("do") == "backtest" && place.kind == Kind::Rule {
        let asked = backtest::asked(&call, Some(draft.source.clone()));
        let view = call.app.ask_backtest(actor, &place.project, None, asked, backtest::PATIENCE).await?;
        let tried = Some(backtest::shown(&call, &view));
        return show(&call, &place, draft, Outcome { tried, ..Outcome::default() }).await;
    }
    if text("do") != "save" || !seen {
        let change = Some(change(&call, &place, &draft.source).await?);
        return show(&call, &place, draft, Outcome { change, looked, ..Outcome::default() }).await;
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
                let change = change(&call, &place, &draft.source).await?;
                draft.expected = change.holds;
                outcome.change = Some(change);
                outcome.looked = looked;
            }
            show(&call, &place, draft, outcome).await
        }
        Err(error) => Err(error),
    }
}

/// Who may not change it has no use for the editor. A new definition's name is not known yet, so saving decides.
async fn allowed(call: &Call, place: &Place) -> AppResult<()> {
    let name = if place.name.is_empty() { "new" } else { &place.name };
    call.app.may_edit(call.actor()?, &place.project, place.kind, name).await
}

/// The text against the newest revision.
async fn change(call: &Call, place: &Place, source: &str) -> AppResult<Change> {
    let after = |holds: i64| (format!("Revision {}, your text", holds + 1), source);
    if place.name.is_empty() {
        return Ok(Change { holds: 0, html: diff::html(("Nothing".to_owned(), ""), after(0)) });
    }
    let (newest, _) = call.app.to_edit(call.actor()?, &place.project, place.kind, &place.name, None).await?;
    let before = (format!("Revision {}, holds now", newest.revision), newest.source.as_str());
    Ok(Change { holds: newest.revision, html: diff::html(before, after(newest.revision)) })
}

async fn show(call: &Call, place: &Place, draft: Draft, outcome: Outcome) -> AppResult<HttpResponse> {
    let (project, kind) = (place.project.to_string(), place.kind.as_str());
    let encoded = words::encoded(&place.name);
    let new = place.name.is_empty();
    let page = Editor {
        checked: check::checked(call, place, &draft.source).await?,
        makes_form: place.kind == Kind::Job,
        is_rule: place.kind == Kind::Rule,
        title: if new { format!("New {kind} in {project}") } else { format!("Edit {}", place.name) },
        href: words::edit_href(&place.project, place.kind, &place.name),
        history_href: (!new).then(|| format!("/projects/{project}/history/{kind}/{encoded}")),
        back_href: if new { "/jobs".to_owned() } else { after(&place.project, place.kind, &place.name) },
        project,
        kind,
        name: place.name.clone(),
        source: draft.source,
        stored: outcome.change.is_none() && outcome.refusal.is_none() && outcome.tried.is_none(),
        message: draft.message,
        expected: draft.expected,
        looks: outcome.change.is_some(),
        diff_html: outcome.change.and_then(|c| c.html),
        looked: outcome.looked,
        tried: outcome.tried,
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
        Kind::Rule => format!("/rules/{project}/{encoded}"),
        Kind::Source => "/sources".to_owned(),
        Kind::Alias => "/aliases".to_owned(),
        Kind::Enricher => "/enrichers".to_owned(),
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
        Kind::Rule => {
            "name: my_rule\ndescription: What it answers, and how.\ntrigger: {type: prometheus.alert}\ncriteria:\n  trigger.labels.alertname: {type: equals, pattern: NAME}\n  trigger.labels.severity: {type: equals, pattern: warning}\n  trigger.labels.env: {type: equals, pattern: staging}\naction:\n  ref: GROUP/NAME\n  parameters: {host: '{{ trigger.labels.instance }}'}\nowner: service:my-service\nmode: dry_run\n"
        }
        Kind::Source => {
            "name: my-source\ndescription: What it watches, and why.\ntype: timer\nevent: source.my-source\ncron: '0 6 * * mon-fri'\ntime_zone: Europe/Berlin\nmissed: one\n"
        }
        Kind::Alias => {
            "name: my_alias\ndescription: What it does, in one line.\naction_ref: GROUP/NAME\nformats:\n  - 'restart {{service}} on {{host}}'\n"
        }
        Kind::Enricher => {
            "name: my-enricher\ndescription: What it tells apart, and for which rules.\ntype: patterns\nlabels: [disk-full, other]\ntext: '{{ trigger.annotations.summary }}'\npatterns:\n  - {match: '(?i)no space left|disk (is )?full', label: disk-full, confidence: 0.95}\n"
        }
        _ => "",
    }
}
