//! The record.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::audit::Filter;
use crate::domain::access::Principal;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /audit?project&actor&action&resource&since&cursor&limit`.
pub async fn list(call: Call) -> Answer {
    let actor = match call.query("actor") {
        None => None,
        Some(text) => {
            let found = Principal::parse(&text).or_else(|| Principal::parse(&format!("user:{text}")));
            Some(found.ok_or_else(|| wire::bad_query(format!("`{text}` is nobody's name.")))?)
        }
    };
    let since = match call.query("since") {
        None => None,
        Some(text) => Some(
            chrono::DateTime::parse_from_rfc3339(&text)
                .map_err(|_| wire::bad_query("`since` has to be a time such as 2026-11-30T02:00:00Z.".to_owned()))?
                .to_utc(),
        ),
    };
    let filter = Filter {
        actor,
        action_prefix: call.query("action"),
        resource: call.query("resource"),
        project: call.query("project"),
        since,
    };
    let before = match call.query("cursor") {
        None => None,
        Some(text) => Some(
            text.parse::<i64>()
                .ok()
                .filter(|seq| *seq >= 0)
                .ok_or_else(|| wire::bad_query("`cursor` has to be the `next` of an earlier answer.".to_owned()))?,
        ),
    };
    let limit = u32::try_from(wire::number(call.query("limit"), 50, 200)?).unwrap_or(50);
    let entries = call.app.audit(call.actor()?, filter, before, limit).await?;
    let next = entries.last().filter(|_| entries.len() == limit as usize).map(|e| e.seq.to_string());
    let items: Vec<Value> = entries
        .iter()
        .map(|e| {
            json!({
                "seq": e.seq, "time": e.at, "actor": e.act.actor, "source": e.act.source, "action": e.act.action,
                "resource": e.act.resource, "project": e.act.project, "detail": e.act.detail, "hash": e.hash,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": next })))
}
