//! "Approve for me until Monday": what holds now from and to the caller, and the form for another one.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::delegating::{Delegation, NewDelegation};
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::ids::{DelegationId, ProjectName, RoleName, UserName};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, render, see_other};

struct Row {
    id: String,
    sentence: String,
    until: String,
    iso: String,
    reason: String,
    mine: bool,
}

#[derive(Template)]
#[template(path = "delegations.html")]
struct Page {
    chrome: Chrome,
    message: Option<String>,
    rows: Vec<Row>,
    projects: Vec<String>,
}

/// `GET /delegations`.
pub async fn page(call: Call) -> Answer {
    show(&call, None).await
}

/// `POST /delegations`.
pub async fn make(call: Call) -> Answer {
    let made = match read(&call) {
        Ok(new) => call.app.delegate(call.actor()?, new, &call.source).await.map(|_| ()),
        Err(error) => Err(error),
    };
    answer(&call, made).await
}

/// `POST /delegations/{id}/end`.
pub async fn end(call: Call) -> Answer {
    let id = DelegationId::parse(&call.part("id")).map_err(|_| AppError::not_found())?;
    let ended = call.app.end_delegation(call.actor()?, id, &call.source).await;
    answer(&call, ended).await
}

async fn answer(call: &Call, outcome: AppResult<()>) -> Answer {
    match outcome {
        Ok(()) => Ok(see_other("/delegations")),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => show(call, Some(&refusal)).await,
        Err(error) => Err(error),
    }
}

fn read(call: &Call) -> AppResult<NewDelegation> {
    let text = |name: &str| call.form.text(name).unwrap_or_default().trim().to_owned();
    let end = chrono::NaiveDateTime::parse_from_str(&text("until"), "%Y-%m-%dT%H:%M")
        .map_err(|_| AppError::invalid("bad_end", "Say until when, as a date and a time in UTC."))?;
    Ok(NewDelegation {
        project: ProjectName::parse(&text("project"))?,
        role: RoleName::parse(&text("role"))?,
        to: UserName::parse(&text("to"))?,
        ends_at: end.and_utc(),
        reason: text("reason"),
    })
}

async fn show(call: &Call, refusal: Option<&Refusal>) -> AppResult<HttpResponse> {
    let now = call.app.clock().now();
    let actor = call.actor()?;
    let rows = call.app.delegations(actor).await?;
    let page = Page {
        message: refusal.map(|r| r.message.clone()),
        rows: rows.iter().map(|d| row(d, actor.principal.short(), now)).collect(),
        projects: call.app.projects(actor).await?.into_iter().map(|p| p.to_string()).collect(),
        chrome: chrome::of(call, "/approvals").await,
    };
    Ok(render(refusal.map_or(StatusCode::OK, status_of), &page))
}

fn row(one: &Delegation, me: &str, now: Timestamp) -> Row {
    let mine = one.from.as_str() == me;
    Row {
        id: one.id.to_string(),
        sentence: if mine {
            format!("{} signs for you as {} in {}", one.to, one.role, one.project)
        } else {
            format!("You sign for {} as {} in {}", one.from, one.role, one.project)
        },
        until: words::until(one.ends_at, now),
        iso: one.ends_at.to_rfc3339(),
        reason: visible(&one.reason),
        mine,
    }
}
