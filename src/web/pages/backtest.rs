//! What a rule would have done with stored events: asking for it, watching it, stopping it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::error::AppResult;
use crate::app::rules::{AskedBacktest, BacktestRecord, BacktestReport, BacktestState, BacktestView, Outcome, Tried};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render, see_other};

/// How long a press waits for the end before it shows how far it is.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The days that can be chosen, and what is chosen at first.
const DAYS: [i64; 5] = [1, 7, 14, 30, 90];
const USUAL: i64 = 14;

/// A backtest, while it goes on and after.
pub struct Shown {
    /// Its own address.
    pub href: String,
    /// How far it is, in a sentence.
    pub summary: String,
    /// Events that it has looked at, of how many; while it goes on.
    pub progress: Option<(i64, i64)>,
    /// Why there is no result.
    pub trouble: Option<String>,
    /// The newest events that it is about.
    pub rows: Vec<Row>,
}

/// An event of a backtest.
pub struct Row {
    /// Its id.
    pub event: String,
    /// When it came.
    pub at: Moment,
    /// What the text at hand makes of it.
    pub now: &'static str,
    /// What was made of it then.
    pub then: &'static str,
    /// Why it is held back.
    pub detail: String,
}

/// A backtest of a rule's page.
pub struct Listed {
    /// Its address.
    pub href: String,
    /// When it was asked for.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// How far it is.
    pub state: &'static str,
}

#[derive(Template)]
#[template(path = "backtest.html")]
struct Page {
    chrome: Chrome,
    rule: String,
    rule_href: String,
    t: Shown,
    may_stop: bool,
    by: String,
    asked: Moment,
    since: Moment,
    until: Moment,
    text: String,
}

#[derive(Template)]
#[template(path = "parts/backtest.html")]
struct Part {
    t: Shown,
}

/// `POST /rules/{project}/{name}/backtest`: the rule's newest text against the stored events of some days.
pub async fn ask(call: Call) -> Answer {
    let (project, name) = (call.name("project")?, call.part("name"));
    let asked = asked(&call, None);
    let view = call.app.ask_backtest(call.actor()?, &project, Some(&name), asked, PATIENCE).await?;
    Ok(see_other(&href(&view.record)))
}

/// `GET /backtests/{id}`.
pub async fn one(call: Call) -> Answer {
    let view = call.app.backtest(call.actor()?, &call.part("id")).await?;
    show(&call, &view).await
}

/// `GET /backtests/{id}/part`: as it stands in other pages.
pub async fn part(call: Call) -> Answer {
    let view = call.app.backtest(call.actor()?, &call.part("id")).await?;
    Ok(render(StatusCode::OK, &Part { t: shown(&call, &view) }))
}

/// `POST /backtests/{id}/cancel`.
pub async fn cancel(call: Call) -> Answer {
    let view = call.app.cancel_backtest(call.actor()?, &call.part("id")).await?;
    Ok(see_other(&href(&view.record)))
}

async fn show(call: &Call, view: &BacktestView) -> AppResult<HttpResponse> {
    let (record, now) = (&view.record, call.app.clock().now());
    let page = Page {
        rule: record.rule.clone(),
        rule_href: format!("/rules/{}/{}", record.project, words::encoded(&record.rule)),
        t: shown(call, view),
        may_stop: view.may_cancel,
        by: record.asked_by.short().to_owned(),
        asked: Moment::new(record.asked_at, now),
        since: Moment::new(record.since, now),
        until: Moment::new(record.until, now),
        text: visible(&record.text),
        chrome: chrome::of(call, "/rules").await,
    };
    Ok(render(StatusCode::OK, &page))
}

/// What the form asks for: the text, and as many days as it says.
pub fn asked(call: &Call, text: Option<String>) -> AskedBacktest {
    let chosen = call.form.text("days").and_then(|days| days.parse().ok());
    let days = chosen.filter(|days| DAYS.contains(days)).unwrap_or(USUAL);
    let now = call.app.clock().now();
    AskedBacktest {
        text,
        revision: None,
        since: now - chrono::TimeDelta::days(days),
        until: now + chrono::TimeDelta::seconds(1),
    }
}

/// The backtests of a rule's page; none for who may not see events.
pub async fn listed(call: &Call, project: &crate::domain::ids::ProjectName, rule: &str) -> AppResult<Vec<Listed>> {
    let now = call.app.clock().now();
    let found = call.app.backtests(call.actor()?, project, rule).await.unwrap_or_default();
    let listed = found.iter().map(|record| Listed {
        href: href(record),
        at: Moment::new(record.asked_at, now),
        by: record.asked_by.short().to_owned(),
        state: match record.state {
            BacktestState::Waiting => "waits",
            BacktestState::Running => "goes on",
            BacktestState::Done => "over",
            BacktestState::Failed => "broke off",
            BacktestState::Canceled => "stopped",
        },
    });
    Ok(listed.collect())
}

fn href(record: &BacktestRecord) -> String {
    format!("/backtests/{}", record.id)
}

/// A backtest as pages show it.
pub fn shown(call: &Call, view: &BacktestView) -> Shown {
    let (record, now) = (&view.record, call.app.clock().now());
    let going_on = !record.state.is_over();
    let mut shown = Shown {
        href: href(record),
        summary: String::new(),
        progress: going_on.then_some((record.looked_at, record.total.max(record.looked_at))),
        trouble: None,
        rows: Vec::new(),
    };
    match (&view.report, record.state) {
        (Some(report), _) => {
            shown.summary = in_words(report, &period(record));
            shown.rows = report.rows.iter().map(|row| self::row(row, now)).collect();
        }
        (None, BacktestState::Waiting) => "Waits for another backtest to end.".clone_into(&mut shown.summary),
        (None, BacktestState::Canceled) => {
            shown.trouble = Some("It was stopped before the end, so there is no result.".to_owned());
        }
        (None, BacktestState::Failed) => shown.trouble = Some(visible(&record.error)),
        (None, _) if record.total > 0 => {
            shown.summary = format!("{} of {} events are looked at.", record.looked_at, record.total);
        }
        (None, _) => "The events are being counted.".clone_into(&mut shown.summary),
    }
    shown
}

fn row(r: &crate::app::rules::BacktestRow, now: Timestamp) -> Row {
    Row {
        event: r.event.to_string(),
        at: Moment::new(r.at, now),
        now: match r.now {
            Tried::Acts => "acts",
            Tried::Held => "held back",
            Tried::NotMatched => "no match",
        },
        then: match r.then {
            None => "not looked at",
            Some(Outcome::NotMatched) => "no match",
            Some(Outcome::Held) => "held back",
            Some(Outcome::Refused) => "refused",
            Some(Outcome::Would) => "would have acted",
            Some(Outcome::Notified | Outcome::Nothing | Outcome::Ran) => "acted",
        },
        detail: visible(&r.detail),
    }
}

fn period(record: &BacktestRecord) -> String {
    match (record.until - record.since).num_days() {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}

fn in_words(report: &BacktestReport, period: &str) -> String {
    let more = if report.more { " There are more events than it looks at; choose a shorter time." } else { "" };
    format!(
        "Of {} events of its type in {period} {} match; it acts on {} and is held back on {}. Then it acted on {} of those as well; {} are new, and {} fall away.{more}",
        report.events, report.matched, report.acts, report.held, report.also_then, report.only_now, report.only_then
    )
}
