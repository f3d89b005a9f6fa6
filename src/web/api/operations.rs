//! What each operation of the API takes and answers, for the description that programs read.

use serde_json::{Value, json};

/// An operation beyond what the route table says of it.
pub(super) struct Operation {
    /// Its id: a verb and what it is about.
    pub(super) id: &'static str,
    /// One sentence without a full stop.
    pub(super) summary: &'static str,
    /// Query parameters: name and what it means.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// What the body has to be.
    pub(super) request: Option<Body>,
    /// The status of a success and the schema of its body.
    pub(super) answer: (u16, Option<&'static str>),
}

/// A body: its media type and the name of its schema.
pub(super) struct Body(pub(super) &'static str, pub(super) &'static str);

const CURSOR: (&str, &str) = ("cursor", "`next` of the page before");
const LIMIT: (&str, &str) = ("limit", "how many items, at most 200");
/// Which events are wanted.
const EVENTS: &[(&str, &str)] = &[
    ("project", "of this project"),
    ("source", "from this source: webhook:NAME, api"),
    ("type", "of this type"),
    ("rule", "that this rule looked at"),
    ("outcome", "of which this was made; by the rule, where one is named"),
    ("since", "from this time on, or so long ago: 14d"),
    ("until", "before this time"),
    CURSOR,
    LIMIT,
];
const SINCE: (&str, &str) = ("since", "not before this time, RFC 3339");
const JSON: &str = "application/json";

/// The operation of a route; `None` for one that nobody described, which a test refuses.
pub(super) fn of(method: &str, path: &str) -> Option<Operation> {
    let operation = |id, summary, answer| Operation { id, summary, query: &[], request: None, answer };
    Some(match (method, path) {
        ("POST", "/hooks/{address}") => Operation {
            request: Some(Body("application/json", "Anything")),
            ..operation("deliver", "Deliver to a webhook by its name or its token", (202, Some("Accepted")))
        },
        ("POST", "/hooks/slack/actions") => Operation {
            request: Some(Body("application/x-www-form-urlencoded", "Anything")),
            ..operation("pressButton", "Take a press of a button in Slack, signed by Slack", (200, Some("Pressed")))
        },
        ("POST", "/hooks/slack/commands") => Operation {
            request: Some(Body("application/x-www-form-urlencoded", "Anything")),
            ..operation("typeCommand", "Take a slash command, signed by Slack", (200, Some("Pressed")))
        },
        ("POST", "/api/v1/session") => Operation {
            request: Some(Body(JSON, "Credentials")),
            ..operation("openSession", "Sign in; sets the cookie", (200, Some("OpenedSession")))
        },
        ("GET", "/api/v1/session") => operation("showSession", "Who is signed in", (200, Some("Session"))),
        ("DELETE", "/api/v1/session") => operation("closeSession", "Sign out", (204, None)),
        ("GET", "/api/v1/projects") => operation("listProjects", "Projects", (200, Some("ProjectList"))),
        ("GET", "/api/v1/projects/{project}/jobs") => {
            operation("listJobs", "Jobs of a project", (200, Some("JobList")))
        }
        ("POST", "/api/v1/projects/{project}/jobs/{job:.+}/runs") => Operation {
            request: Some(Body(JSON, "RunRequest")),
            ..operation("requestRun", "Ask for a run of a job", (201, Some("Run")))
        },
        ("GET", "/api/v1/projects/{project}/jobs/{job:.+}") => {
            operation("showJob", "A job by group and name or by id", (200, Some("Job")))
        }
        ("PUT", "/api/v1/projects/{project}/jobs/{job:.+}") => Operation {
            query: &[("dry_run", "true: only check"), ("message", "why, for the history")],
            request: Some(Body("application/yaml", "Definition")),
            ..operation(
                "saveJob",
                "Save a job from its YAML; `If-Match` names the revision it is based on",
                (200, Some("SavedJob")),
            )
        },
        ("GET", "/api/v1/runs") => Operation {
            query: &[
                ("project", "of this project"),
                ("job", "of this job: group and name, or id"),
                ("state", "in one of these states, joined by commas"),
                ("user", "asked for by this principal"),
                ("node", "with this node"),
                ("option.NAME", "with this value of the option NAME"),
                SINCE,
                CURSOR,
                LIMIT,
            ],
            ..operation("listRuns", "Runs, newest first", (200, Some("RunList")))
        },
        ("GET", "/api/v1/runs/{number}") => operation("showRun", "A run with its plan and steps", (200, Some("Run"))),
        ("GET", "/api/v1/runs/{number}/log") => Operation {
            query: &[
                ("offset", "from this offset on"),
                ("limit", "how many lines, at most 10000"),
                ("node", "of this node"),
                ("step", "of this step"),
                ("text", "that contain this text"),
                ("follow", "true: server-sent events until the run ends"),
            ],
            ..operation("readLog", "Output of a run, as JSON or text/plain by `Accept`", (200, Some("Log")))
        },
        ("GET", "/api/v1/runs/{number}/document") => operation(
            "runDocument",
            "The signed document of a run, for an auditor: plan, signatures, its part of the record",
            (200, Some("SignedDocument")),
        ),
        ("POST", "/api/v1/runs/{number}/cancel") => operation("cancelRun", "Cancel a run", (200, Some("Run"))),
        ("GET", "/api/v1/approvals") => Operation {
            query: &[
                ("state", "in this state: pending, pushed_back, approved, rejected, expired, void, used"),
                CURSOR,
                LIMIT,
            ],
            ..operation("listApprovals", "Approval requests, newest first", (200, Some("ApprovalList")))
        },
        ("GET", "/api/v1/approvals/{id}") => {
            operation("showApproval", "An approval request with its frozen plan", (200, Some("Approval")))
        }
        ("POST", "/api/v1/approvals/{id}/decision") => Operation {
            request: Some(Body(JSON, "Decision")),
            ..operation(
                "decideApproval",
                "Approve, push back or reject, as a person with a fresh session",
                (200, Some("Approval")),
            )
        },
        ("POST", "/api/v1/approvals/{id}/again") => Operation {
            request: Some(Body(JSON, "Anything")),
            ..operation("askAgain", "Ask again for what ended without a run", (201, Some("Run")))
        },
        ("GET", "/api/v1/break-glass") => operation(
            "listBreakGlass",
            "Runs that did not wait, not reviewed ones first",
            (200, Some("BreakGlassList")),
        ),
        ("POST", "/api/v1/break-glass/{number}/review") => Operation {
            request: Some(Body(JSON, "Review")),
            ..operation("reviewBreakGlass", "Sign a run off that did not wait, as another person", (204, None))
        },
        ("GET", "/api/v1/delegations") => operation(
            "listDelegations",
            "Who signs for the caller, and for whom the caller does",
            (200, Some("DelegationList")),
        ),
        ("POST", "/api/v1/delegations") => Operation {
            request: Some(Body(JSON, "NewDelegation")),
            ..operation("delegate", "Let somebody of the same role sign for the caller", (201, Some("Delegation")))
        },
        ("DELETE", "/api/v1/delegations/{id}") => operation("endDelegation", "End a delegation now", (204, None)),
        ("GET", "/api/v1/events") => {
            Operation { query: EVENTS, ..operation("listEvents", "Events, newest first", (200, Some("EventList"))) }
        }
        ("GET", "/api/v1/events/export") => Operation {
            query: &[("format", "ndjson or csv")],
            ..operation("exportEvents", "Events with payloads as a file; takes the filters of the list", (200, None))
        },
        ("GET", "/api/v1/events/counts") => Operation {
            query: &[("project", "of this project"), ("of", "events or rules")],
            ..operation("countEvents", "How many events were removed, by day", (200, Some("EventCountList")))
        },
        ("POST", "/api/v1/events") => Operation {
            request: Some(Body(JSON, "PostedEvent")),
            ..operation("postEvent", "Post an event; it is stored once for each key", (202, Some("Accepted")))
        },
        ("GET", "/api/v1/events/{id}") => {
            operation("showEvent", "An event with its payload and verdicts", (200, Some("Event")))
        }
        ("GET", "/api/v1/events/{id}/verdicts") => {
            operation("listVerdicts", "What rules made of an event, each with its reasons", (200, Some("VerdictList")))
        }
        ("GET", "/api/v1/aliases") => {
            operation("listAliases", "Words of a chat that ask for a run", (200, Some("AliasList")))
        }
        ("GET", "/api/v1/sources") => operation("listSources", "Sources of events", (200, Some("SourceList"))),
        ("GET", "/api/v1/sources/{project}/{name}") => {
            operation("showSource", "A source and where it stands", (200, Some("Source")))
        }
        ("POST", "/api/v1/sources/{project}/{name}/enabled") => Operation {
            request: Some(Body(JSON, "SourceSwitch")),
            ..operation("switchSource", "Turn a source on or off", (200, Some("Source")))
        },
        ("POST", "/api/v1/events/{id}/labels") => Operation {
            request: Some(Body(JSON, "TaughtLabel")),
            ..operation("teachLabel", "Say what an event really is", (200, Some("TaughtLabel")))
        },
        ("GET", "/api/v1/enrichers") => operation("listEnrichers", "What labels events", (200, Some("EnricherList"))),
        ("GET", "/api/v1/enrichers/{project}/{name}") => {
            operation("showEnricher", "An enricher and what it made of an event last", (200, Some("Enricher")))
        }
        ("GET", "/api/v1/rules") => operation("listRules", "Rules", (200, Some("RuleList"))),
        ("GET", "/api/v1/rules/{project}/{name}") => {
            operation("showRule", "A rule with its history and its promotion", (200, Some("RuleDetail")))
        }
        ("PUT", "/api/v1/rules/{project}/{name}") => Operation {
            query: &[("dry_run", "true only checks"), ("message", "why, for the history")],
            request: Some(Body("application/yaml", "Definition")),
            ..operation("saveRule", "Save a rule; any edit puts it back to dry run", (200, Some("SavedJob")))
        },
        ("POST", "/api/v1/rules/{project}/{name}/promotion") => Operation {
            request: Some(Body(JSON, "Promotion")),
            ..operation(
                "promoteRule",
                "Ask for or confirm a promotion, go back, close the breaker",
                (200, Some("RuleDetail")),
            )
        },
        ("POST", "/api/v1/rules/{project}/{name}/marks") => Operation {
            request: Some(Body(JSON, "EnforcementMark")),
            ..operation("markEnforcement", "Mark a would-have-done right or wrong", (200, Some("RuleDetail")))
        },
        ("POST", "/api/v1/rules/{project}/{name}/backtest") => Operation {
            request: Some(Body(JSON, "Backtest")),
            ..operation("backtestRule", "Hold a rule against stored events", (200, Some("BacktestReport")))
        },
        ("GET", "/api/v1/rules/{project}/{name}/backtests") => {
            operation("listBacktests", "The newest backtests of a rule", (200, Some("BacktestList")))
        }
        ("GET", "/api/v1/backtests/{id}") => {
            operation("getBacktest", "A backtest as far as it is", (200, Some("BacktestReport")))
        }
        ("POST", "/api/v1/backtests/{id}/cancel") => {
            operation("cancelBacktest", "Stop a backtest", (200, Some("BacktestReport")))
        }
        ("GET", "/api/v1/audit") => Operation {
            query: &[
                ("project", "of this project"),
                ("actor", "by this principal"),
                ("action", "whose action begins so"),
                ("resource", "on exactly this resource"),
                SINCE,
                CURSOR,
                LIMIT,
            ],
            ..operation("listAudit", "Entries of the record, newest first", (200, Some("AuditList")))
        },
        ("GET", "/api/v1/notices/undelivered") => {
            let summary = "Notices that did not arrive, for who administers the installation";
            operation("listUndelivered", summary, (200, Some("UndeliveredList")))
        }
        ("POST", "/api/v1/people/same-person") => Operation {
            request: Some(Body(JSON, "SamePerson")),
            ..operation(
                "setPerson",
                "Say that two accounts belong to one person, or that one belongs to a person of its own",
                (200, Some("SamePerson")),
            )
        },
        ("GET", "/api/v1/openapi.json") => operation("describe", "This document", (200, Some("Anything"))),
        _ => return None,
    })
}

/// Every schema that operations name.
pub(super) fn schemas() -> Value {
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
