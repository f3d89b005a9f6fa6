//! Projects, jobs, and asking for a run.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::definitions::Kind;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::app::jobs::JobView;
use crate::app::planning::RunRequest;
use crate::domain::ids::{ApprovalId, JobRef, ProjectName};
use crate::domain::job::Dispatch;
use crate::domain::option::{FieldError, OptionKind, OptionSpec, supplied_from_json};
use crate::domain::plan::Origin;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /projects`.
pub async fn projects(call: Call) -> Answer {
    let names = call.app.projects(call.actor()?).await?;
    let items: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /projects/{p}/jobs`.
pub async fn list(call: Call) -> Answer {
    let project: ProjectName = call.name("project")?;
    let actor = call.actor()?;
    if !call.app.projects(actor).await?.contains(&project) {
        return Err(AppError::not_found());
    }
    let items: Vec<Value> = call.app.jobs(actor, Some(&project)).await?.iter().map(short).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// `GET /projects/{p}/jobs/{…}`: the job with its options and its authored text.
pub async fn show(call: Call) -> Answer {
    let (project, reference) = named(&call)?;
    let actor = call.actor()?;
    let job = call.app.job(actor, &project, &reference).await?;
    let name = job.stored.job.path.to_string();
    let (_, revision) = call.app.definition(actor, &project, Kind::Job, &name).await?;
    let mut out = short(&job);
    if let Some(object) = out.as_object_mut() {
        object.insert("options".to_owned(), job.stored.job.options.iter().map(option).collect());
        object.insert("steps".to_owned(), json!(job.stored.job.steps.iter().map(|s| &s.name).collect::<Vec<_>>()));
        object.insert("nodes".to_owned(), json!(job.nodes.iter().map(|n| &n.name).collect::<Vec<_>>()));
        object.insert("source".to_owned(), json!(revision.source));
        object.insert("author".to_owned(), json!(revision.author));
        object.insert("saved_at".to_owned(), json!(revision.created_at));
    }
    Ok(HttpResponse::Ok().json(out))
}

/// `PUT /projects/{p}/jobs/{…}`: YAML in, revision out. `?dry_run=true` only checks.
pub async fn save(call: Call) -> Answer {
    let (project, reference) = named(&call)?;
    let actor = call.actor()?;
    let text = std::str::from_utf8(&call.body)
        .map_err(|_| AppError::invalid("not_utf8", "The definition is not valid UTF-8 text."))?;
    let only_check = call.query("dry_run").is_some_and(|v| v == "true");
    let name = call.app.name_of_job(actor, &project, text).await?;
    // The path says which job is meant; a text that names another one would rename or shadow it unseen.
    if let Some(name) = &name
        && name.to_string() != reference.as_str()
        && call.app.job(actor, &project, &reference).await.map(|j| j.stored.job.path.clone()).ok().as_ref()
            != Some(name)
    {
        let message =
            format!("The text defines the job `{name}`, but the address says `{reference}`. Make them the same.");
        return Err(wire::fields(vec![FieldError { field: "name".to_owned(), code: "other_job".to_owned(), message }]));
    }
    if only_check {
        let diagnostics = call.app.check(actor, &project, Kind::Job, text).await?;
        let valid = !diagnostics.iter().any(crate::app::definitions::Diagnostic::is_error);
        return Ok(HttpResponse::Ok().json(json!({ "valid": valid, "diagnostics": diagnostics })));
    }
    let expected = if_match(&call)?;
    let message = call.query("message").unwrap_or_default();
    let saved = call.app.save(actor, &project, Kind::Job, text, expected, &message, &call.source).await?;
    let body = json!({ "name": saved.name, "id": saved.job_id, "revision": saved.revision, "digest": saved.digest });
    Ok(HttpResponse::Ok().json(body))
}

/// The revision that the author started from. One that cannot be read must not count as none: the check would be left
/// out unseen.
pub(super) fn if_match(call: &Call) -> AppResult<Option<i64>> {
    if !call.request.headers().contains_key("if-match") {
        return Ok(None);
    }
    let revision = call.header("if-match").and_then(|v| v.trim().trim_matches('"').parse().ok());
    let message = "`If-Match` has to be the number of the revision that you started from, such as \"3\".";
    revision.map(Some).ok_or_else(|| Refusal::new(RefusalKind::Malformed, "bad_if_match", message).into())
}

/// `POST /projects/{p}/jobs/{…}/runs`.
pub async fn run(call: Call) -> Answer {
    let (project, job) = named(&call)?;
    let body =
        wire::object(call.json()?, &["options", "reason", "nodes", "run_at", "dry_run", "replaces", "break_glass"])?;
    let values = match body.get("options") {
        None | Some(Value::Null) => Default::default(),
        Some(options) => supplied_from_json(options).map_err(wire::fields)?,
    };
    let nodes = match body.get("nodes") {
        None | Some(Value::Null) => None,
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some(_) => return Err(wrong("nodes", "`nodes` has to be a list of node names.")),
    };
    let start_at = match wire::text(&body, "run_at")? {
        None => None,
        Some(text) => {
            let at = chrono::DateTime::parse_from_rfc3339(&text)
                .map_err(|_| wrong("run_at", "`run_at` has to be a time such as 2026-11-30T02:00:00Z."))?;
            Some(at.to_utc())
        }
    };
    let dry_run = match body.get("dry_run") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return Err(wrong("dry_run", "`dry_run` has to be true or false.")),
    };
    let reason = wire::text(&body, "reason")?.unwrap_or_default();
    let request =
        RunRequest { project, job, values, reason, nodes, node_filter: None, start_at, origin: Origin::Api, dry_run };
    let replaces = match wire::text(&body, "replaces")? {
        None => None,
        Some(id) => Some(
            ApprovalId::parse(&id)
                .map_err(|_| wrong("replaces", "`replaces` has to be the id of an approval request."))?,
        ),
    };
    let break_glass = match body.get("break_glass") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return Err(wrong("break_glass", "`break_glass` has to be true or false.")),
    };
    if break_glass && (request.dry_run || replaces.is_some()) {
        return Err(wrong("break_glass", "`break_glass` goes with neither `dry_run` nor `replaces`."));
    }
    if break_glass {
        let run = call.app.break_glass(call.actor()?, request, &call.source).await?;
        let location = format!("/api/v1/runs/{}", run.number);
        return Ok(HttpResponse::Created().insert_header(("Location", location)).json(wire::run(&run)));
    }
    let run = call.app.request_run_after(call.actor()?, request, replaces, &call.source).await?;
    let location = format!("/api/v1/runs/{}", run.number);
    Ok(HttpResponse::Created().insert_header(("Location", location)).json(wire::run(&run)))
}

