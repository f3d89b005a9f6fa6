//! Events: what came in and what was decided; and posting one.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::error::{AppError, AppResult};
use crate::app::events::{PostedEvent, Tally};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::time::Timestamp;
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::event_query::{self, EventQuery};

/// `GET /events?project&source&type&rule&outcome&since&until&cursor&limit`.
pub async fn list(call: Call) -> Answer {
    let EventQuery { project, filter } = event_query::read(&call)?;
    let limit = u32::try_from(wire::number(call.query("limit"), 50, 200)?).unwrap_or(50);
    let after = call.query("cursor").map(|c| cursor(&c)).transpose()?;
    let page = call.app.event_page(call.actor()?, project.as_ref(), &filter, after, limit).await?;
    let items: Vec<Value> = page.items.iter().map(event).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": page.next.map(place) })))
}

/// `GET /events/counts?project&of=events|rules`: how many were removed because they had been kept long enough, by day.
pub async fn counts(call: Call) -> Answer {
    let project = event_query::read(&call)?.project;
    let of_rules = match call.query("of").as_deref() {
        None | Some("events") => false,
        Some("rules") => true,
        Some(_) => return Err(wire::bad_query("`of` has to be events or rules.".to_owned())),
    };
    let found = call.app.event_tallies(call.actor()?, project.as_ref(), of_rules).await?;
    let item = |(project, t): &(ProjectName, Tally)| {
        let mut item = json!({
            "project": project, "day": t.day, "source": t.source, "type": t.event_type, "outcome": t.outcome,
            "count": t.count,
        });
        if let (true, Some(item)) = (of_rules, item.as_object_mut()) {
            item.insert("rule".to_owned(), json!(t.rule));
        }
        item
    };
    Ok(HttpResponse::Ok().json(json!({ "items": found.iter().map(item).collect::<Vec<_>>(), "next": null })))
}

/// Where a list goes on, as one word.
pub fn place((at, id): (Timestamp, EventId)) -> String {
    format!("{}~{id}", at.timestamp_micros())
}

/// Reads such a word.
///
/// # Errors
/// `bad_query`.
pub fn cursor(text: &str) -> AppResult<(Timestamp, EventId)> {
    let read = || {
        let (at, id) = text.split_once('~')?;
        Some((chrono::DateTime::from_timestamp_micros(at.parse().ok()?)?, EventId::parse(id).ok()?))
    };
    read().ok_or_else(|| wire::bad_query("`cursor` has to be the `next` of an earlier answer.".to_owned()))
}

/// `POST /events`: `{type, payload, dedupe_key?, project?}`; 202 once it is stored for good.
pub async fn post(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["type", "payload", "dedupe_key", "project"])?;
    let project = match wire::text(&body, "project")? {
        None => None,
        // What is no name cannot be a project's, so the answer is the same as for one that is not there.
        Some(name) => Some(ProjectName::parse(&name).map_err(|_| AppError::not_found())?),
    };
    let posted = PostedEvent {
        project,
        event_type: wire::required(&body, "type")?,
        payload: body.get("payload").cloned().unwrap_or_else(|| json!({})),
        dedupe_key: wire::text(&body, "dedupe_key")?,
    };
    let (stored, duplicate) = call.app.post_event(call.actor()?, posted, &call.source).await?;
    let location = format!("/api/v1/events/{}", stored.id);
    let body = json!({ "event": stored.id, "run": stored.run, "duplicate": duplicate });
    Ok(HttpResponse::Accepted().insert_header(("Location", location)).json(body))
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
        let mut all = of_webhook(&found);
        all.extend(call.app.verdicts(call.actor()?, id).await?.iter().map(super::rules::verdict));
        let labels = call.app.labels(call.actor()?, id).await?;
        object.insert("labels".to_owned(), labels.iter().map(super::enrichers::label).collect());
        object.insert("verdicts".to_owned(), Value::Array(all));
    }
    Ok(HttpResponse::Ok().json(out))
}

/// `POST /events/{id}/labels`: `{enricher, label}`; without a label, or with null, what was said is taken back.
pub async fn teach(call: Call) -> Answer {
    let id = EventId::parse(&call.part("id")).map_err(|_| AppError::not_found())?;
    let body = wire::object(call.json()?, &["enricher", "label"])?;
    let (enricher, label) = (wire::required(&body, "enricher")?, wire::text(&body, "label")?);
    call.app.teach(call.actor()?, id, &enricher, label.as_deref(), &call.source).await?;
    Ok(HttpResponse::Ok().json(json!({ "event": id, "enricher": enricher, "label": label })))
}

/// What the webhook made of its delivery.
fn of_webhook(e: &Event) -> Vec<Value> {
    let name = e.webhook();
    let verdict = |name| json!({ "webhook": name, "verdict": e.verdict, "detail": e.detail, "run": e.run });
    name.map(verdict).into_iter().collect()
}

/// An event, without its payload.
pub fn event(e: &Event) -> Value {
    json!({
        "id": e.id, "project": e.project, "time": e.received_at, "source": e.source, "type": e.event_type,
        "dedupe_key": e.dedupe_key, "verdict": e.verdict, "detail": e.detail, "run": e.run, "depth": e.depth,
    })
}
