//! `interlock rule …`: trying rules out.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Global, out};
use crate::domain::json::parse_strict;
use crate::spec;

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
        /// The rule's file
        rule: PathBuf,
        /// How far back
        #[arg(long, value_name = "14d", default_value = "14d")]
        since: String,
    },
}

pub(super) fn run(_: &Global, command: Command) -> Done {
    let (rule, event) = match command {
        Command::Test { rule, event } => (rule, event),
        Command::Backtest { rule, since } => {
            crate::domain::time::Seconds::parse(&since)?;
            return Err(Failure::Usage(format!(
                "rules do not act yet in this version, so there is nothing to hold {} against; `interlock rule test {} EVENT.json` holds it against one event",
                rule.display(),
                rule.display()
            )));
        }
    };
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", path.display())))
    };
    let text = String::from_utf8(read(&rule)?)
        .map_err(|_| Failure::Usage(format!("{} is not valid UTF-8", rule.display())))?;
    let authored = spec::read_rule(&text).map_err(|mut mistakes| {
        for one in &mut mistakes {
            one.file = rule.display().to_string();
        }
        Failure::Usage(format!("the rule has mistakes:\n{}", spec::render(&mistakes).trim_end()))
    })?;
    let payload = parse_strict(&read(&event)?)
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
