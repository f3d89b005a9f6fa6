//! Runs that did not wait for signatures: the list that they stay on until somebody else has looked at them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::break_glass::BrokenGlass;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::access::Actor;
use crate::domain::approval::ExceptionRefused;
use crate::domain::ids::RunNumber;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, Moment, render, see_other};

struct Row {
    run: i64,
    job: String,
    user: String,
    at: Moment,
    reason: String,
    freezes: String,
    overdue: bool,
    due: String,
    reviewed: String,
    note: String,
    may_review: bool,
    needs_password: bool,
    may_not_why: String,
}

#[derive(Template)]
#[template(path = "break_glass.html")]
struct Page {
    chrome: Chrome,
    message: Option<String>,
    open: Vec<Row>,
    done: Vec<Row>,
}

/// `GET /break-glass`.
pub async fn page(call: Call) -> Answer {
    show(&call, call.actor()?, None).await
}

/// `POST /break-glass/{number}/review`.
pub async fn review(call: Call) -> Answer {
    let number = RunNumber::parse(&call.part("number")).map_err(|_| AppError::not_found())?;
    let mut actor = call.actor()?.clone();
    match take(&call, &mut actor, number).await {
        Ok(()) => Ok(see_other("/break-glass")),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            show(&call, &actor, Some(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

async fn take(call: &Call, actor: &mut Actor, number: RunNumber) -> AppResult<()> {
    let password = call.form.text("password").filter(|p| !p.is_empty());
    if let (Some(password), Some(session)) = (password, call.caller.as_ref().and_then(|c| c.session.as_ref())) {
        let password = SecretText::new(password.to_owned());
        *actor = call.app.reauthenticate(actor, &session.id, password, &call.source).await?;
    }
    call.app.review_break_glass(actor, number, call.form.text("note").unwrap_or_default(), &call.source).await
}

async fn show(call: &Call, actor: &Actor, refusal: Option<&Refusal>) -> AppResult<HttpResponse> {
    let now = call.app.clock().now();
    let all = call.app.broken_glass(actor).await?;
    let (open, done): (Vec<_>, Vec<_>) = all.iter().partition(|b| b.record.reviewed_at.is_none());
    let rows = |some: Vec<&BrokenGlass>| some.into_iter().map(|b| row(b, now)).collect();
    let page = Page {
        message: refusal.map(|r| r.message.clone()),
        open: rows(open),
        done: rows(done),
        chrome: chrome::of(call, "/approvals").await,
    };
    Ok(render(refusal.map_or(StatusCode::OK, status_of), &page))
}

fn row(one: &BrokenGlass, now: Timestamp) -> Row {
    let record = &one.record;
    let stale = one.refusal == Some(ExceptionRefused::StaleSession);
    let open = record.reviewed_at.is_none();
    let may_review = open && (one.refusal.is_none() || stale);
    Row {
        run: record.run.get(),
        job: record.job_path.to_string(),
        user: record.user.to_string(),
        at: Moment::new(record.created_at, now),
        reason: visible(&record.reason),
        freezes: record.freezes.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "),
        overdue: one.overdue,
        due: words::until(record.review_by, now),
        reviewed: match (&record.reviewed_by, record.reviewed_at) {
            (Some(by), Some(at)) => format!("{by}, {}", Moment::new(at, now).words),
            _ => String::new(),
        },
        note: record.note.as_deref().map(visible).unwrap_or_default(),
        may_review,
        needs_password: stale,
        may_not_why: match &one.refusal {
            Some(why) if open && !may_review => crate::app::error::sentence(&why.to_string()),
            _ => String::new(),
        },
    }
}
