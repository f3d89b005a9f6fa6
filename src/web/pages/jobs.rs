//! The list of jobs, by project and group.

use actix_web::http::StatusCode;
use askama::Template;

use super::{freezes, words};
use crate::app::browse::JobSummary;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, render};

struct Group {
    project: String,
    group: String,
    jobs: Vec<Row>,
}

struct Row {
    href: String,
    name: String,
    summary: String,
    needs_approval: bool,
    enabled: bool,
    may_run: bool,
    outcomes: Vec<Outcome>,
    outcomes_words: String,
}

struct Outcome {
    number: i64,
    state: &'static str,
    state_words: &'static str,
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs {
    chrome: Chrome,
    line: String,
    filter: String,
    freezes_html: String,
    groups: Vec<Group>,
    new_in: Vec<String>,
}

/// `GET /jobs`.
pub async fn page(call: Call) -> Answer {
    let jobs = call.app.browse_jobs(call.actor()?).await?;
    let line = words::count(jobs.len(), "job");
    let mut groups: Vec<Group> = Vec::new();
    for job in jobs {
        let (project, group) = (job.project.to_string(), job.path.group().to_owned());
        match groups.last_mut() {
            Some(last) if last.project == project && last.group == group => last.jobs.push(row(job)),
            _ => groups.push(Group { project, group, jobs: vec![row(job)] }),
        }
    }
    let filter = call.query("q").unwrap_or_default();
    let projects = call.app.access_rules(call.actor()?).await?;
    let new_in = projects.iter().filter(|p| p.may_edit).map(|p| p.project.to_string()).collect();
    let freezes_html = freezes::on_now(&call).await?;
    let chrome = chrome::of(&call, "/jobs").await;
    Ok(render(StatusCode::OK, &Jobs { line, filter, freezes_html, groups, new_in, chrome }))
}

fn row(job: JobSummary) -> Row {
    let outcomes: Vec<Outcome> = job
        .outcomes
        .iter()
        .map(|(number, state)| Outcome {
            number: number.get(),
            state: state.as_str(),
            state_words: words::state(*state),
        })
        .collect();
    let said: Vec<&str> = outcomes.iter().map(|o| o.state_words).collect();
    Row {
        href: words::job_href(&job.project, &job.path),
        name: job.path.name().to_owned(),
        summary: job.summary,
        needs_approval: job.needs_approval,
        enabled: job.enabled,
        may_run: job.may_run,
        outcomes_words: format!("last runs, oldest first: {}", said.join(", ")),
        outcomes,
    }
}
