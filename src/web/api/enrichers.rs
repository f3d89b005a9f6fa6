//! Enrichers, and what they made of events.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::app::enrichment::{EnricherView, LabelRecord};
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /enrichers`.
pub async fn list(call: Call) -> Answer {
    let items: Vec<Value> = call.app.enrichers(call.actor()?).await?.iter().map(enricher).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /enrichers/{project}/{name}`.
pub async fn show(call: Call) -> Answer {
    let found = call.app.enricher(call.actor()?, &call.name("project")?, &call.part("name")).await?;
    Ok(HttpResponse::Ok().json(enricher(&found)))
}

fn enricher(e: &EnricherView) -> Value {
    json!({
        "project": e.project, "name": e.enricher.name, "description": e.enricher.description,
        "type": e.enricher.kind.as_str(), "labels": e.enricher.labels, "enabled": e.enricher.enabled, "state": e.state(),
        "rules": e.rules, "last": e.last.as_ref().map(label), "revision": e.revision,
    })
}

/// What an enricher made of an event.
pub(super) fn label(l: &LabelRecord) -> Value {
    json!({
        "event": l.event_id, "enricher": l.enricher, "revision": l.revision, "class": l.label.class,
        "confidence": l.label.confidence, "reason": l.label.reason, "quoted": l.label.quoted,
        "trouble": l.label.trouble, "remembered": l.label.remembered, "time": l.made_at,
    })
}
