//! The list of runs. Its filters live in the address, so a list can be sent to somebody.

use actix_web::http::StatusCode;
use askama::Template;

use super::choice::{Choice, TIMES, choices};
use super::{runs_table, words};
use crate::app::runs::RunFilter;
use crate::domain::ids::{NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::run::State;
use crate::web::address;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

struct Filters {
    job: String,
    user: String,
    node: String,
    option: String,
    any: bool,
    /// Whether one of those is set that are used less often.
    more: bool,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    chrome: Chrome,
    line: String,
    f: Filters,
    states: Vec<Choice>,
    projects: Vec<Choice>,
    times: Vec<Choice>,
    origins: Vec<Choice>,
    table: Option<String>,
    older: Option<String>,
}

/// Ways in which a run is asked for.
const ORIGINS: [(&str, &str); 7] = [
    ("button", "button"),
    ("api", "API"),
    ("cli", "command line"),
    ("chat", "chat"),
    ("webhook", "webhook"),
    ("rule", "rule"),
    ("schedule", "schedule"),
];

/// `GET /runs`.
pub async fn page(call: Call) -> Answer {
    let text = |name: &str| call.query(name).map(|t| t.trim().to_owned()).unwrap_or_default();
    let (job, user, node, project) = (text("job"), text("user"), text("node"), text("project"));
    let (since, origin) = (text("since"), text("origin"));
    let now = call.app.clock().now();
    let state = State::parse(&text("state"));
    let option = option_of(&call);
    let wanted = RunFilter {
        project: ProjectName::parse(&project).ok(),
        job: Some(job.clone()).filter(|j| !j.is_empty()),
        states: state.into_iter().collect(),
        user: Some(user.clone()).filter(|u| !u.is_empty()),
        node: NodeName::parse(&node).ok(),
        option: option.as_ref().and_then(|(name, value)| Some((OptionName::parse(name).ok()?, value.clone()))),
        origin: Some(origin.clone()).filter(|o| !o.is_empty()),
        since: address::moment(&since, now),
        ended_since: None,
        before: call.query("before").and_then(|n| RunNumber::parse(&n).ok()),
        limit: 50,
    };
    // What cannot be a name or a time matches nothing, rather than everything.
    let impossible = (!node.is_empty() && wanted.node.is_none())
        || (!project.is_empty() && wanted.project.is_none())
        || (!since.is_empty() && wanted.since.is_none())
        || (option.is_some() && wanted.option.is_none());
    let found = if impossible { None } else { Some(call.app.runs(call.actor()?, wanted).await?) };
    let (runs, next) = found.map(|p| (p.runs, p.next)).unwrap_or_default();
    let more = [&project, &since, &origin].iter().any(|f| !f.is_empty()) || option.is_some();
    let any = more || [&job, &user, &node].iter().any(|f| !f.is_empty()) || state.is_some();
    let line = match &option {
        Some((name, value)) => format!("With {name} = {value}."),
        None => "Newest first.".to_owned(),
    };
    let known: Vec<String> = call.app.projects(call.actor()?).await?.iter().map(ToString::to_string).collect();
    let page = Runs {
        line,
        table: if runs.is_empty() { None } else { Some(runs_table::html(&runs, true, now)) },
        older: next.map(|before| address::other(&call, "/runs", &["before"], &[("before", &before.to_string())])),
        states: choices(
            State::ALL.iter().map(|s| (s.as_str(), words::state(*s))),
            state.map(State::as_str).unwrap_or_default(),
        ),
        projects: choices(known.iter().map(|p| (p.as_str(), p.as_str())), &project),
        times: choices(TIMES, &since),
        origins: choices(ORIGINS, &origin),
        f: Filters {
            job,
            user,
            node,
            option: option.map(|(name, value)| format!("{name}={value}")).unwrap_or_default(),
            any,
            more,
        },
        chrome: chrome::of(&call, "/runs").await,
    };
    Ok(render(StatusCode::OK, &page))
}

/// An option's value: `option=NAME=VALUE` as the form sends it, or `option.NAME=VALUE` as the API has it.
fn option_of(call: &Call) -> Option<(String, String)> {
    call.query_pairs().into_iter().filter(|(_, value)| !value.trim().is_empty()).find_map(|(key, value)| {
        if let Some(name) = key.strip_prefix("option.") {
            return Some((name.to_owned(), value));
        }
        let (name, value) = (key == "option").then(|| value.split_once('=').unwrap_or((&value, "")))?;
        Some((name.trim().to_owned(), value.to_owned()))
    })
}
