//! What the palette finds: jobs by name, runs by number. Only what the caller may see.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::browse::JobSummary;
use crate::app::error::{AppError, AppResult};
use crate::domain::ids::RunNumber;
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::page::render;

/// As many as a phone shows above its keyboard.
const MOST: usize = 8;

struct Found {
    href: String,
    name: String,
    about: String,
}

#[derive(Template)]
#[template(path = "parts/found.html")]
struct Findings {
    /// What was asked, so that an answer that comes late is known as such.
    asked: String,
    found: Vec<Found>,
}

/// `GET /find?q=…`, a part of the page.
pub async fn part(call: Call) -> Answer {
    let asked = call.query("q").unwrap_or_default();
    let mut found: Vec<Found> = run(&call, &asked).await?.into_iter().collect();
    let jobs = call.app.browse_jobs(call.actor()?).await?;
    found.extend(matching(&jobs, &asked).into_iter().map(job));
    found.truncate(MOST);
    Ok(render(StatusCode::OK, &Findings { asked, found }))
}

/// The run of a number, with or without `#`.
async fn run(call: &Call, asked: &str) -> AppResult<Option<Found>> {
    let Ok(number) = RunNumber::parse(asked.trim().trim_start_matches('#')) else { return Ok(None) };
    match call.app.run(call.actor()?, number).await {
        Ok(detail) => Ok(Some(Found {
            href: format!("/runs/{number}"),
            name: format!("#{number} {}", detail.run.job.name()),
            about: words::state(detail.run.state).to_owned(),
        })),
        Err(AppError::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn job(job: &JobSummary) -> Found {
    let group = Some(job.path.group()).filter(|g| !g.is_empty()).map(|g| format!(" / {g}")).unwrap_or_default();
    Found {
        href: words::job_href(&job.project, &job.path),
        name: job.path.name().to_owned(),
        about: format!("{}{group}", job.project),
    }
}

/// The jobs that have every word in project, group or name; those whose own name begins with what was asked come first.
fn matching<'j>(jobs: &'j [JobSummary], asked: &str) -> Vec<&'j JobSummary> {
    let asked = asked.trim().to_lowercase();
    let whole = |job: &JobSummary| format!("{} {}", job.project, job.path).to_lowercase();
    let mut found: Vec<&JobSummary> =
        jobs.iter().filter(|job| asked.split_whitespace().all(|word| whole(job).contains(word))).collect();
    found.sort_by_key(|job| !job.path.name().to_lowercase().starts_with(&asked));
    found
}
