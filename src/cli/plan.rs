//! `interlock plan export` and `verify`: the frozen plan of a run, and its digest computed again without a server.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::remote::Remote;
use super::{Done, Failure, Format, Global, out, start};
use crate::domain::digest::Digest;
use crate::domain::ids::RunNumber;
use crate::domain::plan::Plan;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the frozen plan of a run with its digest
    Export {
        /// The run's number
        number: String,
    },
    /// Compute the digest of an exported plan again; needs no server and no data folder
    Verify {
        /// The file that `export` printed
        file: PathBuf,
        /// The digest that it has to have, as the page or a signer shows it
        #[arg(long)]
        digest: Option<String>,
    },
}

pub(super) async fn export(global: &Global, number: &str) -> Done {
    let number = RunNumber::parse(number)?;
    let (plan, digest) = match Remote::of(global)? {
        Some(server) => {
            let run = server.get(&format!("/runs/{number}"))?;
            let part = |name: &str| run.get(name).cloned().unwrap_or_default();
            (part("plan"), part("digest"))
        }
        None => {
            let app = start::app(global, "http://127.0.0.1:4440").await?;
            let detail = app.run(&start::operator(), number).await?;
            (json!(detail.plan), json!(detail.run.digest))
        }
    };
    out::json(&json!({ "run": number, "digest": digest, "plan": plan }));
    Ok(())
}

pub(super) fn verify(global: &Global, file: &PathBuf, wanted: Option<&str>) -> Done {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::Broken(format!("{} cannot be read: {e}", file.display())))?;
    let bad = |e: String| Failure::Broken(format!("{} is no exported plan: {e}", file.display()));
    let document: serde_json::Value = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    let plan = document.get("plan").cloned().ok_or_else(|| bad("it has no `plan`".to_owned()))?;
    let plan: Plan = serde_json::from_value(plan).map_err(|e| bad(e.to_string()))?;
    let named = match wanted {
        Some(text) => Digest::parse(text)?,
        None => {
            let text = document.get("digest").and_then(|d| d.as_str()).unwrap_or_default();
            Digest::parse(text).map_err(|e| bad(e.to_string()))?
        }
    };
    let found = plan.digest();
    let same = found == named;
    match global.format {
        Format::Json => out::json(&json!({ "same": same, "digest": found, "named": named })),
        Format::Text if same => out::line(&format!("the plan has the digest {found}")),
        Format::Text => out::line(&format!("CHANGED: the plan has the digest {found}, not {named}")),
    }
    if same { Ok(()) } else { Err(Failure::Failed) }
}
