//! The API described for programs, made from the route table so that it names every route and no other.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::routes::{Guard, table};

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
        let operation = json!({
            "operationId": format!("{} {path}", route.method.to_lowercase()),
            "parameters": parameters,
            "security": security,
            "x-permission": permission,
            "responses": {
                "default": { "description": "a problem document (RFC 9457) with a stable `code`",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } },
                "2XX": { "description": "done" },
            },
        });
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
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "code", "detail"],
                    "properties": {
                        "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                        "code": { "type": "string" }, "detail": { "type": "string" },
                        "errors": { "type": "array", "items": { "type": "object", "properties": {
                            "field": { "type": "string" }, "code": { "type": "string" }, "message": { "type": "string" } } } },
                    },
                },
            },
        },
    })
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
