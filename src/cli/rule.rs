//! `interlock rule …`: trying rules out.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::remote::Remote;
use super::{Done, Failure, Format, Global, out, start};
use crate::app::App;
use crate::app::rules::AskedBacktest;
use crate::domain::ids::ProjectName;
use crate::domain::json::parse_strict;
use crate::domain::rule::Rule;
use crate::domain::time::Seconds;
use crate::spec;
use crate::web::api::backtests::backtest as as_json;

/// How often it is looked how far a backtest is.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Hold a rule's criteria against an event: exit code 0 matched, 1 not, 2 bad rule
    Test {
        /// The rule's file
        rule: PathBuf,
        /// The trigger's payload, JSON
        event: PathBuf,
    },
    /// Hold a rule against stored events
    Backtest {
        /// The rule's file; it need not be saved
        rule: PathBuf,
        /// How far back
        #[arg(long, value_name = "14d", default_value = "14d")]
        since: String,
        /// The project
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
}

pub(super) fn run(global: &Global, command: Command) -> Done {
    match command {
        Command::Test { rule, event } => test(&rule, &event),
        Command::Backtest { rule, since, project } => {
            let since = Seconds::parse(&since)?;
            start::block_on(backtest(global, &rule, since, project))
        }
    }
}

/// Who carries a backtest out.
enum Where {
    Server(Remote),
    Here(Arc<App>),
}

impl Where {
    /// How it stands.
    async fn look(&self, id: &str) -> Result<Value, Failure> {
        match self {
            Self::Server(server) => server.get(&format!("/backtests/{id}")),
            Self::Here(app) => Ok(as_json(&app.backtest(&start::operator(), id).await?)),
        }
    }

    async fn stop(&self, id: &str) -> Result<Value, Failure> {
        match self {
            Self::Server(server) => server.post(&format!("/backtests/{id}/cancel"), &json!({})),
            Self::Here(app) => Ok(as_json(&app.cancel_backtest(&start::operator(), id).await?)),
        }
    }
}

/// Holds a rule's text against stored events, beside what the stored rule of its name made of them.
async fn backtest(global: &Global, rule: &Path, since: Seconds, project: Option<String>) -> Done {
    let text =
        std::fs::read_to_string(rule).map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", rule.display())))?;
    let name = read_rule(rule, &text)?.name;
    let (place, begun) = match Remote::of(global)? {
        Some(server) => {
            let project = project.ok_or_else(|| Failure::Usage("say which project with `--project P`".to_owned()))?;
            let body = json!({ "since": format!("{}s", since.get()), "rule": text });
            let begun = server.post(&format!("/rules/{project}/{name}/backtest"), &body)?;
            (Where::Server(server), begun)
        }
        None => {
            let app = start::app(global, "http://127.0.0.1:4440").await?;
            let catalogue = app.catalogue().await?;
            let project = match project.as_deref() {
                Some(name) => ProjectName::parse(name)?,
                None => match catalogue.projects.keys().collect::<Vec<_>>().as_slice() {
                    [one] => (*one).clone(),
                    _ => return Err(Failure::Usage("say which project with `--project P`".to_owned())),
                },
            };
            let now = app.clock().now();
            let (from, until) = (now - since.to_delta(), now + chrono::TimeDelta::seconds(1));
            let asked = AskedBacktest { text: Some(text), revision: None, since: from, until };
            let view = app.ask_backtest(&start::operator(), &project, Some(&name), asked, LOOK).await?;
            (Where::Here(app), as_json(&view))
        }
    };
    let ended = follow(&place, begun).await?;
    match (global.format, text_of(&ended, "state")) {
        (Format::Json, _) => out::json(&ended),
        (Format::Text, "done") => print_report(&ended),
        (Format::Text, "canceled") => out::note("It was stopped before the end, so there is no result."),
        (Format::Text, _) => out::error(text_of(&ended, "error")),
    }
    if text_of(&ended, "state") == "done" { Ok(()) } else { Err(Failure::Failed) }
}

/// Waits for the end and says how far it is; Ctrl-C stops it.
async fn follow(place: &Where, mut now: Value) -> Result<Value, Failure> {
    let id = text_of(&now, "id").to_owned();
    let tells = std::io::stderr().is_terminal();
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    while matches!(text_of(&now, "state"), "waiting" | "running") {
        if tells {
            let number = |key: &str| now.get(key).and_then(Value::as_u64).unwrap_or_default();
            out::note(&format!("{} of {} events are looked at", number("looked_at"), number("total")));
        }
        // Somebody else may carry it out, so it is looked at from time to time.
        now = tokio::select! {
            () = tokio::time::sleep(LOOK) => place.look(&id).await?,
            _ = &mut stop => return place.stop(&id).await,
        };
    }
    Ok(now)
}

fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn print_report(report: &Value) {
    let number = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or_default();
    out::line(&format!(
        "{} events, {} match, it acts on {} and is held back on {}; {} as then, {} new, {} fall away",
        number("events"),
        number("matched"),
        number("acts"),
        number("held"),
        number("also_then"),
        number("only_now"),
        number("only_then")
    ));
    for row in report.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("-");
        let line = format!(
            "{}  {}  now {}, then {}  {}",
            text("time"),
            text("event"),
            text("now"),
            text("then"),
            text("detail")
        );
        out::line(line.trim_end());
    }
}

fn read_rule(file: &Path, text: &str) -> Result<Rule, Failure> {
    spec::read_rule(text).map_err(|mut mistakes| {
        for one in &mut mistakes {
            one.file = file.display().to_string();
        }
        Failure::Usage(format!("the rule has mistakes:\n{}", spec::render(&mistakes).trim_end()))
    })
}

fn test(rule: &Path, event: &Path) -> Done {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", path.display())))
    };
    let text =
        String::from_utf8(read(rule)?).map_err(|_| Failure::Usage(format!("{} is not valid UTF-8", rule.display())))?;
    let authored = read_rule(rule, &text)?;
    let payload = parse_strict(&read(event)?)
        .map_err(|e| Failure::Usage(format!("{} is not the JSON that it should be: {e}", event.display())))?;
    let now = crate::app::clock::Clock::System.now();
    let evaluation = authored.conditions.evaluate(&json!({ "trigger": payload }), now);
    let criteria: Vec<_> = evaluation
        .criteria
        .iter()
        .map(|c| {
            let mut one = json!({ "path": c.result.path, "operator": c.result.operator, "value": c.result.value, "pattern": c.result.pattern, "matched": c.result.matched, "reason": c.result.reason });
            if let (false, Some(one)) = (c.group.is_empty(), one.as_object_mut()) {
                one.insert("group".to_owned(), json!(c.group));
            }
            one
        })
        .collect();
    out::json(&json!({ "matched": evaluation.matched, "criteria": criteria }));
    if evaluation.matched { Ok(()) } else { Err(Failure::Failed) }
}
