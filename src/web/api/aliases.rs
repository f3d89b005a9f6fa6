//! Aliases: the words of a chat that ask for a run.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::app::chat::aliases::AliasView;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /aliases`.
pub async fn list(call: Call) -> Answer {
    let items: Vec<Value> = call.app.aliases(call.actor()?).await?.iter().map(alias).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

fn alias(a: &AliasView) -> Value {
    let formats: Vec<&str> = a.alias.formats.iter().map(|f| f.display.as_str()).collect();
    json!({
        "project": a.project, "name": a.alias.name, "description": a.alias.description, "job": a.alias.job,
        "formats": formats, "enabled": a.alias.enabled, "revision": a.revision,
    })
}
