//! Runs that did not wait, and people who sign for others.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::{runs, wire};
use crate::app::break_glass::BrokenGlass;
use crate::app::delegating::{Delegation, NewDelegation};
use crate::app::error::AppError;
use crate::domain::ids::{DelegationId, ProjectName, RoleName, UserName};
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /break-glass`.
pub async fn list(call: Call) -> Answer {
    let all = call.app.broken_glass(call.actor()?).await?;
    let items: Vec<Value> = all.iter().map(glass).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

fn glass(one: &BrokenGlass) -> Value {
    let r = &one.record;
    json!({
        "run": r.run, "project": r.project, "job": r.job_path, "policy": r.policy, "user": r.user, "reason": r.reason,
        "digest": r.plan_digest, "created_at": r.created_at, "review_by": r.review_by, "overdue": one.overdue,
        "reviewed_by": r.reviewed_by, "reviewed_at": r.reviewed_at, "note": r.note,
        "freezes": r.freezes,
        "may_not_why": one.refusal.as_ref().map(ToString::to_string),
    })
}

/// `POST /break-glass/{number}/review`: `{note}`.
pub async fn review(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["note"])?;
    let note = wire::text(&body, "note")?.unwrap_or_default();
    call.app.review_break_glass(call.actor()?, runs::number(&call)?, &note, &call.source).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /delegations`: what holds now from or to the caller.
pub async fn delegations(call: Call) -> Answer {
    let all = call.app.delegations(call.actor()?).await?;
    let items: Vec<Value> = all.iter().map(delegation).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

fn delegation(d: &Delegation) -> Value {
    json!({
        "id": d.id, "project": d.project, "role": d.role, "from": d.from, "to": d.to, "reason": d.reason,
        "created_at": d.created_at, "ends_at": d.ends_at,
    })
}

/// `POST /delegations`: `{project, role, to, ends_at, reason}`.
pub async fn delegate(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["project", "role", "to", "ends_at", "reason"])?;
    let ends_at = chrono::DateTime::parse_from_rfc3339(&wire::required(&body, "ends_at")?)
        .map_err(|_| wire::bad_query("`ends_at` has to be a time such as 2026-11-30T02:00:00Z.".to_owned()))?;
    let new = NewDelegation {
        project: ProjectName::parse(&wire::required(&body, "project")?)?,
        role: RoleName::parse(&wire::required(&body, "role")?)?,
        to: UserName::parse(&wire::required(&body, "to")?)?,
        ends_at: ends_at.to_utc(),
        reason: wire::text(&body, "reason")?.unwrap_or_default(),
    };
    let made = call.app.delegate(call.actor()?, new, &call.source).await?;
    Ok(HttpResponse::Created().json(delegation(&made)))
}

/// `DELETE /delegations/{id}`: ends it now.
pub async fn end(call: Call) -> Answer {
    let id = DelegationId::parse(&call.part("id")).map_err(|_| AppError::not_found())?;
    call.app.end_delegation(call.actor()?, id, &call.source).await?;
    Ok(HttpResponse::NoContent().finish())
}
