//! `interlock why`: who may do something, and which line decides.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};
use crate::domain::access::Permission;
use crate::domain::ids::{GroupName, ProjectName};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Who: alice, service:pagerduty
    who: String,
    /// What: run, approve, view …
    permission: String,
    /// On what: job/services/restart-service, node/web1, key/keys/ops/db, project
    resource: String,
    /// The project
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// A group of theirs, beside those that their account has
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
}

pub(super) async fn run(global: &Global, options: Options) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let known: Vec<&str> = Permission::ALL.iter().map(|p| p.as_str()).collect();
    let permission = Permission::parse(&options.permission).ok_or_else(|| {
        Failure::Usage(format!("`{}` is no permission; there are {}", options.permission, known.join(", ")))
    })?;
    let catalogue = app.catalogue().await?;
    let project = match options.project.as_deref() {
        Some(name) => ProjectName::parse(name)?,
        None => match catalogue.projects.keys().collect::<Vec<_>>().as_slice() {
            [one] => (*one).clone(),
            _ => return Err(Failure::Usage("say which project with `--project P`".to_owned())),
        },
    };
    let groups = options.groups.iter().map(|g| GroupName::parse(g)).collect::<Result<BTreeSet<_>, _>>()?;
    let operator = start::operator();
    let explanation =
        app.explain_named(&operator, &options.who, groups, permission, &project, &options.resource).await?;
    match global.format {
        Format::Json => out::json(&json!({ "allowed": explanation.allowed, "steps": explanation.steps })),
        Format::Text => {
            out::line(if explanation.allowed { "yes" } else { "no" });
            explanation.steps.iter().for_each(|step| out::line(&format!("  {step}")));
        }
    }
    if explanation.allowed { Ok(()) } else { Err(Failure::Failed) }
}
