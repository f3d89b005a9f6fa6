//! Notices that did not arrive.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::app::notices::Trouble;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /notices/undelivered`.
pub async fn undelivered(call: Call) -> Answer {
    let items: Vec<Value> = call.app.undelivered(call.actor()?).await?.iter().map(trouble).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

fn trouble(t: &Trouble) -> Value {
    json!({
        "notice": t.notice, "kind": t.kind, "project": t.project, "approval": t.approval, "run": t.run, "rule": t.rule,
        "channel": t.channel, "recipient": t.recipient, "attempts": t.attempts, "error": t.error, "time": t.created_at,
        "next_try": t.next_at,
    })
}
