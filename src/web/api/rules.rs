//! Rules.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::app::rules::RuleView;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /rules`.
pub async fn list(call: Call) -> Answer {
    let items: Vec<Value> = call.app.rules(call.actor()?).await?.iter().map(rule).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

fn rule(r: &RuleView) -> Value {
    json!({
        "project": r.project, "pack": r.pack, "name": r.name, "description": r.description, "trigger": r.trigger,
        "action": r.action, "revision": r.revision, "digest": r.digest,
    })
}