fn named(call: &Call) -> Result<(ProjectName, JobRef), AppError> {
    let reference = JobRef::parse(&call.part("job")).map_err(|_| AppError::not_found())?;
    Ok((call.name("project")?, reference))
}

fn wrong(field: &str, message: &str) -> AppError {
    wire::fields(vec![FieldError {
        field: field.to_owned(),
        code: format!("bad_{field}"),
        message: message.to_owned(),
    }])
}

fn short(job: &JobView) -> Value {
    let j = &job.stored.job;
    json!({
        "id": job.stored.id, "project": job.project, "group": j.path.group(), "name": j.path.name(), "path": j.path,
        "summary": j.summary(), "description": j.description, "revision": job.stored.revision, "digest": job.stored.digest,
        "approval": j.approval, "enabled": j.enabled, "environment": job.environment, "may_run": job.may_run,
        "node_filter": match &j.dispatch { Dispatch::Nodes(n) => Some(&n.filter), Dispatch::Local => None },
    })
}

fn option(spec: &OptionSpec) -> Value {
    let (kind, values) = match &spec.kind {
        OptionKind::String { .. } => ("string", None),
        OptionKind::Text { .. } => ("text", None),
        OptionKind::Integer { .. } => ("integer", None),
        OptionKind::Number { .. } => ("number", None),
        OptionKind::Boolean => ("boolean", None),
        OptionKind::Enum { values } => ("enum", Some(values)),
        OptionKind::Multi { values, .. } => ("multi", Some(values)),
        OptionKind::Date { .. } => ("date", None),
        OptionKind::DateTime => ("datetime", None),
        OptionKind::Duration { .. } => ("duration", None),
        OptionKind::Node { .. } => ("node", None),
        OptionKind::Secret { .. } => ("secret", None),
        OptionKind::File { .. } => ("file", None),
        OptionKind::Json { .. } => ("json", None),
        OptionKind::Url { .. } => ("url", None),
    };
    json!({
        "name": spec.name, "label": spec.label, "description": spec.description, "type": kind, "required": spec.required,
        "default": spec.default, "pattern": spec.pattern.as_ref().map(|p| p.source()), "values": values,
    })
}
