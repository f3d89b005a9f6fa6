//! Rules: their four pieces, what they made of events, and the way from dry run to live.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::backtest::{self, Listed};
use super::verdict::{Verdict, verdict};
use super::words;
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::app::rules::{EnforcementRecord, Mark, RuleDetail, RuleView, Switch, VerdictView};
use crate::domain::digest::Digest;
use crate::domain::guard::breaker;
use crate::domain::ids::ProjectName;
use crate::domain::rule::rollout::Ticked;
use crate::domain::time::Timestamp;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, Moment, render, see_other};

struct Row {
    href: String,
    project: String,
    name: String,
    description: String,
    trigger: String,
    action: String,
    state: &'static str,
    mode: &'static str,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct Rules {
    chrome: Chrome,
    rows: Vec<Row>,
}

struct Would {
    id: String,
    event: String,
    at: Moment,
    action: String,
    mark: &'static str,
}

#[derive(Template)]
#[template(path = "rule.html")]
struct RulePage {
    chrome: Chrome,
    href: String,
    project: String,
    name: String,
    description: String,
    state: &'static str,
    mode: &'static str,
    digest: String,
    revision: i64,
    trigger: String,
    criteria: Vec<String>,
    action: String,
    job_href: Option<String>,
    owner: String,
    breaker: &'static str,
    breaker_reason: String,
    breaker_open: bool,
    asked_by: Option<String>,
    promoted_by: Option<String>,
    ticked: Vec<Ticked>,
    verdicts: Vec<Verdict>,
    would: Vec<Would>,
    may_edit: bool,
    may_promote: bool,
    backtests: Vec<Listed>,
    message: Option<String>,
}

/// `GET /rules`.
pub async fn list(call: Call) -> Answer {
    let rows = call.app.rules(call.actor()?).await?.iter().map(row).collect();
    Ok(render(StatusCode::OK, &Rules { rows, chrome: chrome::of(&call, "/rules").await }))
}

/// `GET /rules/{project}/{name}`.
pub async fn one(call: Call) -> Answer {
    show(&call, None, StatusCode::OK).await
}

/// `POST /rules/{project}/{name}/promotion`.
pub async fn promotion(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let switch = Switch::parse(call.form.text("do").unwrap_or_default());
    let (Some(switch), Ok(digest)) = (switch, Digest::parse(call.form.text("digest").unwrap_or_default())) else {
        return Err(AppError::invalid("bad_form", "The form does not say what to do. Open the page again."));
    };
    let done = call.app.switch_rule(call.actor()?, &project, &name, switch, &digest, &call.source).await;
    answer(&call, done).await
}

/// `POST /rules/{project}/{name}/marks`.
pub async fn mark(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let Some(mark) = call.form.text("mark").and_then(Mark::parse) else {
        return Err(AppError::invalid("bad_form", "The form does not say right or wrong. Open the page again."));
    };
    let id = call.form.text("enforcement").unwrap_or_default();
    let done = call.app.mark_enforcement(call.actor()?, &project, &name, id, mark, &call.source).await;
    answer(&call, done).await
}

fn named(call: &Call) -> AppResult<(ProjectName, String)> {
    Ok((call.name("project")?, call.part("name")))
}

async fn answer(call: &Call, done: AppResult<()>) -> Answer {
    match done {
        Ok(()) => {
            let (project, name) = named(call)?;
            Ok(see_other(&format!("/rules/{project}/{}", words::encoded(&name))))
        }
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            show(call, Some(refusal.message.clone()), status_of(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

fn row(r: &RuleView) -> Row {
    let (state, mode) = mode_words(r.mode);
    Row {
        href: format!("/rules/{}/{}", r.project, words::encoded(&r.name)),
        project: r.project.to_string(),
        name: r.name.clone(),
        description: r.description.clone(),
        trigger: r.trigger.clone(),
        action: r.action.clone(),
        state,
        mode,
    }
}

fn mode_words(mode: &str) -> (&'static str, &'static str) {
    match mode {
        "live" => ("ran", "live"),
        "off" => ("canceled", "off"),
        _ => ("dry_run", "dry run"),
    }
}

async fn show(call: &Call, message: Option<String>, status: StatusCode) -> AppResult<HttpResponse> {
    let (project, name) = named(call)?;
    let detail = call.app.rule(call.actor()?, &project, &name).await?;
    let backtests = backtest::listed(call, &project, &name).await?;
    let page = page(call, &detail, call.app.clock().now(), backtests, message).await;
    Ok(render(status, &page))
}

async fn page(
    call: &Call,
    detail: &RuleDetail,
    now: Timestamp,
    backtests: Vec<Listed>,
    message: Option<String>,
) -> RulePage {
    let rule = &detail.stored.rule;
    let (state, mode) = mode_words(detail.mode);
    let standing = detail.state.as_ref();
    let breaker = standing.map_or(breaker::State::Closed, |s| s.breaker);
    let view = |v: &crate::app::rules::VerdictRecord| VerdictView { verdict: v.clone(), stored: true };
    RulePage {
        href: format!("/rules/{}/{}", detail.project, words::encoded(&rule.name)),
        project: detail.project.to_string(),
        name: rule.name.clone(),
        description: rule.description.clone(),
        state,
        mode,
        digest: detail.stored.digest.to_string(),
        revision: detail.stored.revision,
        trigger: rule.trigger.clone(),
        criteria: criteria(detail),
        action: rule.action.shown(),
        job_href: detail
            .job
            .as_ref()
            .map(|j| format!("/projects/{}/jobs/{}", detail.project, words::encoded(&j.to_string()))),
        owner: rule.owner.to_string(),
        breaker: match breaker {
            breaker::State::Closed => "closed",
            breaker::State::Open => "open",
            breaker::State::HalfOpen => "half open",
        },
        breaker_open: breaker != breaker::State::Closed,
        breaker_reason: standing.map(|s| s.breaker_reason.clone()).unwrap_or_default(),
        asked_by: standing.and_then(|s| s.asked_by.as_ref()).map(ToString::to_string),
        promoted_by: standing
            .filter(|_| detail.mode == "live")
            .and_then(|s| s.promoted_by.as_ref())
            .map(ToString::to_string),
        ticked: detail.ticked.clone(),
        verdicts: detail.verdicts.iter().map(|v| verdict(&view(v), now)).collect(),
        would: detail.would.iter().map(|e| would(e, now)).collect(),
        may_edit: detail.may_edit,
        may_promote: detail.may_promote,
        backtests,
        message,
        chrome: chrome::of(call, "/rules").await,
    }
}

/// The criteria that every event has to meet, as lines.
fn criteria(detail: &RuleDetail) -> Vec<String> {
    let always = detail.stored.rule.conditions.always();
    let mut lines: Vec<String> = always
        .iter()
        .map(|c| {
            format!("{} {} {}", c.path, c.operator, c.pattern.as_ref().map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    let others = detail.stored.rule.conditions.count() - lines.len();
    if others > 0 {
        lines.push(format!("and {others} more in groups"));
    }
    lines
}

fn would(e: &EnforcementRecord, now: Timestamp) -> Would {
    Would {
        id: e.id.clone(),
        event: e.event_id.to_string(),
        at: Moment::new(e.created_at, now),
        action: e.action.clone(),
        mark: e.mark.map_or("", Mark::as_str),
    }
}
