//! Rules: what they are, what they made of events, their promotion, and what they would have done.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::definitions::Kind;
use crate::app::error::{AppError, AppResult};
use crate::app::rules::{EnforcementRecord, Mark, RuleDetail, RuleView, Switch, VerdictView};
use crate::domain::digest::Digest;
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::option::FieldError;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /rules`.
pub async fn list(call: Call) -> Answer {
    let items: Vec<Value> = call.app.rules(call.actor()?).await?.iter().map(rule).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /rules/{project}/{name}`: with its newest verdicts and what it would have done.
pub async fn show(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    Ok(HttpResponse::Ok().json(detail(&call.app.rule(call.actor()?, &project, &name).await?)))
}

/// `PUT /rules/{project}/{name}`: YAML in, revision out; `?dry_run=true` only checks.
pub async fn save(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let actor = call.actor()?;
    let text = std::str::from_utf8(&call.body)
        .map_err(|_| AppError::invalid("not_utf8", "The definition is not valid UTF-8 text."))?;
    call.app.may_edit(actor, &project, Kind::Rule, &name).await?;
    let given = call.app.name_of_rule(&project, text);
    if given.as_ref().is_some_and(|given| *given != name) {
        let message = format!(
            "The text defines the rule `{}`, but the address says `{name}`. Make them the same.",
            given.unwrap_or_default()
        );
        return Err(wire::fields(vec![FieldError {
            field: "name".to_owned(),
            code: "other_rule".to_owned(),
            message,
        }]));
    }
    if call.query("dry_run").is_some_and(|v| v == "true") {
        let diagnostics = call.app.check(actor, &project, Kind::Rule, text).await?;
        let valid = !diagnostics.iter().any(crate::app::definitions::Diagnostic::is_error);
        return Ok(HttpResponse::Ok().json(json!({ "valid": valid, "diagnostics": diagnostics })));
    }
    let expected = super::jobs::if_match(&call)?;
    let message = call.query("message").unwrap_or_default();
    let saved = call.app.save(actor, &project, Kind::Rule, text, expected, &message, &call.source).await?;
    Ok(HttpResponse::Ok().json(json!({ "name": saved.name, "revision": saved.revision, "digest": saved.digest })))
}

/// `POST /rules/{project}/{name}/promotion`: `{do, digest}`, where `do` is `ask`, `confirm`, `dry_run` or
/// `close_breaker`.
pub async fn promotion(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let body = wire::object(call.json()?, &["do", "digest"])?;
    let word = wire::required(&body, "do")?;
    let switch =
        Switch::parse(&word).ok_or_else(|| wrong("do", "`do` has to be ask, confirm, dry_run or close_breaker."))?;
    let digest = Digest::parse(&wire::required(&body, "digest")?)
        .map_err(|_| wrong("digest", "`digest` has to be the digest of the rule that you looked at."))?;
    let actor = call.actor()?;
    call.app.switch_rule(actor, &project, &name, switch, &digest, &call.source).await?;
    Ok(HttpResponse::Ok().json(detail(&call.app.rule(actor, &project, &name).await?)))
}

/// `POST /rules/{project}/{name}/marks`: `{enforcement, mark}`, where `mark` is `right` or `wrong`.
pub async fn mark(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let body = wire::object(call.json()?, &["enforcement", "mark"])?;
    let mark = Mark::parse(&wire::required(&body, "mark")?)
        .ok_or_else(|| wrong("mark", "`mark` has to be right or wrong."))?;
    let id = wire::required(&body, "enforcement")?;
    let actor = call.actor()?;
    call.app.mark_enforcement(actor, &project, &name, &id, mark, &call.source).await?;
    Ok(HttpResponse::Ok().json(detail(&call.app.rule(actor, &project, &name).await?)))
}

/// `GET /events/{id}/verdicts`.
pub async fn verdicts(call: Call) -> Answer {
    let id = EventId::parse(&call.part("id")).map_err(|_| AppError::not_found())?;
    let items: Vec<Value> = call.app.verdicts(call.actor()?, id).await?.iter().map(verdict).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

pub(super) fn named(call: &Call) -> AppResult<(ProjectName, String)> {
    Ok((call.name("project")?, call.part("name")))
}

pub(super) fn wrong(field: &str, message: &str) -> AppError {
    let (code, message) = (format!("bad_{field}"), message.to_owned());
    wire::fields(vec![FieldError { field: field.to_owned(), code, message }])
}

fn rule(r: &RuleView) -> Value {
    json!({
        "project": r.project, "pack": r.pack, "name": r.name, "description": r.description, "trigger": r.trigger,
        "action": r.action, "mode": r.mode, "revision": r.revision, "digest": r.digest,
    })
}

fn detail(d: &RuleDetail) -> Value {
    let rule = &d.stored.rule;
    json!({
        "project": d.project, "pack": rule.pack, "name": rule.name, "description": rule.description,
        "trigger": rule.trigger, "action": rule.action.shown(), "job": d.job, "owner": format!("service:{}", rule.owner),
        "mode": d.mode, "revision": d.stored.revision, "digest": d.stored.digest,
        "promotion": {
            "asked_by": d.state.as_ref().and_then(|s| s.asked_by.as_ref()),
            "promoted_by": d.state.as_ref().and_then(|s| s.promoted_by.as_ref()),
            "promoted_at": d.state.as_ref().and_then(|s| s.promoted_at),
            "conditions": d.ticked,
        },
        "breaker": d.state.as_ref().map(|s| json!({
            "state": s.breaker, "since": s.breaker_since, "reason": s.breaker_reason,
        })),
        "verdicts": d.verdicts.iter().map(|v| verdict(&VerdictView { verdict: v.clone(), stored: true })).collect::<Vec<_>>(),
        "would_have_done": d.would.iter().map(enforcement).collect::<Vec<_>>(),
    })
}

fn enforcement(e: &EnforcementRecord) -> Value {
    json!({
        "id": e.id, "event": e.event_id, "action": e.action, "nodes": e.nodes, "time": e.created_at,
        "mark": e.mark.map(Mark::as_str), "marked_by": e.marked_by,
    })
}

/// A verdict, for the API and the event that it is about.
pub(super) fn verdict(view: &VerdictView) -> Value {
    let v = &view.verdict;
    let proposal = v
        .proposal
        .as_ref()
        .map(|p| json!({ "action": p.action, "target": p.target, "parameters": p.parameters, "message": p.message }));
    json!({
        "event": v.event_id, "rule": v.rule, "revision": v.revision, "mode": if v.live { "live" } else { "dry_run" },
        "outcome": v.outcome.as_str(), "detail": v.detail, "criteria": v.criteria, "guards": v.guards,
        "action": proposal, "run": v.run, "time": v.created_at, "stored": view.stored,
    })
}
