//! `interlock key …`: the key store.

use std::io::Read;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};
use crate::app::keys::SecretKind;
use crate::domain::ids::KeyPath;
use crate::domain::secret::SecretText;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Type {
    PrivateKey,
    Password,
    Secret,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put a value in, from standard input; what was there becomes an older version
    Put {
        /// Where, such as keys/ops/id
        path: String,
        /// What it is
        #[arg(long = "type", value_enum)]
        kind: Type,
    },
    /// List names and types; values are never shown
    List,
    /// Take a key away
    Delete {
        /// Where
        path: String,
    },
}

pub(super) async fn run(global: &Global, command: Command) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let actor = start::operator();
    match command {
        Command::Put { path, kind } => {
            let path = KeyPath::parse(&path)?;
            let mut value = String::new();
            std::io::stdin()
                .lock()
                .take(1 << 20)
                .read_to_string(&mut value)
                .map_err(|e| Failure::Usage(format!("the value on standard input cannot be read as text: {e}")))?;
            let kind = match kind {
                Type::PrivateKey => SecretKind::PrivateKey,
                Type::Password => SecretKind::Password,
                Type::Secret => SecretKind::Secret,
            };
            let version = app.put_key(&actor, path.clone(), kind, SecretText::new(value), "cli").await?;
            out::done(global, &format!("{path} version {version}"), &json!({ "path": path, "version": version }));
        }
        Command::List => {
            let keys = app.keys(&actor).await?;
            if global.format == Format::Json {
                let items: Vec<_> = keys
                    .iter()
                    .map(|k| json!({ "path": k.path, "type": k.kind.as_str(), "version": k.version, "created_at": k.created_at, "used_by": k.used_by }))
                    .collect();
                out::json(&json!({ "items": items }));
            } else {
                for k in keys {
                    out::line(&format!(
                        "{}\t{}\tversion {}\t{}",
                        k.path,
                        k.kind.as_str(),
                        k.version,
                        k.used_by.join("; ")
                    ));
                }
            }
        }
        Command::Delete { path } => {
            let path = KeyPath::parse(&path)?;
            app.delete_key(&actor, path.clone(), "cli").await?;
            out::done(global, &format!("deleted {path}"), &json!({ "path": path, "done": "deleted" }));
        }
    }
    Ok(())
}
