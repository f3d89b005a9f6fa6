//! Events: what came in and what was decided.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::error::AppError;
use crate::domain::event::Event;
use crate::domain::ids::{EventId, ProjectName};
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /events?project&source&limit`.
pub async fn list(call: Call) -> Answer {
    let project = call
        .query("project")
        .map(|p| ProjectName::parse(&p))
        .transpose()
        .map_err(|e| wire::bad_query(format!("{e}.")))?;
    let limit = u32::try_from(wire::number(call.query("limit"), 50, 200)?).unwrap_or(50);
    let source = call.query("source");
    let found = call.app.events(call.actor()?, project.as_ref(), source.as_deref(), limit).await?;
    let items: Vec<Value> = found.iter().map(event).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /events/{id}`.
pub async fn show(call: Call) -> Answer {
    let id = EventId::parse(&call.part("id")).map_err(|_| AppError::not_found())?;
    let (found, headers) = call.app.event(call.actor()?, id).await?;
    let mut out = event(&found);
    if let Some(object) = out.as_object_mut() {
        object.insert("headers".to_owned(), json!(headers));
        object.insert(
            "payload".to_owned(),
            serde_json::from_str(&found.payload).unwrap_or_else(|_| json!(found.payload)),
        );
    }
    Ok(HttpResponse::Ok().json(out))
}

fn event(e: &Event) -> Value {
    json!({
        "id": e.id, "project": e.project, "time": e.received_at, "source": e.source, "type": e.event_type,
        "dedupe_key": e.dedupe_key, "verdict": e.verdict, "detail": e.detail, "run": e.run,
    })
}
