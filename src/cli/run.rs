//! `interlock run JOB -- -option value`: runs a job and follows it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::remote::Remote;
use super::{Done, Failure, Format, Global, out, start};
use crate::app::App;
use crate::app::log::{self, Wanted};
use crate::app::planning::RunRequest;
use crate::app::runs::RunView;
use crate::domain::ids::{JobRef, ProjectName, RunNumber};
use crate::domain::option::{RawValue, RawValues};
use crate::domain::plan::Origin;
use crate::domain::run::State;
use crate::domain::template::options_of;
use crate::engine::Engine;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The job: group/name or id
    job: String,
    /// The project, where several have such a job
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// Only these nodes; may be given more than once
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// Write down what would run, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Ask for the run and leave
    #[arg(long)]
    no_follow: bool,
    /// The options, as -name value
    #[arg(last = true, value_name = "-OPTION VALUE")]
    options: Vec<String>,
}

pub(super) async fn run(global: &Global, options: Options) -> Done {
    if let Some(server) = Remote::of(global)? {
        return on_server(global, &server, &options);
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let actor = start::operator();
    let (project, job) = find(&app, &options.job, options.project.as_deref()).await?;
    let mut values = RawValues::new();
    for (name, value) in options_of(&options.options).map_err(Failure::Usage)? {
        if values.insert(name.clone(), RawValue::Text(value)).is_some() {
            return Err(Failure::Usage(format!("the option `{name}` is given twice")));
        }
    }
    let request = RunRequest {
        project,
        job,
        values,
        reason: options.reason,
        nodes: (!options.nodes.is_empty()).then_some(options.nodes),
        node_filter: None,
        start_at: None,
        origin: Origin::Cli,
        dry_run: options.dry_run,
    };
    let run = app.request_run(&actor, request, "cli").await?;
    out::note(&format!("#{} {}", run.number, run.state));
    if options.no_follow || run.state.is_terminal() {
        return finish(global, &run);
    }
    if run.state == State::PendingApproval {
        out::note("waiting for a signature; Ctrl-C leaves, the request stays");
    }
    let run = follow(&app, run.number).await?;
    finish(global, &run)
}

/// The same over the API: the server carries the run out.
fn on_server(global: &Global, server: &Remote, options: &Options) -> Done {
    let projects = server.get("/projects")?;
    let names = projects.get("items").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|p| p.get("name").and_then(Value::as_str)).collect();
    let project = match (options.project.as_deref(), names.as_slice()) {
        (Some(project), _) => project,
        (None, [one]) => one,
        (None, _) => return Err(Failure::Usage(format!("say which project with `--project P`: {}", names.join(", ")))),
    };
    JobRef::parse(&options.job)?;
    let mut values = serde_json::Map::new();
    for (name, value) in options_of(&options.options).map_err(Failure::Usage)? {
        if values.insert(name.clone(), Value::from(value)).is_some() {
            return Err(Failure::Usage(format!("the option `{name}` is given twice")));
        }
    }
    let nodes = (!options.nodes.is_empty()).then_some(&options.nodes);
    let body = json!({ "options": values, "reason": options.reason, "nodes": nodes, "dry_run": options.dry_run });
    let mut run = server.post(&format!("/projects/{project}/jobs/{}/runs", encoded(&options.job)), &body)?;
    let number = run.get("number").map(Value::to_string).unwrap_or_default();
    let state_of =
        |run: &Value| run.get("state").and_then(Value::as_str).and_then(State::parse).unwrap_or(State::Unknown);
    out::note(&format!("#{number} {}", state_of(&run)));
    if !options.no_follow && !state_of(&run).is_terminal() {
        run = server.follow(&number)?;
    }
    let why = run.get("end_reason").and_then(Value::as_str).unwrap_or_default().to_owned();
    if global.format == Format::Json {
        out::json(
            &json!({ "number": run.get("number"), "state": run.get("state"), "reason": why, "digest": run.get("digest") }),
        );
    } else {
        out::note(format!("#{number} {}: {why}", state_of(&run)).trim_end_matches([':', ' ']));
    }
    outcome(state_of(&run))
}

/// A job's name as part of an address: its slashes stay.
fn encoded(job: &str) -> String {
    job.replace(' ', "%20").replace('+', "%2B")
}

/// The job in its project.
async fn find(app: &App, job: &str, project: Option<&str>) -> Result<(ProjectName, JobRef), Failure> {
    let reference = JobRef::parse(job)?;
    let catalogue = app.catalogue().await?;
    if let Some(project) = project {
        return Ok((ProjectName::parse(project)?, reference));
    }
    let with: Vec<&ProjectName> =
        catalogue.projects.iter().filter(|(_, p)| p.job(&reference).is_some()).map(|(n, _)| n).collect();
    match with.as_slice() {
        [one] => Ok(((*one).clone(), reference)),
        [] => Err(Failure::Usage(format!("no project has a job `{job}`"))),
        several => {
            let names: Vec<&str> = several.iter().map(|p| p.as_str()).collect();
            Err(Failure::Usage(format!(
                "several projects have a job `{job}` ({}); say which with `--project P`",
                names.join(", ")
            )))
        }
    }
}

/// Follows a run to its end, carrying it out here unless a server is faster.
async fn follow(app: &Arc<App>, number: RunNumber) -> Result<RunView, Failure> {
    let actor = start::operator();
    let (executors, ssh) = start::executors(app)?;
    let engine = Engine::new(Arc::clone(app), executors).only(number);
    let mut offset = 0;
    loop {
        engine.step().await?;
        let run = app.run_state(&actor, number).await?;
        offset = print_log(app, number, offset).await?;
        if run.state.is_terminal() {
            engine.settle().await;
            ssh.close().await;
            print_log(app, number, offset).await?;
            return Ok(app.run_state(&actor, number).await?);
        }
        let mut changes = app.live.runs();
        // A server in another process sends no signal here, so it is also looked from time to time.
        let _ = tokio::time::timeout(Duration::from_millis(200), changes.recv()).await;
    }
}

/// Prints what came since; where it ends.
pub(super) async fn print_log(app: &App, number: RunNumber, mut offset: u64) -> Result<u64, Failure> {
    loop {
        let (_, page) =
            app.log(&start::operator(), number, log::From::Offset(offset), 1_000, Wanted::default()).await?;
        for entry in &page.entries {
            let text = String::from_utf8_lossy(&entry.line.bytes);
            match entry.line.stream {
                log::Stream::System => out::note(&format!("{} | {text}", entry.line.node)),
                log::Stream::Stdout | log::Stream::Stderr => out::line(&format!("{} | {text}", entry.line.node)),
            }
        }
        if page.entries.is_empty() {
            return Ok(page.next);
        }
        offset = page.next;
    }
}

fn finish(global: &Global, run: &RunView) -> Done {
    if global.format == Format::Json {
        out::json(&json!({ "number": run.number, "state": run.state, "reason": run.end_reason, "digest": run.digest }));
    } else {
        let why = if run.end_reason.is_empty() { String::new() } else { format!(": {}", run.end_reason) };
        out::note(&format!("#{} {}{why}", run.number, run.state));
    }
    outcome(run.state)
}

/// The exit code of a run.
fn outcome(state: State) -> Done {
    match state {
        State::Failed | State::TimedOut | State::Canceled | State::Rejected | State::Expired | State::Unknown => {
            Err(Failure::Failed)
        }
        _ => Ok(()),
    }
}
