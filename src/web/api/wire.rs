//! What things look like on the wire, and how requests are read: wire types are no domain types.

use serde_json::{Map, Value, json};

use crate::app::approvals::{Answered, ApprovalDetail, ApprovalView};
use crate::app::delegating::Delegation;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::app::log::Entry;
use crate::app::runs::{RunDetail, RunView};
use crate::domain::approval::MissingSignature;
use crate::domain::option::FieldError;
use crate::domain::plan::freeze::shown;

/// A run.
#[must_use]
pub fn run(r: &RunView) -> Value {
    json!({
        "number": r.number, "state": r.state, "project": r.project, "job": r.job, "job_id": r.job_id,
        "revision": r.job_revision, "requester": r.requester, "origin": r.origin, "reason": r.reason,
        "environment": r.environment, "digest": r.digest, "approval": r.approval.map(|id| id.to_string()),
        "start_at": r.start_at, "created_at": r.created_at, "started_at": r.started_at, "ended_at": r.ended_at,
        "end_reason": r.end_reason, "log_bytes": r.log_bytes, "log_truncated": r.log_truncated,
    })
}

/// A run with everything that belongs to it.
#[must_use]
pub fn run_detail(detail: &RunDetail) -> Value {
    let mut out = run(&detail.run);
    let options: Map<String, Value> =
        detail.plan.options.iter().map(|(name, value)| (name.to_string(), Value::from(shown(value)))).collect();
    let steps: Vec<Value> = detail
        .steps
        .iter()
        .map(|s| {
            json!({
                "node": s.node, "step": s.step_name, "index": s.step_index, "attempt": s.attempt, "state": s.state,
                "exit_code": s.exit_code, "message": s.message, "started_at": s.started_at, "ended_at": s.ended_at,
            })
        })
        .collect();
    if let Some(object) = out.as_object_mut() {
        object.insert("options".to_owned(), Value::Object(options));
        object.insert("nodes".to_owned(), json!(detail.plan.nodes.iter().map(|n| &n.name).collect::<Vec<_>>()));
        object.insert("steps".to_owned(), Value::Array(steps));
        object.insert("plan".to_owned(), json!(detail.plan));
    }
    out
}

/// An approval request.
#[must_use]
pub fn approval(a: &ApprovalView) -> Value {
    json!({
        "id": a.id, "run": a.run, "project": a.project, "job": a.job, "environment": a.environment, "state": a.state,
        "requester": a.requester, "reason": a.reason, "digest": a.digest, "need": a.need, "missing": missing(&a.missing),
        "created_at": a.created_at, "expires_at": a.expires_at, "decided_at": a.decided_at,
        "void_reason": a.void_reason, "mine": a.mine, "replaces": a.replaces, "replaced_by": a.replaced_by,
        "escalated_at": a.escalated_at,
    })
}

fn missing(missing: &[MissingSignature]) -> Value {
    json!(missing)
}

/// An approval request with its frozen plan.
#[must_use]
pub fn approval_detail(detail: &ApprovalDetail) -> Value {
    let mut out = approval(&detail.view);
    let thread: Vec<Value> = detail
        .thread
        .iter()
        .map(|e| {
            json!({
                "id": e.id, "run": e.run, "state": e.state, "requester": e.requester, "reason": e.reason,
                "created_at": e.created_at, "void_reason": e.void_reason, "signatures": answers(&e.answers),
            })
        })
        .collect();
    if let Some(object) = out.as_object_mut() {
        object.insert("plan".to_owned(), json!(detail.plan));
        object.insert("policy".to_owned(), json!(detail.policy));
        object.insert("signatures".to_owned(), answers(&detail.signatures));
        let could = detail.could_sign.iter().map(|c| json!({ "user": c.user, "roles": c.roles })).collect();
        object.insert("could_sign".to_owned(), Value::Array(could));
        object.insert("delegations".to_owned(), delegations(&detail.delegations));
        object.insert("thread".to_owned(), Value::Array(thread));
        object.insert("may_decide".to_owned(), json!(detail.refusal.is_none()));
        object.insert("may_not_why".to_owned(), json!(detail.refusal.as_ref().map(ToString::to_string)));
    }
    out
}

