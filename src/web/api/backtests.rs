//! Backtests: asking for them, looking at them, stopping them.

use std::time::Duration;

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::rules::{named, wrong};
use super::wire;
use crate::app::error::AppResult;
use crate::app::rules::{AskedBacktest, BacktestRecord, BacktestView};
use crate::domain::time::Timestamp;
use crate::web::address;
use crate::web::call::Call;
use crate::web::error::Answer;

/// How long an answer waits for the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// `POST /rules/{project}/{name}/backtest`: `{since, until?, rule?, revision?}`, where `since` is a duration or a time,
/// `rule` a text that need not be saved and `revision` a stored one. 200 with the result where it is over in a few
/// seconds, otherwise 202; then `GET /backtests/{id}` has it.
pub async fn ask(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let body = wire::object(call.json()?, &["since", "until", "rule", "revision"])?;
    let now = call.app.clock().now();
    let since = match wire::text(&body, "since")? {
        Some(text) => moment("since", &text, now)?,
        None => now - chrono::TimeDelta::days(14),
    };
    let until = match wire::text(&body, "until")? {
        Some(text) => moment("until", &text, now)?,
        None => now + chrono::TimeDelta::seconds(1),
    };
    let revision = match body.get("revision") {
        None | Some(Value::Null) => None,
        Some(number) => {
            Some(number.as_i64().ok_or_else(|| wrong("revision", "`revision` has to be a number, such as 3."))?)
        }
    };
    let text = wire::text(&body, "rule")?;
    if text.is_some() && revision.is_some() {
        return Err(wrong("revision", "Give `rule` or `revision`, not both: each says which text is tried."));
    }
    let asked = AskedBacktest { text, revision, since, until };
    let view = call.app.ask_backtest(call.actor()?, &project, Some(&name), asked, PATIENCE).await?;
    let place = format!("/api/v1/backtests/{}", view.record.id);
    let mut answer = if view.record.state.is_over() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(answer.insert_header(("Location", place)).json(backtest(&view)))
}

/// `GET /rules/{project}/{name}/backtests`: the newest ones.
pub async fn list(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let items: Vec<Value> = call.app.backtests(call.actor()?, &project, &name).await?.iter().map(standing).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /backtests/{id}`.
pub async fn show(call: Call) -> Answer {
    Ok(HttpResponse::Ok().json(backtest(&call.app.backtest(call.actor()?, &call.part("id")).await?)))
}

/// `POST /backtests/{id}/cancel`.
pub async fn cancel(call: Call) -> Answer {
    Ok(HttpResponse::Ok().json(backtest(&call.app.cancel_backtest(call.actor()?, &call.part("id")).await?)))
}

fn moment(field: &str, text: &str, now: Timestamp) -> AppResult<Timestamp> {
    let message = format!("`{field}` has to be a time, a day, or how long ago: 2026-11-28, 14d.");
    address::moment(text, now).ok_or_else(|| wrong(field, &message))
}

fn standing(record: &BacktestRecord) -> Value {
    json!({
        "id": record.id, "project": record.project, "rule": record.rule, "state": record.state,
        "looked_at": record.looked_at, "total": record.total, "since": record.since, "until": record.until,
        "asked_by": record.asked_by.to_string(), "asked_at": record.asked_at, "ended_at": record.ended_at,
        "error": record.error,
    })
}

/// A backtest with its result, for the API and the command line.
#[must_use]
pub fn backtest(view: &BacktestView) -> Value {
    let mut out = standing(&view.record);
    let (Some(report), Some(object)) = (&view.report, out.as_object_mut()) else { return out };
    let row = |r: &crate::app::rules::BacktestRow| json!({ "event": r.event, "time": r.at, "now": r.now, "detail": r.detail, "then": r.then.map(|o| o.as_str()) });
    let rows: Vec<Value> = report.rows.iter().map(row).collect();
    let found = json!({
        "events": report.events, "matched": report.matched, "acts": report.acts, "held": report.held,
        "also_then": report.also_then, "only_now": report.only_now, "only_then": report.only_then,
        "more": report.more, "items": rows,
    });
    object.extend(found.as_object().cloned().unwrap_or_default());
    out
}
