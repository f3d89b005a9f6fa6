//! `interlock approve` and `reject`: a person decides, with their password, by the same rules as on the page.

use clap::Args;

use super::{Done, Failure, Global, out, start, user};
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

pub(super) async fn run(global: &Global, options: Options, approve: bool) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let number = RunNumber::parse(&options.number)?;
    let run = app.run_state(&start::operator(), number).await?;
    let Some(id) = run.approval else {
        return Err(Failure::Usage(format!("run #{number} needs no signature")));
    };
    let Some(digest) = options.digest else {
        let detail = app.approval(&start::operator(), id).await?;
        out::line(&serde_json::to_string_pretty(&detail.plan).unwrap_or_default());
        out::line(&format!("digest {}", detail.view.digest));
        return Err(Failure::Usage(
            "this is what will run; decide by adding `--digest` with the digest above".to_owned(),
        ));
    };
    let digest = Digest::parse(&digest)?;
    let signed_in =
        app.sign_in(&options.user, user::password(options.password_stdin)?, "cli", "interlock approve").await?;
    let session = app.session_by_cookie(signed_in.cookie.expose()).await?;
    let Some(session) = session else { return Err(Failure::Broken("the session ended at once".to_owned())) };
    let verdict = if approve { Verdict::Approve } else { Verdict::Reject };
    let outcome = app.decide(&session.actor, id, Decision { verdict, digest, reason: options.reason }, "cli").await;
    app.sign_out(&session.actor, &session.id, "cli").await?;
    out::line(&format!("#{number} is {}", outcome?.state.as_str()));
    Ok(())
}
