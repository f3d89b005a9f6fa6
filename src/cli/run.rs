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
    let run = follow(global, &app, run.number).await?;
    finish(global, &run)
}

/// The same over the API: the server carries the run out.
fn on_server(global: &Global, server: &Remote, options: &Options) -> Done {
    JobRef::parse(&options.job)?;
    let project = find_on_server(server, &options.job, options.project.as_deref())?;
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
        run = server.follow(global, &number)?;
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

/// The project that has the job, as far as the token shows.
fn find_on_server(server: &Remote, job: &str, project: Option<&str>) -> Result<String, Failure> {
    let names: Vec<String> = match project {
        Some(project) => vec![ProjectName::parse(project)?.to_string()],
        None => {
            let projects = server.get("/projects")?;
            let names = projects.get("items").and_then(Value::as_array).into_iter().flatten();
            names.filter_map(|p| p.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
        }
    };
    let mut with = Vec::new();
    for name in names {
        match server.get(&format!("/projects/{name}/jobs/{}", encoded(job))) {
            Ok(_) => with.push(name),
            Err(Failure::Refused(refused)) if refused.refusal().is_some_and(|r| r.code == "not_found") => {}
            Err(other) => return Err(other),
        }
    }
    one_of(job, project, with)
}

/// The one project of several that has a job.
fn one_of(job: &str, asked: Option<&str>, mut with: Vec<String>) -> Result<String, Failure> {
    match (with.pop(), with.is_empty(), asked) {
        (Some(one), true, _) => Ok(one),
        (Some(last), false, _) => {
            with.push(last);
            let names = with.join(", ");
            Err(Failure::Usage(format!("several projects have a job `{job}` ({names}); say which with `--project P`")))
        }
        (None, _, Some(project)) => Err(Failure::Usage(format!("the project {project} has no job `{job}`"))),
        (None, _, None) => Err(Failure::Usage(format!("no project has a job `{job}`"))),
    }
}

/// A job's name as part of an address: its slashes stay.
fn encoded(job: &str) -> String {
    job.replace(' ', "%20").replace('+', "%2B")
}

/// The job in its project.
async fn find(app: &App, job: &str, project: Option<&str>) -> Result<(ProjectName, JobRef), Failure> {
    let reference = JobRef::parse(job)?;
    let catalogue = app.catalogue().await?;
    let asked = project.map(ProjectName::parse).transpose()?;
    let with = catalogue
        .projects
        .iter()
        .filter(|(name, _)| asked.as_ref().is_none_or(|a| a == *name))
        .filter(|(_, p)| p.job(&reference).is_some())
        .map(|(name, _)| name.to_string());
    Ok((ProjectName::parse(&one_of(job, project, with.collect())?)?, reference))
}

/// Follows a run to its end, carrying it out here unless a server is faster.
async fn follow(global: &Global, app: &Arc<App>, number: RunNumber) -> Result<RunView, Failure> {
    let actor = start::operator();
    let (executors, ssh) = start::executors(app, global.ssh.key_exchange())?;
    let engine = Engine::new(Arc::clone(app), executors).only(number);
    let mut offset = 0;
    loop {
        engine.step().await?;
        let run = app.run_state(&actor, number).await?;
        offset = print_log(global, app, number, offset, false).await?;
        if run.state.is_terminal() {
            engine.settle().await;
            ssh.close().await;
            print_log(global, app, number, offset, false).await?;
            return Ok(app.run_state(&actor, number).await?);
        }
        let mut changes = app.live.runs();
        // A server in another process sends no signal here, so it is also looked from time to time.
        let _ = tokio::time::timeout(Duration::from_millis(200), changes.recv()).await;
    }
}

/// Prints what came since; where it ends. Whole entries are documents when documents are asked for; beside another result
/// the output goes to standard error then.
pub(super) async fn print_log(
    global: &Global,
    app: &App,
    number: RunNumber,
    mut offset: u64,
    entries: bool,
) -> Result<u64, Failure> {
    loop {
        let (_, page) =
            app.log(&start::operator(), number, log::From::Offset(offset), 1_000, Wanted::default()).await?;
        for entry in &page.entries {
            let line = LogLine {
                offset: entry.offset,
                time: json!(entry.line.at),
                node: entry.line.node.to_string(),
                step: entry.line.step.to_string(),
                stream: entry.line.stream.as_str().to_owned(),
                text: String::from_utf8_lossy(&entry.line.bytes).into_owned(),
            };
            line.print(global, entries);
        }
        if page.entries.is_empty() {
            return Ok(page.next);
        }
        offset = page.next;
    }
}

/// A line of output, from here or from a server.
pub(super) struct LogLine {
    pub(super) offset: u64,
    pub(super) time: Value,
    pub(super) node: String,
    pub(super) step: String,
    pub(super) stream: String,
    pub(super) text: String,
}

impl LogLine {
    /// Prints it: `entries` says that the log is the result itself.
    pub(super) fn print(&self, global: &Global, entries: bool) {
        let text = format!("{} | {}", self.node, self.text);
        match global.format {
            Format::Json if entries => {
                let document = json!({
                    "offset": self.offset, "time": self.time, "node": self.node, "step": self.step,
                    "stream": self.stream, "text": self.text,
                });
                out::line(&document.to_string());
            }
            Format::Text if self.stream != "system" => out::line(&text),
            Format::Json | Format::Text => out::note(&text),
        }
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
