//! The inventory: the state of each node's host key, what ran there last, and a look whether it answers.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::error::AppResult;
use crate::app::reach::Reached;
use crate::app::runs::RunFilter;
use crate::domain::ids::{NodeName, ProjectName};
use crate::domain::node::Transport;
use crate::domain::time::Timestamp;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render};

/// Nodes whose last run is looked up.
const WITH_LAST: usize = 50;

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
    /// Where the button that looks at it leads, for who may press it.
    check: Option<String>,
    /// What the last look came to, when it was the one that led here.
    looked: Option<Looked>,
    /// The last run that touched it.
    last: Option<LastRun>,
}

/// What a look came to: the state's class, a word and a sentence.
struct Looked {
    state: &'static str,
    word: &'static str,
    words: String,
}

struct LastRun {
    number: i64,
    state: &'static str,
    state_words: &'static str,
    job: String,
    at: Moment,
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
    show(&call, None).await
}

/// `POST /nodes/{project}/{node}/check`: looks whether the node answers, and with which host key.
pub async fn check(call: Call) -> Answer {
    let (project, name): (ProjectName, NodeName) = (call.name("project")?, call.name("node")?);
    let reached = call.app.check_node(call.actor()?, &project, &name, &call.source).await?;
    show(&call, Some((project, name, looked(reached)))).await
}

fn looked(reached: Reached) -> Looked {
    match reached {
        Reached::Trusted => Looked {
            state: "succeeded",
            word: "answers",
            words: "It answers with the host key that is trusted.".to_owned(),
        },
        Reached::NotEnrolled(keys) => Looked {
            state: "pending",
            word: "not trusted",
            words: format!("It answers with {}; compare that on the node, then enrol it.", keys.join(", ")),
        },
        Reached::Changed(keys) => Looked {
            state: "failed",
            word: "another key",
            words: format!(
                "It answers with {}, which is not trusted. Somebody may be in between: find out why before you enrol it again.",
                keys.join(", ")
            ),
        },
        Reached::NoAnswer(why) => Looked { state: "failed", word: "no answer", words: why },
    }
}

async fn show(call: &Call, mut checked: Option<(ProjectName, NodeName, Looked)>) -> Answer {
    let actor = call.actor()?;
    let now = call.app.clock().now();
    let found = call.app.nodes(actor, None).await?;
    let missing = found.iter().filter(|n| n.node.transport == Transport::Ssh && n.fingerprints.is_empty()).count();
    let mut line = words::count(found.len(), "node");
    if missing > 0 {
        line.push_str(&format!(", {missing} without a trusted host key"));
    }
    let mut rows = Vec::with_capacity(found.len());
    for view in found {
        let node = &view.node;
        let user = node.user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        let local = node.transport == Transport::Local;
        let this = checked.take_if(|(project, name, _)| *project == view.project && *name == node.name);
        let path = format!("/nodes/{}/{}/check", view.project, words::encoded(node.name.as_str()));
        // A long inventory has a link to what ran there; a short one shows it.
        let last = if rows.len() < WITH_LAST { last_run(call, &view.project, &node.name, now).await? } else { None };
        rows.push(Row {
            name: node.name.to_string(),
            address: format!("{user}{}:{}", node.host, node.port),
            description: node.description.clone(),
            tags: node.tags.iter().cloned().collect(),
            environment: node.environment.as_ref().map(ToString::to_string),
            strict: words::is_strict(&call.app, &view.project, node.environment.as_ref()),
            runs_href: format!("/runs?project={}&node={}", view.project, words::in_query(node.name.as_str())),
            local,
            enrol: format!("interlock node enrol {} --project {}", node.name, view.project),
            check: (view.may_check && !local).then_some(path),
            looked: this.map(|(_, _, looked)| looked),
            last,
            fingerprints: view.fingerprints,
            project: view.project.to_string(),
        });
    }
    Ok(render(StatusCode::OK, &Nodes { line, rows, chrome: chrome::of(call, "/nodes").await }))
}

/// The newest run on the node that the caller may see.
async fn last_run(call: &Call, project: &ProjectName, node: &NodeName, now: Timestamp) -> AppResult<Option<LastRun>> {
    let on_node =
        RunFilter { project: Some(project.clone()), node: Some(node.clone()), limit: 1, ..RunFilter::default() };
    let run = call.app.runs(call.actor()?, on_node).await?.runs.into_iter().next();
    Ok(run.map(|run| LastRun {
        number: run.number.get(),
        state: run.state.as_str(),
        state_words: words::state(run.state),
        job: run.job.to_string(),
        at: Moment::new(run.created_at, now),
    }))
}
