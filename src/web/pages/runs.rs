//! The list of runs. Its filters live in the address, so a list can be sent to somebody.

use actix_web::http::StatusCode;
use askama::Template;

use super::{runs_table, words};
use crate::app::runs::RunFilter;
use crate::domain::ids::{NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::run::State;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

struct Filters {
    job: String,
    user: String,
    node: String,
    any: bool,
}

struct StateChoice {
    value: &'static str,
    label: &'static str,
    on: bool,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    chrome: Chrome,
    line: String,
    f: Filters,
    states: Vec<StateChoice>,
    table: Option<String>,
    older: Option<String>,
}

/// `GET /runs`.
pub async fn page(call: Call) -> Answer {
    let text = |name: &str| call.query(name).unwrap_or_default();
    let (job, user, node, state) = (text("job"), text("user"), text("node"), text("state"));
    let state = State::parse(&state);
    let option = call.query_pairs().into_iter().find_map(|(key, value)| {
        let name = key.strip_prefix("option.")?;
        OptionName::parse(name).ok().map(|name| (name, value))
    });
    let wanted = RunFilter {
        project: call.query("project").and_then(|p| ProjectName::parse(&p).ok()),
        job: Some(job.trim().to_owned()).filter(|j| !j.is_empty()),
        states: state.into_iter().collect(),
        user: Some(user.trim().to_owned()).filter(|u| !u.is_empty()),
        node: NodeName::parse(node.trim()).ok(),
        option: option.clone(),
        since: None,
        ended_since: None,
        before: call.query("before").and_then(|n| RunNumber::parse(&n).ok()),
        limit: 50,
    };
    // A node that cannot be one's name matches nothing, rather than everything.
    let impossible = !node.trim().is_empty() && wanted.node.is_none();
    let found = if impossible { None } else { Some(call.app.runs(call.actor()?, wanted).await?) };
    let (runs, next) = found.map(|p| (p.runs, p.next)).unwrap_or_default();
    let any = [&job, &user, &node].iter().any(|f| !f.is_empty()) || state.is_some() || option.is_some();
    let line = match &option {
        Some((name, value)) => format!("With {name} = {value}."),
        None => "Newest first.".to_owned(),
    };
    let page = Runs {
        line,
        table: if runs.is_empty() { None } else { Some(runs_table::html(&runs, true, call.app.clock().now())) },
        older: next.map(|before| older(&call, before)),
        states: State::ALL
            .into_iter()
            .map(|s| StateChoice { value: s.as_str(), label: words::state(s), on: state == Some(s) })
            .collect(),
        f: Filters { job, user, node, any },
        chrome: chrome::of(&call, "/runs").await,
    };
    Ok(render(StatusCode::OK, &page))
}

fn older(call: &Call, before: RunNumber) -> String {
    let kept = call.query_pairs().into_iter().filter(|(key, value)| key != "before" && !value.is_empty());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept);
    query.append_pair("before", &before.to_string());
    format!("/runs?{}", query.finish())
}
