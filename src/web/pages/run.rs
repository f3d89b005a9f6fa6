//! A run's page: where it stands, what it runs, its log and its history.

use actix_web::http::StatusCode;
use askama::Template;

use super::run_folded;
use super::run_log::{self, Asked, LogView};
use super::run_state::{Happening, RunFacts, live_html, timeline};
use super::{plan, words};
use crate::app::error::{AppError, AppResult};
use crate::app::runs::RunDetail;
use crate::domain::ids::RunNumber;
use crate::domain::run::State;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render, see_other};

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    chrome: Chrome,
    run: RunFacts,
    live: bool,
    live_part: String,
    log: LogView,
    /// In place of the log, where that is asked for.
    folded_html: Option<String>,
    plan_open: bool,
    plan_html: String,
    timeline: Vec<Happening>,
    may_document: bool,
}

/// The run that the path names.
pub fn number_of(call: &Call) -> AppResult<RunNumber> {
    RunNumber::parse(&call.part("number")).map_err(|_| AppError::not_found())
}

/// `GET /runs/{number}`.
pub async fn page(call: Call) -> Answer {
    let number = number_of(&call)?;
    let actor = call.actor()?;
    let now = call.app.clock().now();
    let detail = call.app.run(actor, number).await?;
    let history = call.app.run_history(actor, number).await?;
    let live = !detail.run.state.is_terminal();
    let asked = Asked::read(&call)?;
    let (folded_html, log) = output(&call, &asked, &detail).await?;
    let approval = run_log::approval_of(&call, &detail).await?;
    let chrome = chrome::of(&call, "/runs").await;
    let run = RunFacts::new(&call.app, &detail, approval.as_ref(), now);
    let page = RunPage {
        live_part: live_html(&call.app, &detail, approval.as_ref(), &chrome.csrf, now),
        live,
        log,
        folded_html,
        plan_open: matches!(detail.run.state, State::PendingApproval | State::DryRun),
        plan_html: plan::html(&detail.plan),
        timeline: timeline(&history, now),
        may_document: detail.may_document,
        run,
        chrome,
    };
    Ok(render(StatusCode::OK, &page))
}

/// The output, folded or as a log. Where it cannot be read at the moment, the page says so and shows the rest.
async fn output(call: &Call, asked: &Asked, detail: &RunDetail) -> AppResult<(Option<String>, LogView)> {
    let read = async {
        let folded = run_folded::html(call, asked).await?;
        let log = if folded.is_some() { asked.frame(detail) } else { run_log::view(call, detail).await? };
        Ok((folded, log))
    };
    match read.await {
        Err(AppError::Refused(refusal)) if ["log_unreachable", "log_elsewhere"].contains(&refusal.code.as_str()) => {
            Ok((None, asked.frame(detail).unread(refusal.message, asked.address("", &[]))))
        }
        other => other,
    }
}

/// `GET /runs/{number}/live`: the part of the page that changes while the run goes on.
pub async fn live(call: Call) -> Answer {
    let detail = call.app.run(call.actor()?, number_of(&call)?).await?;
    let approval = run_log::approval_of(&call, &detail).await?;
    let csrf = call.caller.as_ref().and_then(|c| c.session.as_ref()).map(|s| s.csrf.clone()).unwrap_or_default();
    let html = live_html(&call.app, &detail, approval.as_ref(), &csrf, call.app.clock().now());
    Ok(actix_web::HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .body(html))
}

/// `POST /runs/{number}/cancel`. Somebody who is too late is shown the run as it is.
pub async fn cancel(call: Call) -> Answer {
    let number = number_of(&call)?;
    match call.app.cancel_run(call.actor()?, number, &call.source).await {
        Ok(_) => Ok(see_other(&format!("/runs/{number}"))),
        Err(AppError::Refused(refusal)) if refusal.code == "illegal_transition" => {
            let run = call.app.run_state(call.actor()?, number).await?;
            let message = format!("Run #{number} is {} already; there is nothing to cancel.", words::state(run.state));
            Err(AppError::conflict("illegal_transition", message))
        }
        Err(error) => Err(error),
    }
}
