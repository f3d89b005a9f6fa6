//! `interlock apply DIR`: shows what would change, then makes it so.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Done, Failure, Format, Global, folder, out, start};
use crate::app::App;
use crate::app::definitions::{ChangeAction, DefinitionChange};
use crate::app::error::AppError;
use crate::domain::access::Actor;
use crate::spec;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// A project's folder, or a folder of projects
    dir: PathBuf,
    /// Only show what would change
    #[arg(long)]
    plan: bool,
    /// Why, for the history
    #[arg(long, short, default_value = "")]
    message: String,
}

pub(super) async fn run(global: &Global, options: Options) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let folders = folder::read(&options.dir)?;
    let mut plans = Vec::new();
    for one in &folders {
        plans.push(apply(&app, &start::operator(), one, options.plan, &options.message).await?);
    }
    if global.format == Format::Json {
        let shown: Vec<_> = folders
            .iter()
            .zip(&plans)
            .map(|(folder, plan)| {
                let changes: Vec<_> = plan
                    .iter()
                    .map(|c| json!({ "kind": c.kind.as_str(), "name": c.name, "action": c.action.as_str(), "diff": c.diff, "warning": c.warning }))
                    .collect();
                json!({ "project": folder.project, "applied": !options.plan, "changes": changes })
            })
            .collect();
        out::json(&json!({ "projects": shown }));
    } else {
        for (folder, plan) in folders.iter().zip(&plans) {
            print(folder, plan, options.plan);
        }
    }
    Ok(())
}

/// Applies one folder; its plan.
pub(super) async fn apply(
    app: &App,
    actor: &Actor,
    one: &folder::Folder,
    only_plan: bool,
    message: &str,
) -> Result<Vec<DefinitionChange>, Failure> {
    let (_, diagnostics) = spec::check_folder(&one.project, &one.files);
    for warning in diagnostics.iter().filter(|d| !d.is_error()) {
        out::note(spec::render(std::slice::from_ref(warning)).trim_end());
    }
    let outcome = if only_plan {
        app.plan_apply(actor, &one.project, &one.files).await
    } else {
        app.apply(actor, &one.project, &one.files, message, "cli").await
    };
    match outcome {
        Err(AppError::Refused(refusal)) if refusal.code == "invalid_definitions" => {
            out::note(spec::render(&diagnostics).trim_end());
            out::error(&format!("{} Run `interlock check {}` to see this again.", refusal.message, one.path.display()));
            Err(Failure::Failed)
        }
        other => Ok(other?),
    }
}

fn print(folder: &folder::Folder, plan: &[DefinitionChange], only_plan: bool) {
    out::line(&format!("project {}", folder.project));
    for change in plan.iter().filter(|c| c.action != ChangeAction::Unchanged) {
        out::line(&format!("  {} {} {}", change.action.as_str(), change.kind.as_str(), change.name));
        for line in change.diff.lines().filter(|_| change.action == ChangeAction::Update) {
            out::line(&format!("    {line}"));
        }
        if let Some(warning) = &change.warning {
            out::warn(warning);
        }
    }
    let count = |action| plan.iter().filter(|c| c.action == action).count();
    out::line(&format!(
        "  {} to create, {} to update, {} to delete, {} unchanged{}",
        count(ChangeAction::Create),
        count(ChangeAction::Update),
        count(ChangeAction::Delete),
        count(ChangeAction::Unchanged),
        if only_plan { "; nothing was changed" } else { "; done" },
    ));
}
