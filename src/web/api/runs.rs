//! Runs: lists, one, cancel.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::wire;
use crate::app::error::AppResult;
use crate::app::runs::RunFilter;
use crate::domain::ids::{NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::run::State;
use crate::web::call::Call;
use crate::web::error::Answer;

/// `GET /runs?project&job&state&user&node&option.NAME&since&cursor&limit`.
pub async fn list(call: Call) -> Answer {
    let page = call.app.runs(call.actor()?, filter(&call)?).await?;
    let items: Vec<Value> = page.runs.iter().map(wire::run).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": page.next.map(|n| n.to_string()) })))
}

/// Reads the filter of a list of runs from the query.
fn filter(call: &Call) -> AppResult<RunFilter> {
    let mut filter = RunFilter { limit: 50, ..RunFilter::default() };
    for (key, value) in call.query_pairs().into_iter().filter(|(_, v)| !v.is_empty()) {
        let bad = |e: crate::domain::ids::BadId| wire::bad_query(format!("{key}: {e}."));
        match key.as_str() {
            "project" => filter.project = Some(ProjectName::parse(&value).map_err(bad)?),
            "job" => filter.job = Some(value),
            "state" => {
                for word in value.split(',') {
                    let state =
                        State::parse(word).ok_or_else(|| wire::bad_query(format!("`{word}` is no state of a run.")))?;
                    filter.states.push(state);
                }
            }
            "user" => filter.user = Some(value),
            "node" => filter.node = Some(NodeName::parse(&value).map_err(bad)?),
            "since" => {
                let at = chrono::DateTime::parse_from_rfc3339(&value).map_err(|_| {
                    wire::bad_query("`since` has to be a time such as 2026-11-30T02:00:00Z.".to_owned())
                })?;
                filter.since = Some(at.to_utc());
            }
            "cursor" => filter.before = Some(RunNumber::parse(&value).map_err(bad)?),
            "limit" => filter.limit = u32::try_from(wire::number(Some(value), 50, 200)?).unwrap_or(200),
            other => match other.strip_prefix("option.") {
                Some(name) => filter.option = Some((OptionName::parse(name).map_err(bad)?, value)),
                None => return Err(wire::bad_query(format!("There is no filter `{other}`."))),
            },
        }
    }
    Ok(filter)
}

/// `GET /runs/{number}`.
pub async fn show(call: Call) -> Answer {
    let detail = call.app.run(call.actor()?, number(&call)?).await?;
    Ok(HttpResponse::Ok().json(wire::run_detail(&detail)))
}

/// `POST /runs/{number}/cancel`.
pub async fn cancel(call: Call) -> Answer {
    let run = call.app.cancel_run(call.actor()?, number(&call)?, &call.source).await?;
    Ok(HttpResponse::Ok().json(wire::run(&run)))
}

/// The run's number in the path. What is no number cannot exist.
pub(super) fn number(call: &Call) -> AppResult<RunNumber> {
    RunNumber::parse(&call.part("number")).map_err(|_| crate::app::error::AppError::not_found())
}

/// `GET /runs/{number}/document`: the signed document of a run.
pub async fn document(call: Call) -> Answer {
    let number = number(&call)?;
    let signed = call.app.run_document(call.actor()?, number).await?;
    let name = format!("attachment; filename=\"run-{number}.json\"");
    Ok(HttpResponse::Ok().insert_header(("Content-Disposition", name)).json(signed))
}
