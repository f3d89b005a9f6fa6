//! A job's page: what it does, and the form that asks for a run.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::job_form::Typed;
use super::plan::StepText;
use super::start_at::TypedStart;
use super::{freezes, job_form, runs_table, words};
use crate::app::browse::JobView;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::app::idempotency::{KeptAnswer, Keyed};
use crate::app::planning::RunRequest;
use crate::app::runs::{RunFilter, RunView};
use crate::domain::ids::{ApprovalId, JobRef, ProjectName, RunNumber};
use crate::domain::job::{Dispatch, StepAction};
use crate::domain::option::RawValue;
use crate::domain::plan::{Origin, PlannedValue};
use crate::domain::secret::SecretText;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, markdown, render, see_other};

struct JobFacts {
    name: String,
    project: String,
    group: String,
    description_html: String,
    environment: Option<String>,
    strict: bool,
    may_edit: bool,
    may_run: bool,
    may_run_why: String,
    edit_href: String,
    history_href: String,
    run_href: String,
    pin_href: String,
    pinned: bool,
    filter: String,
    concurrency: String,
    timeout: String,
    revision: i64,
    digest: String,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    chrome: Chrome,
    job: JobFacts,
    message: Option<String>,
    freezes_html: String,
    form_html: String,
    steps: Vec<StepText>,
    runs: Option<String>,
    /// Tells two presses of one form from two forms.
    once: String,
    /// The request that this one is asked after.
    replaces: Option<String>,
    /// Whether the caller may run it without waiting.
    break_glass: bool,
}

/// `GET /projects/{project}/jobs/{job}`.
pub async fn form(call: Call) -> Answer {
    let (project, job) = named(&call)?;
    let view = call.app.browse_job(call.actor()?, &project, &job).await?;
    let typed = same_again(&call, &view).await?;
    show(&call, &view, &typed, None, StatusCode::OK).await
}

