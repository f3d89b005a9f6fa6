//! `interlock audit verify`: walks the record.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check that nothing in the record was changed, removed, moved or cut off
    Verify {
        /// A copy of the signed heads that was kept elsewhere
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
    },
}

pub(super) async fn run(global: &Global, command: Command) -> Done {
    let Command::Verify { anchor } = command;
    if let Some(path) = anchor.as_ref().filter(|p| !p.exists()) {
        return Err(Failure::Usage(format!("there is no file {}", path.display())));
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let outcome = app.verify_audit(&start::operator(), anchor).await?;
    match (&outcome, global.format) {
        (Ok(intact), Format::Json) => {
            out::json(&json!({ "intact": true, "entries": intact.entries, "anchor_begun_again": intact.begun_again }));
        }
        (Ok(intact), Format::Text) => {
            out::line(&format!("intact: {} entries", intact.entries));
            for entry in &intact.begun_again {
                out::warn(&format!(
                    "the file of signed heads was missing at entry {entry} and was begun again; compare with a copy by --anchor"
                ));
            }
        }
        (Err(broken), Format::Json) => out::json(&json!({ "intact": false, "problem": broken.to_string() })),
        (Err(broken), Format::Text) => out::line(&format!("BROKEN: {broken}")),
    }
    outcome.map(|_| ()).map_err(|_| Failure::Failed)
}
