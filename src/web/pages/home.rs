//! The start page: what waits for me, what runs, what went wrong, my runbooks.

use actix_web::http::StatusCode;
use askama::Template;

use super::approvals::{Row, row};
use super::{runs_table, words};
use crate::app::runs::RunFilter;
use crate::domain::run::State;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

/// The most runbooks that stand as big buttons.
const PINS: usize = 6;

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
    approvals: Vec<Row>,
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
    let running = app.count_runs(&actor, &[State::Running, State::Canceling]).await?;
    let queued = app.count_runs(&actor, &[State::Queued]).await?;
    let table = |runs: &[_]| if runs.is_empty() { None } else { Some(runs_table::html(runs, false, now)) };
    let page = Home {
        greeting: format!("Hello, {}", actor.principal.short()),
        queue_line: format!("{} running, {queued} queued, {} for a signature", running, waits(pending.len())),
        pins: pins(&call).await?,
        active: table(&active),
        failed: table(&failed),
        approvals,
        chrome: chrome::of(&call, "/").await,
    };
    Ok(render(StatusCode::OK, &page))
}

fn waits(n: usize) -> String {
    if n == 1 { "1 waits".to_owned() } else { format!("{n} wait") }
}

/// The jobs that the caller ran last, filled up with others that they may run.
async fn pins(call: &Call) -> crate::app::error::AppResult<Vec<Pin>> {
    let actor = call.actor()?;
    let own = RunFilter { user: Some(actor.principal.to_string()), limit: 100, ..RunFilter::default() };
    let last = call.app.runs(actor, own).await?.runs;
    let mut jobs = call.app.browse_jobs(actor).await?;
    jobs.retain(|j| j.may_run);
    let place = |id| last.iter().position(|r| r.job_id == id).unwrap_or(usize::MAX);
    jobs.sort_by_key(|j| place(j.id.clone()));
    let pins = jobs.into_iter().take(PINS).map(|j| Pin {
        href: words::job_href(&j.project, &j.path),
        name: j.path.name().to_owned(),
        summary: j.summary,
    });
    Ok(pins.collect())
}
