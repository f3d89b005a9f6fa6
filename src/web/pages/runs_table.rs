//! The table of runs that several pages show.

use askama::Template;

use super::words;
use crate::app::runs::RunView;
use crate::domain::time::Timestamp;
use crate::web::page::{Moment, fragment};

struct Row {
    number: i64,
    state: &'static str,
    state_words: &'static str,
    job_href: String,
    job: String,
    by: String,
    reason: String,
    at: Moment,
    took: String,
}

#[derive(Template)]
#[template(path = "parts/runs_table.html")]
struct RunsTable {
    runs: Vec<Row>,
    full: bool,
}

/// The table as HTML; `full` adds reason and duration.
pub fn html(runs: &[RunView], full: bool, now: Timestamp) -> String {
    let runs = runs.iter().map(|run| row(run, now)).collect();
    fragment(&RunsTable { runs, full })
}

fn row(run: &RunView, now: Timestamp) -> Row {
    Row {
        number: run.number.get(),
        state: run.state.as_str(),
        state_words: words::state(run.state),
        job_href: words::job_href(&run.project, &run.job),
        job: run.job.to_string(),
        by: words::who(&run.requester),
        reason: run.reason.chars().take(160).collect(),
        at: Moment::new(run.created_at, now),
        took: run.started_at.map_or_else(String::new, |from| words::took(from, run.ended_at.unwrap_or(now))),
    }
}
