//! The start page: what waits for me, what runs, what went wrong, my runbooks.

use actix_web::http::StatusCode;
use askama::Template;

use super::approvals::{Row, row};
use super::{freezes, runs_table, words};
use crate::app::browse::JobSummary;
use crate::app::error::AppResult;
use crate::app::runs::RunFilter;
use crate::domain::run::State;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

/// The most runbooks that stand as big buttons when nobody pinned any.
const PINS: usize = 6;

/// The most runs that are counted one by one.
const COUNTED: u32 = 200;

struct Pin {
    href: String,
    name: String,
    summary: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    chrome: Chrome,
    greeting: String,
    queue_line: String,
    freezes_html: String,
    approvals: Vec<Row>,
    pins_title: &'static str,
    pins: Vec<Pin>,
    active: Option<String>,
    failed: Option<String>,
}

/// `GET /`.
pub async fn page(call: Call) -> Answer {
    let actor = call.actor()?.clone();
    let app = &call.app;
    let now = app.clock().now();
    let pending = app.pending_approvals(&actor).await?;
    let approvals: Vec<Row> = pending.iter().filter(|a| a.mine).map(|a| row(app, a, now)).collect();
    let under_way = vec![State::Running, State::Canceling, State::Queued, State::Scheduled, State::PendingApproval];
    let active = app.runs(&actor, RunFilter { states: under_way, limit: 15, ..RunFilter::default() }).await?.runs;
    let wrong = vec![State::Failed, State::TimedOut, State::Unknown];
    // By when it ended. What was asked for long before that, and waited, is looked for a bounded way back.
    let (since, ended_since) = (Some(now - chrono::TimeDelta::days(31)), Some(now - chrono::TimeDelta::hours(24)));
    let filter = RunFilter { states: wrong, since, ended_since, limit: 15, ..RunFilter::default() };
    let failed = app.runs(&actor, filter).await?.runs;
    let (pins_title, pins) = pins(&call).await?;
    let table = |runs: &[_]| if runs.is_empty() { None } else { Some(runs_table::html(runs, false, now)) };
    let page = Home {
        greeting: format!("Hello, {}", actor.principal.short()),
        queue_line: queue_line(&call, pending.len()).await?,
        freezes_html: freezes::on_now(&call).await?,
        pins_title,
        pins,
        active: table(&active),
        failed: table(&failed),
        approvals,
        chrome: chrome::of(&call, "/").await,
    };
    Ok(render(StatusCode::OK, &page))
}

/// The runbooks as buttons: what the caller pinned; without pins the jobs that they ran last, filled up with others that
/// they may run.
async fn pins(call: &Call) -> AppResult<(&'static str, Vec<Pin>)> {
    let actor = call.actor()?;
    let pinned = call.app.pins(actor).await?;
    let mut jobs = call.app.browse_jobs(actor).await?;
    let place = |j: &JobSummary| pinned.iter().position(|(project, job)| *project == j.project && *job == j.id);
    // A pin on a job that is gone, or that may not be seen any more, is as if it were not there.
    let mut own: Vec<(usize, JobSummary)> = jobs.iter().filter_map(|j| Some((place(j)?, j.clone()))).collect();
    if !own.is_empty() {
        own.sort_by_key(|(place, _)| *place);
        return Ok(("Pinned runbooks", own.into_iter().map(|(_, j)| pin(j)).collect()));
    }
    let mine = RunFilter { user: Some(actor.principal.to_string()), limit: 100, ..RunFilter::default() };
    let last = call.app.runs(actor, mine).await?.runs;
    jobs.retain(|j| j.may_run);
    jobs.sort_by_key(|j| last.iter().position(|r| r.job_id == j.id).unwrap_or(usize::MAX));
    Ok(("Runbooks", jobs.into_iter().take(PINS).map(pin).collect()))
}

fn pin(job: JobSummary) -> Pin {
    Pin { href: words::job_href(&job.project, &job.path), name: job.path.name().to_owned(), summary: job.summary }
}

/// How much runs and waits, of what the caller may see: `3 running, 12 queued (the oldest for 4m), 1 waits for …`.
async fn queue_line(call: &Call, waiting: usize) -> AppResult<String> {
    let (app, actor) = (&call.app, call.actor()?);
    let running = app.count_runs(actor, &[State::Running, State::Canceling]).await?;
    let queued = app.count_runs(actor, &[State::Queued]).await?;
    let filter = RunFilter { states: vec![State::Queued], limit: COUNTED, ..RunFilter::default() };
    let now = app.clock().now();
    let oldest = app.runs(actor, filter).await?.runs;
    let oldest = oldest.last().map(|r| format!(" (the oldest for {})", words::took(r.created_at, now)));
    let waits = if waiting == 1 { "1 waits".to_owned() } else { format!("{waiting} wait") };
    Ok(format!("{running} running, {queued} queued{}, {waits} for a signature", oldest.unwrap_or_default()))
}
