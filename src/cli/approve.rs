//! `interlock approve`, `push-back` and `reject`: a person decides, with their password, by the same rules as on the page.

use clap::Args;
use serde_json::{Value, json};

use super::remote::Remote;
use super::{Done, Failure, Format, Global, out, start, user};
use crate::app::approvals::Decision;
use crate::domain::approval::Verdict;
use crate::domain::digest::Digest;
use crate::domain::ids::RunNumber;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The run's number
    number: String,
    /// Who decides
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Read their password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// The digest of the plan that was looked at; without it the plan is shown and nothing is decided
    #[arg(long)]
    digest: Option<String>,
}

pub(super) async fn run(global: &Global, options: Options, verdict: Verdict) -> Done {
    if global.server.is_some() {
        return on_server(global, &options, verdict);
    }
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let number = RunNumber::parse(&options.number)?;
    let run = app.run_state(&start::operator(), number).await?;
    let Some(id) = run.approval else {
        return Err(Failure::Usage(format!("run #{number} needs no signature")));
    };
    let Some(digest) = options.digest else {
        let detail = app.approval(&start::operator(), id).await?;
        return show(global, &json!(detail.plan), &json!(detail.view.digest));
    };
    let digest = Digest::parse(&digest)?;
    let signed_in =
        app.sign_in(&options.user, user::password(options.password_stdin)?, "cli", "interlock approve").await?;
    let session = app.session_by_cookie(signed_in.cookie.expose()).await?;
    let Some(session) = session else { return Err(Failure::Broken("the session ended at once".to_owned())) };
    let outcome = app.decide(&session.actor, id, Decision { verdict, digest, reason: options.reason }, "cli").await;
    app.sign_out(&session.actor, &session.id, "cli").await?;
    decided(global, number, outcome?.state.as_str());
    Ok(())
}

/// The same over the API, in a session of the person's own: a token never signs.
fn on_server(global: &Global, options: &Options, verdict: Verdict) -> Done {
    let number = RunNumber::parse(&options.number)?;
    let request = |server: &Remote| -> Result<String, Failure> {
        let run = server.get(&format!("/runs/{number}"))?;
        let id = run.get("approval").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Failure::Usage(format!("run #{number} needs no signature")))
    };
    let Some(digest) = &options.digest else {
        let Some(server) = Remote::of(global)? else { return Ok(()) };
        let found = server.get(&format!("/approvals/{}", request(&server)?))?;
        let part = |name: &str| found.get(name).cloned().unwrap_or_default();
        return show(global, &part("plan"), &part("digest"));
    };
    let digest = Digest::parse(digest)?;
    let Some(mut server) = Remote::named(global)? else { return Ok(()) };
    server.sign_in(&options.user, &user::password(options.password_stdin)?)?;
    let body = json!({ "decision": verdict, "digest": digest, "reason": options.reason });
    let outcome = request(&server).and_then(|id| server.post(&format!("/approvals/{id}/decision"), &body));
    server.sign_out()?;
    let outcome = outcome?;
    decided(global, number, outcome.get("state").and_then(Value::as_str).unwrap_or_default());
    Ok(())
}

fn decided(global: &Global, number: RunNumber, state: &str) {
    out::done(global, &format!("#{number} is {state}"), &json!({ "number": number, "state": state }));
}

/// Shows what will run. Nothing is decided.
fn show(global: &Global, plan: &Value, digest: &Value) -> Done {
    if global.format == Format::Json {
        out::json(&json!({ "plan": plan, "digest": digest }));
    } else {
        out::line(&serde_json::to_string_pretty(plan).unwrap_or_default());
        out::line(&format!("digest {}", digest.as_str().unwrap_or_default()));
    }
    out::note("this is what will run; nothing is decided yet. Decide by adding `--digest` with the digest above");
    Err(Failure::Incomplete)
}
