//! The inventory with the state of each node's host key.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::domain::node::Transport;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

struct Row {
    project: String,
    name: String,
    address: String,
    description: String,
    tags: Vec<String>,
    environment: Option<String>,
    strict: bool,
    runs_href: String,
    local: bool,
    fingerprints: Vec<String>,
    enrol: String,
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct Nodes {
    chrome: Chrome,
    line: String,
    rows: Vec<Row>,
}

/// `GET /nodes`.
pub async fn page(call: Call) -> Answer {
    let found = call.app.nodes(call.actor()?, None).await?;
    let missing = found.iter().filter(|n| n.node.transport == Transport::Ssh && n.fingerprints.is_empty()).count();
    let mut line = words::count(found.len(), "node");
    if missing > 0 {
        line.push_str(&format!(", {missing} without a trusted host key"));
    }
    let row = |view: crate::app::nodes::NodeView| {
        let node = &view.node;
        let user = node.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        Row {
            name: node.name.to_string(),
            address: format!("{user}{}:{}", node.host, node.port),
            description: node.description.clone(),
            tags: node.tags.iter().cloned().collect(),
            environment: node.environment.as_ref().map(ToString::to_string),
            strict: words::is_strict(&call.app, &view.project, node.environment.as_ref()),
            runs_href: format!("/runs?node={}", words::in_query(node.name.as_str())),
            local: node.transport == Transport::Local,
            enrol: format!("interlock node enrol {} --project {}", node.name, view.project),
            fingerprints: view.fingerprints,
            project: view.project.to_string(),
        }
    };
    let rows = found.into_iter().map(row).collect();
    Ok(render(StatusCode::OK, &Nodes { line, rows, chrome: chrome::of(&call, "/nodes").await }))
}
