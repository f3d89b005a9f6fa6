//! The API described for programs, made from the route table so that it names every route and no other.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::routes::{Guard, Route, table};

use super::operations::{self, Body, Operation};
use super::schemas::{self, reference};

/// `GET /api/v1/openapi.json`.
pub async fn document(_: Call) -> Answer {
    Ok(HttpResponse::Ok().json(build()))
}

fn build() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table().filter(|r| r.path.starts_with("/api/") || r.path.starts_with("/hooks/")) {
        let (path, parameters) = open_path(route.path);
        let security = match route.guard {
            Guard::Public | Guard::OwnProof => json!([]),
            Guard::SignedIn | Guard::Needs(..) | Guard::System(_) => json!([{ "bearer": [] }, { "session": [] }]),
        };
        let permission = match route.guard {
            Guard::Needs(permission, _) | Guard::System(permission) => Some(permission.as_str()),
            Guard::Public | Guard::OwnProof | Guard::SignedIn => None,
        };
        let mut operation = json!({
            "parameters": parameters,
            "security": security,
            "x-permission": permission,
            "responses": {
                "default": { "description": "a problem document (RFC 9457) with a stable `code`",
                    "content": { "application/problem+json": { "schema": reference("Problem") } } },
            },
        });
        if let Some(described) = operations::of(route.method, route.path) {
            describe(&mut operation, described, route);
        }
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(object) = entry.as_object_mut() {
            object.insert(route.method.to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Interlock", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": "interlock-session" },
            },
            "schemas": schemas::all(),
        },
    })
}

/// Adds what an operation takes and answers.
fn describe(operation: &mut Value, described: Operation, route: &Route) {
    let Some(object) = operation.as_object_mut() else { return };
    object.insert("operationId".to_owned(), json!(described.id));
    object.insert("summary".to_owned(), json!(described.summary));
    if let Some(parameters) = object.get_mut("parameters").and_then(Value::as_array_mut) {
        let query = described.query.iter().map(|(name, description)| {
            json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } })
        });
        parameters.extend(query);
        if route.method == "POST" && route.guard != Guard::OwnProof {
            parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" },
                "description": "the same key makes a request that is sent twice happen once" }));
        }
    }
    if let Some(Body(media, schema)) = described.request {
        let body = json!({ "required": true, "content": { media: { "schema": reference(schema) } } });
        object.insert("requestBody".to_owned(), body);
    }
    let (status, schema) = described.answer;
    let mut answer = json!({ "description": "done" });
    if let (Some(schema), Some(answer)) = (schema, answer.as_object_mut()) {
        answer.insert("content".to_owned(), json!({ "application/json": { "schema": reference(schema) } }));
    }
    if let Some(responses) = object.get_mut("responses").and_then(Value::as_object_mut) {
        responses.insert(status.to_string(), answer);
    }
}

/// A path in OpenAPI's form, with its parameters.
fn open_path(path: &str) -> (String, Vec<Value>) {
    let mut parameters = Vec::new();
    let parts: Vec<String> = path
        .split('/')
        .map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(inner) => {
                let name = inner.split(':').next().unwrap_or(inner);
                parameters
                    .push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
                format!("{{{name}}}")
            }
            None => part.to_owned(),
        })
        .collect();
    (parts.join("/"), parameters)
}
