//! `interlock audit verify`: walks the record.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::remote::Remote;
use super::{Done, Failure, Format, Global, out, start};
use crate::domain::ids::RunNumber;
use crate::domain::run_document::RunDocument;
use crate::store::signed_document::SignedDocument;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check that nothing in the record was changed, removed, moved or cut off
    Verify {
        /// A copy of the signed heads that was kept elsewhere
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
    },
    /// Print the signed document of a run: its plan, who signed it, and its part of the record
    Document {
        /// The run's number
        number: String,
    },
    /// Check a signed document of a run; needs no server and no data folder
    CheckDocument {
        /// The file that `document` printed
        file: PathBuf,
        /// The public key that `interlock audit key` printed, kept elsewhere
        #[arg(long, value_name = "HEX")]
        key: String,
    },
    /// Print the public key that documents and the record's ends are checked with
    Key,
}

pub(super) async fn run(global: &Global, command: Command) -> Done {
    let anchor = match command {
        Command::Verify { anchor } => anchor,
        Command::Document { number } => return document(global, &number).await,
        Command::CheckDocument { file, key } => return check_document(global, &file, &key),
        Command::Key => {
            let key = start::app(global, "http://127.0.0.1:4440").await?.document_key();
            out::done(global, &key, &json!({ "key": key }));
            return Ok(());
        }
    };
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

async fn document(global: &Global, number: &str) -> Done {
    let number = RunNumber::parse(number)?;
    if let Some(server) = Remote::of(global)? {
        out::json(&server.get(&format!("/runs/{number}/document"))?);
        return Ok(());
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    out::json(&json!(app.run_document(&start::operator(), number).await?));
    Ok(())
}

/// Checks the signature by the key that was given, and then whether the document's parts fit each other.
fn check_document(global: &Global, file: &Path, key: &str) -> Done {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::Broken(format!("{} cannot be read: {e}", file.display())))?;
    let bad = |e: serde_json::Error| Failure::Broken(format!("{} is no signed document: {e}", file.display()));
    let signed: SignedDocument = serde_json::from_str(&text).map_err(bad)?;
    let outcome = signed.check(key).map_err(|e| e.to_string()).and_then(|()| {
        let document: RunDocument = serde_json::from_value(signed.document).map_err(|e| e.to_string())?;
        document.check().map_err(|e| e.to_string())?;
        Ok(document)
    });
    match (&outcome, global.format) {
        (Ok(d), Format::Json) => out::json(&json!({ "holds": true, "run": d.run, "digest": d.digest })),
        (Ok(d), Format::Text) => {
            out::line(&format!("run #{} holds: it was {}, its plan has the digest {}", d.run, d.state, d.digest))
        }
        (Err(why), Format::Json) => out::json(&json!({ "holds": false, "problem": why })),
        (Err(why), Format::Text) => out::line(&format!("DOES NOT HOLD: {why}")),
    }
    outcome.map(|_| ()).map_err(|_| Failure::Failed)
}
