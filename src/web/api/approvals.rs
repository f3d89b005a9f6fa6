//! Approval requests and decisions.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::approvals::Decision;
use crate::app::error::{AppError, AppResult};
use crate::domain::approval::{RequestState, Verdict};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, UserName};
use crate::domain::option::FieldError;
use crate::domain::plan::Origin;
use crate::domain::time::Timestamp;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /approvals?state=pending&cursor&limit`.
pub async fn list(call: Call) -> Answer {
    let state = match call.query("state") {
        None => None,
        Some(word) => Some(
            RequestState::parse(&word).ok_or_else(|| wire::bad_query(format!("`{word}` is no state of a request.")))?,
        ),
    };
    let after = call.query("cursor").map(|c| cursor(&c)).transpose()?;
    let limit = u32::try_from(wire::number(call.query("limit"), 50, 200)?).unwrap_or(50);
    let found = call.app.approvals(call.actor()?, state, after, limit).await?;
    let next = found.next.map(|(at, id)| format!("{}~{id}", at.timestamp_micros()));
    let items: Vec<Value> = found.items.iter().map(wire::approval).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": next })))
}

fn cursor(text: &str) -> AppResult<(Timestamp, ApprovalId)> {
    let read = || {
        let (at, id) = text.split_once('~')?;
        Some((chrono::DateTime::from_timestamp_micros(at.parse().ok()?)?, ApprovalId::parse(id).ok()?))
    };
    read().ok_or_else(|| wire::bad_query("`cursor` has to be the `next` of an earlier answer.".to_owned()))
}

/// `GET /approvals/{id}`: the frozen plan with its digest.
pub async fn show(call: Call) -> Answer {
    let detail = call.app.approval(call.actor()?, id(&call)?).await?;
    Ok(HttpResponse::Ok().json(wire::approval_detail(&detail)))
}

/// `POST /approvals/{id}/decision`: `{decision, digest, reason, on_behalf_of}`.
pub async fn decide(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["decision", "digest", "reason", "on_behalf_of"])?;
    let word = wire::required(&body, "decision")?;
    let wrong = |field: &str, message: String| {
        wire::fields(vec![FieldError { field: field.to_owned(), code: format!("bad_{field}"), message }])
    };
    let verdict = Verdict::parse(&word).ok_or_else(|| {
        wrong("decision", format!("`decision` has to be approve, push_back or reject, not `{word}`."))
    })?;
    let digest = Digest::parse(&wire::required(&body, "digest")?).map_err(|e| wrong("digest", format!("{e}.")))?;
    let reason = wire::text(&body, "reason")?.unwrap_or_default();
    let decision = Decision { verdict, digest, reason };
    let speaks_for = wire::text(&body, "on_behalf_of")?.map(|name| UserName::parse(&name)).transpose()?;
    let view = call.app.decide_for(call.actor()?, id(&call)?, decision, speaks_for, &call.source).await?;
    Ok(HttpResponse::Ok().json(wire::approval(&view)))
}

/// `POST /approvals/{id}/again`: the same request once more, as things are now.
pub async fn again(call: Call) -> Answer {
    wire::object(call.json()?, &[])?;
    let run = call.app.ask_again(call.actor()?, id(&call)?, Origin::Api, &call.source).await?;
    let location = format!("/api/v1/runs/{}", run.number);
    Ok(HttpResponse::Created().insert_header(("Location", location)).json(wire::run(&run)))
}

fn id(call: &Call) -> AppResult<ApprovalId> {
    ApprovalId::parse(&call.part("id")).map_err(|_| AppError::not_found())
}
