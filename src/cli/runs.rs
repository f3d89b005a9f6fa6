//! `interlock runs`, `log`, `cancel`.

use clap::Args;
use serde_json::{Value, json};

use super::remote::Remote;
use super::{Done, Failure, Format, Global, out, run, start};
use crate::app::runs::RunFilter;
use crate::domain::ids::{ProjectName, RunNumber};
use crate::domain::run::State;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Of this project
    #[arg(long)]
    project: Option<String>,
    /// Of this job
    #[arg(long)]
    job: Option<String>,
    /// In this state
    #[arg(long)]
    state: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct LogOptions {
    /// The run's number
    number: String,
}

#[derive(Debug, Args)]
pub(super) struct CancelOptions {
    /// The run's number
    number: String,
}

pub(super) async fn list(global: &Global, options: Options) -> Done {
    let states = match options.state.as_deref() {
        None => Vec::new(),
        Some(word) => vec![State::parse(word).ok_or_else(|| Failure::Usage(format!("`{word}` is no state of a run")))?],
    };
    let project = options.project.as_deref().map(ProjectName::parse).transpose()?;
    if let Some(server) = Remote::of(global)? {
        return list_on_server(global, &server, &options);
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let filter = RunFilter { project, job: options.job, states, limit: options.limit, ..RunFilter::default() };
    let page = app.runs(&start::operator(), filter).await?;
    if global.format == Format::Json {
        let items: Vec<_> = page
            .runs
            .iter()
            .map(|r| json!({ "number": r.number, "project": r.project, "job": r.job, "state": r.state, "requester": r.requester, "created_at": r.created_at, "reason": r.reason }))
            .collect();
        out::json(&json!({ "items": items, "next": page.next }));
    } else {
        for r in page.runs {
            let at = r.created_at.format("%Y-%m-%d %H:%M:%SZ");
            out::line(&format!(
                "#{}\t{}\t{}/{}\t{}\t{at}\t{}",
                r.number, r.state, r.project, r.job, r.requester, r.reason
            ));
        }
    }
    Ok(())
}

fn list_on_server(global: &Global, server: &Remote, options: &Options) -> Done {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &options.limit.to_string());
    for (name, value) in [("project", &options.project), ("job", &options.job), ("state", &options.state)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let page = server.get(&format!("/runs?{}", query.finish()))?;
    if global.format == Format::Json {
        out::json(&page);
        return Ok(());
    }
    for run in page.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |field: &str| {
            run.get(field).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default()
        };
        let (number, state, project, job) = (text("number"), text("state"), text("project"), text("job"));
        out::line(&format!(
            "#{number}\t{state}\t{project}/{job}\t{}\t{}\t{}",
            text("requester"),
            text("created_at"),
            text("reason")
        ));
    }
    Ok(())
}

pub(super) async fn log(global: &Global, options: LogOptions) -> Done {
    if let Some(server) = Remote::of(global)? {
        let number = RunNumber::parse(&options.number)?;
        return server.print_log(global, &number.to_string(), 0, true).map(|_| ());
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    run::print_log(global, &app, RunNumber::parse(&options.number)?, 0, true).await.map(|_| ())
}

pub(super) async fn cancel(global: &Global, options: CancelOptions) -> Done {
    if let Some(server) = Remote::of(global)? {
        let number = RunNumber::parse(&options.number)?;
        let run = server.post(&format!("/runs/{number}/cancel"), &json!({}))?;
        let state = run.get("state").and_then(Value::as_str).unwrap_or_default();
        out::done(global, &format!("#{number} {state}"), &json!({ "number": number, "state": state }));
        return Ok(());
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let run = app.cancel_run(&start::operator(), RunNumber::parse(&options.number)?, "cli").await?;
    let document = json!({ "number": run.number, "state": run.state });
    out::done(global, &format!("#{} {}", run.number, run.state), &document);
    Ok(())
}