fn delegations(all: &[Delegation]) -> Value {
    let one = |d: &Delegation| json!({ "from": d.from, "to": d.to, "role": d.role, "ends_at": d.ends_at });
    Value::Array(all.iter().map(one).collect())
}

fn answers(all: &[Answered]) -> Value {
    let answer = |s: &Answered| {
        json!({
            "user": s.user, "on_behalf_of": s.on_behalf_of, "verdict": s.verdict, "reason": s.reason, "roles": s.roles,
            "at": s.at, "digest": s.digest,
        })
    };
    Value::Array(all.iter().map(answer).collect())
}

/// A line of output.
#[must_use]
pub fn entry(e: &Entry) -> Value {
    json!({
        "offset": e.offset, "line": e.number, "time": e.line.at, "node": e.line.node, "step": e.line.step,
        "stream": e.line.stream.as_str(), "text": String::from_utf8_lossy(&e.line.bytes),
    })
}

/// The body as an object that has only these keys.
///
/// # Errors
/// `not_an_object`; `invalid_fields` with every unknown key.
pub fn object(body: Value, known: &[&str]) -> AppResult<Map<String, Value>> {
    let Value::Object(map) = body else {
        return Err(Refusal::new(RefusalKind::Malformed, "not_an_object", "The body must be a JSON object.").into());
    };
    let strange: Vec<FieldError> = map
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
        .map(|key| {
            let nearest = known.iter().find(|k| strsim::levenshtein(k, key) <= 2);
            let hint =
                nearest.map_or_else(|| format!("There are: {}.", known.join(", ")), |k| format!("Did you mean `{k}`?"));
            FieldError {
                field: key.clone(),
                code: "unknown_field".to_owned(),
                message: format!("There is no field `{key}`. {hint}"),
            }
        })
        .collect();
    if strange.is_empty() { Ok(map) } else { Err(fields(strange)) }
}

/// A field as text; absent and null are `None`.
///
/// # Errors
/// `invalid_fields` when it is something else.
pub fn text(map: &Map<String, Value>, field: &str) -> AppResult<Option<String>> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(fields(vec![FieldError {
            field: field.to_owned(),
            code: "not_text".to_owned(),
            message: format!("`{field}` has to be text."),
        }])),
    }
}

/// A field that has to be there.
///
/// # Errors
/// `invalid_fields` when it is missing.
pub fn required(map: &Map<String, Value>, field: &str) -> AppResult<String> {
    text(map, field)?.ok_or_else(|| {
        fields(vec![FieldError {
            field: field.to_owned(),
            code: "required".to_owned(),
            message: format!("`{field}` is missing."),
        }])
    })
}

/// A refusal with the wrong fields.
#[must_use]
pub fn fields(errors: Vec<FieldError>) -> AppError {
    let named: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    let message = format!("Some fields are wrong: {}.", named.join(", "));
    Refusal::new(RefusalKind::Invalid, "invalid_fields", message).with_fields(errors).into()
}

/// A query parameter as a number within bounds.
///
/// # Errors
/// `bad_query`.
pub fn number(text: Option<String>, usual: u64, most: u64) -> AppResult<u64> {
    let Some(text) = text else { return Ok(usual) };
    match text.parse::<u64>() {
        Ok(n) => Ok(n.min(most)),
        Err(_) => {
            Err(Refusal::new(RefusalKind::Malformed, "bad_query", format!("`{text}` is not a whole number.")).into())
        }
    }
}

/// A refusal of a query parameter.
#[must_use]
pub fn bad_query(message: String) -> AppError {
    Refusal::new(RefusalKind::Malformed, "bad_query", message).into()
}
