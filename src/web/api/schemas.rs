//! The schemas that operations of the API name, for the description that programs read.

use serde_json::{Value, json};

/// Every schema that operations name.
pub(super) fn all() -> Value {
    let mut all = json!({
        "Anything": {},
        "Problem": object(&["type", "title", "detail", "code"], json!({
            "type": text(), "title": text(), "status": whole(), "code": text(), "detail": text(),
            "errors": { "type": "array", "items": object(&["field", "code", "message"], json!({
                "field": text(), "code": text(), "message": text() })) },
        })),
        "Credentials": object(&["user", "password"], json!({ "user": text(), "password": text() })),
        "OpenedSession": object(&["user", "csrf"], json!({ "user": text(), "csrf": text() })),
        "Session": object(&["user", "principal"], json!({
            "user": text(), "principal": text(), "groups": texts(), "administrator": flag(), "csrf": maybe_text() })),
        "Project": object(&["name"], json!({ "name": text() })),
        "Job": object(&["id", "project", "name", "path", "revision", "digest"], json!({
            "id": text(), "project": text(), "group": maybe_text(), "name": text(), "path": text(), "summary": text(),
            "description": text(), "revision": whole(), "digest": text(), "approval": maybe_text(), "enabled": flag(),
            "environment": maybe_text(), "may_run": flag(), "node_filter": maybe_text(),
            "options": { "type": "array", "items": { "type": "object" } }, "steps": texts(), "nodes": texts(),
            "source": text(), "author": text(), "saved_at": time() })),
        "Definition": { "type": "string", "description": "a job's YAML" },
        "SavedJob": { "type": "object", "properties": {
            "name": text(), "id": maybe_text(), "revision": whole(), "digest": text(),
            "valid": flag(), "diagnostics": { "type": "array", "items": { "type": "object" } } } },
        "RunRequest": object(&[], json!({
            "options": { "type": "object", "description": "values by option" }, "reason": maybe_text(),
            "nodes": { "type": ["array", "null"], "items": text() }, "run_at": maybe_time(), "dry_run": flag(),
            "replaces": maybe_text(), "break_glass": flag() })),
        "Run": object(&["number", "state", "project", "job"], json!({
            "number": whole(), "state": text(), "project": text(), "job": text(), "job_id": text(), "revision": whole(),
            "requester": text(), "origin": { "type": "object" }, "reason": text(), "environment": maybe_text(),
            "digest": text(), "approval": maybe_text(), "start_at": maybe_time(), "created_at": time(),
            "started_at": maybe_time(), "ended_at": maybe_time(), "end_reason": text(), "log_bytes": whole(),
            "log_truncated": flag(), "options": { "type": "object" }, "nodes": texts(),
            "steps": { "type": "array", "items": { "type": "object" } }, "plan": { "type": "object" } })),
        "LogEntry": object(&["offset", "time", "node", "step", "stream", "text"], json!({
            "offset": whole(), "line": whole(), "time": time(), "node": text(), "step": text(), "stream": text(),
            "text": text() })),
        "Log": object(&["items", "next", "state"], json!({
            "items": { "type": "array", "items": reference("LogEntry") }, "next": whole(), "state": text() })),
        "Approval": object(&["id", "run", "state", "digest"], json!({
            "id": text(), "run": whole(), "project": text(), "job": text(), "environment": maybe_text(), "state": text(),
            "requester": text(), "reason": text(), "digest": text(), "need": { "type": "array" },
            "missing": { "type": "array" }, "created_at": time(), "expires_at": time(), "decided_at": maybe_time(),
            "void_reason": maybe_text(), "mine": flag(), "plan": { "type": "object" }, "policy": { "type": "object" },
            "signatures": { "type": "array" }, "thread": { "type": "array" }, "replaces": maybe_text(),
            "replaced_by": maybe_text(), "escalated_at": maybe_time(), "may_decide": flag(), "may_not_why": maybe_text() })),
        "Decision": object(&["decision", "digest"], json!({
            "decision": { "enum": ["approve", "push_back", "reject"] }, "digest": text(), "reason": maybe_text(),
            "on_behalf_of": maybe_text() })),
        "SignedDocument": object(&["document", "key", "signature"], json!({
            "document": { "type": "object" }, "key": text(), "signature": text() })),
        "BreakGlass": object(&["run", "project", "user", "reason"], json!({
            "run": whole(), "project": text(), "job": text(), "policy": text(), "user": text(), "reason": text(),
            "digest": text(), "created_at": time(), "review_by": time(), "overdue": flag(), "reviewed_by": maybe_text(),
            "reviewed_at": maybe_time(), "note": maybe_text(), "may_not_why": maybe_text() })),
        "Review": object(&["note"], json!({ "note": text() })),
        "Delegation": object(&["id", "project", "role", "from", "to", "ends_at"], json!({
            "id": text(), "project": text(), "role": text(), "from": text(), "to": text(), "reason": text(),
            "created_at": time(), "ends_at": time() })),
        "NewDelegation": object(&["project", "role", "to", "ends_at"], json!({
            "project": text(), "role": text(), "to": text(), "ends_at": time(), "reason": maybe_text() })),
        "SamePerson": object(&["name", "same_as"], json!({ "name": text(), "same_as": maybe_text() })),
    });
    let of_events = json!({
        "Event": object(&["id", "project", "time", "source", "type"], json!({
            "id": text(), "project": text(), "time": time(), "source": text(), "type": text(), "dedupe_key": text(),
            "verdict": text(), "detail": text(), "run": { "type": ["integer", "null"] }, "depth": whole(),
            "headers": { "type": "object" }, "payload": {},
            "labels": { "type": "array", "items": reference("EventLabel") }, "verdicts": { "type": "array" } })),
        "PostedEvent": object(&["type"], json!({
            "type": text(), "payload": {}, "dedupe_key": maybe_text(), "project": maybe_text() })),
        "Accepted": object(&["event"], json!({
            "event": text(), "run": { "type": ["integer", "null"] }, "duplicate": flag(), "verdict": text(),
            "detail": text() })),
        "Rule": object(&["project", "pack", "name"], json!({
            "project": text(), "pack": text(), "name": text(), "description": text(), "trigger": text(),
            "action": text(), "mode": text(), "revision": whole(), "digest": text() })),
        "Alias": object(&["project", "name", "job", "formats", "enabled"], json!({
            "project": text(), "name": text(), "description": text(), "job": text(),
            "formats": { "type": "array", "items": text() }, "enabled": flag(), "revision": whole() })),
        "Source": object(&["project", "name", "type", "event", "enabled", "state"], json!({
            "project": text(), "name": text(), "description": text(), "type": text(), "event": text(), "enabled": flag(),
            "state": { "enum": ["off", "starting", "watching", "failing", "done"] }, "next_at": maybe_time(),
            "waiting": { "type": ["integer", "null"] }, "last_event_at": maybe_time(), "error": text(), "failed_at": maybe_time(),
            "failures": whole(),
            "revision": whole() })),
        "SourceSwitch": object(&["enabled"], json!({ "enabled": flag() })),
        "Undelivered": object(&["notice", "kind", "project", "error", "time"], json!({
            "notice": text(), "kind": text(), "project": text(), "approval": maybe_text(),
            "run": { "type": ["integer", "null"] }, "rule": maybe_text(), "channel": maybe_text(), "recipient": text(),
            "attempts": whole(), "error": text(), "time": time(), "next_try": maybe_time() })),
        "Pressed": object(&["response_type", "text"], json!({
            "response_type": text(), "replace_original": flag(), "mrkdwn": flag(), "text": text() })),
        "RuleDetail": object(&["project", "name", "mode", "digest"], json!({
            "project": text(), "pack": text(), "name": text(), "description": text(), "trigger": text(),
            "action": text(), "job": maybe_text(), "owner": text(), "mode": text(), "revision": whole(),
            "digest": text(), "promotion": { "type": "object" }, "breaker": { "type": ["object", "null"] },
            "verdicts": { "type": "array", "items": reference("Verdict") },
            "would_have_done": { "type": "array", "items": { "type": "object" } } })),
        "Verdict": object(&["event", "rule", "revision", "mode", "outcome", "detail", "criteria", "guards"], json!({
            "event": text(), "rule": text(), "revision": whole(), "mode": text(), "outcome": text(), "detail": text(),
            "criteria": { "type": "array", "items": { "type": "object" } },
            "guards": { "type": "array", "items": { "type": "object" } },
            "action": { "type": ["object", "null"] }, "run": { "type": ["integer", "null"] }, "time": time(),
            "stored": flag() })),
        "Promotion": object(&["do", "digest"], json!({ "do": text(), "digest": text() })),
        "EnforcementMark": object(&["enforcement", "mark"], json!({ "enforcement": text(), "mark": text() })),
        "EventCount": object(&["project", "day", "source", "type", "outcome", "count"], json!({
            "project": text(), "day": text(), "source": text(), "type": text(), "rule": maybe_text(), "outcome": text(),
            "count": whole() })),
        "Backtest": object(&[], json!({
            "since": maybe_text(), "until": maybe_text(), "rule": maybe_text(), "revision": { "type": ["integer", "null"] },
        })),
        "BacktestReport": object(&["id", "project", "rule", "state", "looked_at", "total"], json!({
            "id": text(), "project": text(), "rule": text(), "state": text(), "looked_at": whole(), "total": whole(),
            "since": time(), "until": time(), "asked_by": text(), "asked_at": time(), "ended_at": maybe_text(),
            "error": text(), "events": whole(), "matched": whole(), "acts": whole(), "held": whole(),
            "also_then": whole(), "only_now": whole(), "only_then": whole(), "more": flag(),
            "items": { "type": "array", "items": { "type": "object" } } })),
        "AuditEntry": object(&["seq", "time", "actor", "action", "resource", "hash"], json!({
            "seq": whole(), "time": time(), "actor": text(), "source": text(), "action": text(), "resource": text(),
            "project": maybe_text(), "detail": { "type": "object" }, "hash": text() })),
    });
    let of_labels = json!({
        "Enricher": object(&["project", "name", "type", "labels", "enabled", "state"], json!({
            "project": text(), "name": text(), "description": text(), "type": text(),
            "labels": { "type": "array", "items": text() }, "enabled": flag(),
            "state": { "enum": ["off", "unused", "waiting", "labelling", "failing"] },
            "rules": { "type": "array", "items": text() },
            "last": { "oneOf": [reference("EventLabel"), { "type": "null" }] }, "revision": whole() })),
        "EventLabel": object(&["event", "enricher", "class", "confidence"], json!({
            "event": text(), "enricher": text(), "revision": whole(), "class": maybe_text(),
            "confidence": { "type": "number" }, "reason": text(), "quoted": flag(), "trouble": text(),
            "remembered": flag(), "time": time() })),
        "TaughtLabel": object(&["enricher"], json!({
            "event": text(), "enricher": text(), "label": maybe_text() })),
    });
    if let (Some(schemas), Value::Object(of_events), Value::Object(of_labels)) =
        (all.as_object_mut(), of_events, of_labels)
    {
        schemas.extend(of_events);
        schemas.extend(of_labels);
        for (list, item) in [
            ("ProjectList", "Project"),
            ("JobList", "Job"),
            ("RunList", "Run"),
            ("ApprovalList", "Approval"),
            ("BreakGlassList", "BreakGlass"),
            ("DelegationList", "Delegation"),
            ("EventList", "Event"),
            ("EventCountList", "EventCount"),
            ("BacktestList", "BacktestReport"),
            ("RuleList", "Rule"),
            ("SourceList", "Source"),
            ("AliasList", "Alias"),
            ("EnricherList", "Enricher"),
            ("VerdictList", "Verdict"),
            ("AuditList", "AuditEntry"),
            ("UndeliveredList", "Undelivered"),
        ] {
            let properties = json!({ "items": { "type": "array", "items": reference(item) }, "next": maybe_text() });
            schemas.insert(list.to_owned(), object(&["items", "next"], properties));
        }
    }
    all
}

/// A schema by its name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn maybe_text() -> Value {
    json!({ "type": ["string", "null"] })
}

fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn maybe_time() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

fn whole() -> Value {
    json!({ "type": "integer" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}
