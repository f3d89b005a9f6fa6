//! `interlock token …`: API tokens.

use clap::Subcommand;
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};
use crate::app::tokens::DEFAULT_LIFE;
use crate::domain::access::{Permission, Principal};
use crate::domain::ids::UserName;
use crate::domain::time::Seconds;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token; it is printed once
    Create {
        /// Whose token: a person
        #[arg(long, value_name = "NAME", conflicts_with = "service", required_unless_present = "service")]
        user: Option<String>,
        /// Whose token: a service account named in access.yaml
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
        /// A permission that it is narrowed to; may be given more than once
        #[arg(long = "scope", value_name = "PERMISSION")]
        scopes: Vec<String>,
        /// How long it works
        #[arg(long, value_name = "30d")]
        expires: Option<String>,
        /// What it is for
        #[arg(long, default_value = "")]
        label: String,
    },
    /// Revoke a token
    Revoke {
        /// Its id
        id: String,
    },
}

pub(super) async fn run(global: &Global, command: Command) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let actor = start::operator();
    match command {
        Command::Create { user, service, scopes, expires, label } => {
            let owner = match (user, service) {
                (Some(name), _) => Principal::User(UserName::parse(&name)?),
                (None, Some(name)) => Principal::Service(UserName::parse(&name)?),
                (None, None) => return Err(Failure::Usage("say whose token it is with `--user NAME`".to_owned())),
            };
            let life = expires.as_deref().map(Seconds::parse).transpose()?.unwrap_or(DEFAULT_LIFE);
            let words: Vec<String> = scopes.iter().flat_map(|s| s.split(',')).map(str::to_owned).collect();
            let scopes = Permission::scopes(&words).map_err(Failure::Usage)?;
            let (token, view) = app.create_token(&actor, owner, &label, scopes, life, "cli").await?;
            match global.format {
                Format::Json => {
                    out::json(&json!({ "id": view.id, "token": token.expose(), "expires_at": view.expires_at }))
                }
                Format::Text => {
                    out::line(token.expose());
                    out::note(&format!("id {}; shown only now", view.id));
                }
            }
        }
        Command::Revoke { id } => {
            app.revoke_token(&actor, &id, "cli").await?;
            out::done(global, "revoked", &json!({ "id": id, "done": "revoked" }));
        }
    }
    Ok(())
}