/// `POST /projects/{project}/run/{job}`.
pub async fn run(call: Call) -> Answer {
    let (project, job) = named(&call)?;
    let nodes = call.form.text("narrow").map(|_| call.form.texts("node"));
    let typed = Typed {
        values: Some(call.form.options()),
        reason: call.form.text("reason").unwrap_or_default().to_owned(),
        nodes: nodes.clone(),
        replaces: call.form.text("replaces").and_then(|id| ApprovalId::parse(id).ok()),
        start: TypedStart {
            at: call.form.text("run_at").unwrap_or_default().to_owned(),
            zone: call.form.text("time_zone").unwrap_or_default().to_owned(),
        },
    };
    let start_at = match typed.start.read() {
        Ok(start_at) => start_at,
        Err(AppError::Refused(refusal)) => {
            let view = call.app.browse_job(call.actor()?, &project, &job).await?;
            return show(&call, &view, &typed, Some(&refusal), status_of(&refusal)).await;
        }
        Err(fault) => return Err(fault),
    };
    let request = RunRequest {
        project: project.clone(),
        job: job.clone(),
        values: call.form.options(),
        reason: typed.reason.clone(),
        nodes,
        node_filter: None,
        start_at,
        origin: Origin::Button,
        dry_run: false,
    };
    // The same form pressed twice asks once; changed and pressed again it is another request.
    let key = call.form.text("once").map(|_| format!("form-{}", call.form.digest()));
    if let Some(key) = &key
        && let Keyed::Answered(kept) = call.app.keyed(call.actor()?, key, call.request.path(), b"").await?
    {
        return Ok(see_other(kept.location.as_deref().unwrap_or("/runs")));
    }
    let asked = if call.form.text("break_glass").is_some() {
        broken(&call, request).await
    } else {
        call.app.request_run_after(call.actor()?, request, typed.replaces, &call.source).await
    };
    if let Some(key) = &key {
        let location = asked.as_ref().ok().map(|run| format!("/runs/{}", run.number));
        let answer = location.map(|to| KeptAnswer { status: 303, location: Some(to), body: String::new() });
        call.app.keyed_done(call.actor()?, key, answer).await?;
    }
    match asked {
        Ok(run) => Ok(see_other(&format!("/runs/{}", run.number))),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            let view = call.app.browse_job(call.actor()?, &project, &job).await?;
            show(&call, &view, &typed, Some(&refusal), status_of(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

/// Runs it without waiting, by the actor with a fresh password check where one was typed.
async fn broken(call: &Call, request: RunRequest) -> AppResult<RunView> {
    let mut actor = call.actor()?.clone();
    let password = call.form.text("password").filter(|p| !p.is_empty());
    if let (Some(password), Some(session)) = (password, call.caller.as_ref().and_then(|c| c.session.as_ref())) {
        let password = SecretText::new(password.to_owned());
        actor = call.app.reauthenticate(&actor, &session.id, password, &call.source).await?;
    }
    call.app.break_glass(&actor, request, &call.source).await
}

fn named(call: &Call) -> AppResult<(ProjectName, JobRef)> {
    Ok((call.name("project")?, JobRef::parse(&call.part("job")).map_err(|_| AppError::not_found())?))
}

/// The values of an earlier run of the same job, where the address names one.
async fn same_again(call: &Call, view: &JobView) -> AppResult<Typed> {
    let Some(number) = call.query("from").and_then(|n| RunNumber::parse(&n).ok()) else { return Ok(Typed::default()) };
    let earlier = call.app.run(call.actor()?, number).await?;
    if earlier.plan.job.id != view.stored.id || earlier.plan.project != view.project {
        return Ok(Typed::default());
    }
    let known = |name: &str| view.stored.job.options.iter().any(|o| o.name.as_str() == name);
    let values = earlier.plan.options.iter().filter_map(|(name, value)| match value {
        PlannedValue::Text { value } if known(name.as_str()) => Some((name.to_string(), RawValue::Text(value.clone()))),
        _ => None,
    });
    Ok(Typed {
        values: Some(values.collect()),
        reason: earlier.run.reason,
        nodes: Some(earlier.plan.nodes.iter().map(|n| n.name.to_string()).collect()),
        replaces: call.query("replaces").and_then(|id| ApprovalId::parse(&id).ok()),
        start: TypedStart::default(),
    })
}

async fn show(
    call: &Call,
    view: &JobView,
    typed: &Typed,
    refusal: Option<&Refusal>,
    status: StatusCode,
) -> AppResult<HttpResponse> {
    let message = refusal.map(|r| r.message.clone());
    let now = call.app.clock().now();
    let filter = RunFilter {
        project: Some(view.project.clone()),
        job: Some(view.stored.id.to_string()),
        limit: 15,
        ..RunFilter::default()
    };
    let runs = call.app.runs(call.actor()?, filter).await?.runs;
    let page = JobPage {
        job: JobFacts { pinned: pinned(call, view).await?, ..facts(call, view) },
        message,
        freezes_html: freezes::met(&view.freezes, now),
        form_html: job_form::html(view, typed, refusal),
        steps: steps(view),
        runs: if runs.is_empty() { None } else { Some(runs_table::html(&runs, true, now)) },
        break_glass: call
            .app
            .may_break_glass(call.actor()?, &view.project, &JobRef::parse(view.stored.id.as_str())?)
            .await?,
        replaces: typed.replaces.map(|id| id.to_string()),
        once: uuid::Uuid::new_v4().to_string(),
        chrome: chrome::of(call, "/jobs").await,
    };
    Ok(render(status, &page))
}

/// Whether the job stands on the caller's start page.
async fn pinned(call: &Call, view: &JobView) -> AppResult<bool> {
    let pins = call.app.pins(call.actor()?).await?;
    Ok(pins.iter().any(|(project, job)| *project == view.project && *job == view.stored.id))
}

fn facts(call: &Call, view: &JobView) -> JobFacts {
    let job = &view.stored.job;
    let path = words::encoded(&job.path.to_string());
    let (filter, concurrency) = match &job.dispatch {
        Dispatch::Local => ("Interlock's own machine".to_owned(), "1 node".to_owned()),
        Dispatch::Nodes(d) => (d.filter.clone(), words::count(d.concurrency as usize, "node")),
    };
    JobFacts {
        name: job.path.name().to_owned(),
        project: view.project.to_string(),
        group: job.path.group().to_owned(),
        description_html: markdown(&job.description),
        environment: view.environment.as_ref().map(ToString::to_string),
        strict: words::is_strict(&call.app, &view.project, view.environment.as_ref()),
        may_edit: view.may_edit,
        may_run: view.refusal.is_none(),
        may_run_why: view.refusal.clone().unwrap_or_default(),
        edit_href: format!("/projects/{}/edit/job/{path}", view.project),
        history_href: format!("/projects/{}/history/job/{path}", view.project),
        run_href: format!("/projects/{}/run/{path}", view.project),
        pin_href: format!("/projects/{}/pin/{path}", view.project),
        pinned: false,
        filter,
        concurrency,
        timeout: job.timeout.map_or_else(|| "none".to_owned(), |t| t.to_string()),
        revision: view.stored.revision,
        digest: view.stored.digest.short(),
    }
}

fn steps(view: &JobView) -> Vec<StepText> {
    let step = |s: &crate::domain::job::Step| {
        let (mut about, text) = match &s.action {
            StepAction::Run { command } => ("command".to_owned(), command),
            StepAction::Script { body, interpreter } => (format!("script for {interpreter}"), body),
        };
        if let Some(timeout) = s.timeout {
            about.push_str(&format!(", at most {timeout}"));
        }
        StepText { name: s.name.to_string(), about, text: visible(text.trim_end()) }
    };
    view.stored.job.steps.iter().map(step).collect()
}
