//! Sources: what they watch and where they stand, and turning them on and off.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::error::AppError;
use crate::app::sources::SourceView;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /sources`.
pub async fn list(call: Call) -> Answer {
    let items: Vec<Value> = call.app.sources(call.actor()?).await?.iter().map(source).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /sources/{project}/{name}`.
pub async fn show(call: Call) -> Answer {
    let found = call.app.source(call.actor()?, &call.name("project")?, &call.part("name")).await?;
    Ok(HttpResponse::Ok().json(source(&found)))
}

/// `POST /sources/{project}/{name}/enabled`: `{enabled}`.
pub async fn switch(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["enabled"])?;
    let Some(enabled) = body.get("enabled").and_then(Value::as_bool) else {
        return Err(AppError::invalid("bad_enabled", "`enabled` has to be true or false."));
    };
    let (project, name) = (call.name("project")?, call.part("name"));
    call.app.switch_source(call.actor()?, &project, &name, enabled, &call.source).await?;
    Ok(HttpResponse::Ok().json(source(&call.app.source(call.actor()?, &project, &name).await?)))
}

fn source(s: &SourceView) -> Value {
    json!({
        "project": s.project, "name": s.source.name, "description": s.source.description, "type": s.source.kind.as_str(),
        "event": s.source.event_type, "enabled": s.source.enabled, "state": s.state, "next_at": s.next_at,
        "waiting": s.waiting, "last_event_at": s.event_at, "error": s.error, "failed_at": s.failed_at, "failures": s.failures,
        "revision": s.revision,
    })
}
