//! A run that is asked for in a chat: through the same options, rights and sign-off as by the button.

use super::commands::Speaker;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::app::jobs::JobView;
use crate::app::planning::RunRequest;
use crate::app::runs::RunDetail;
use crate::domain::chat::Slash;
use crate::domain::ids::{JobRef, RunNumber};
use crate::domain::option::{OptionKind, RawValue, RawValues};
use crate::domain::plan::Origin;
use crate::domain::run::State;
use crate::domain::secret::SecretText;
use crate::domain::time::Seconds;
use crate::store::slack_answers;

/// How long Slack takes answers at the address that came with a command: half an hour, less the time that one needs on its way.
const ANSWERED_FOR: Seconds = Seconds::new(29 * 60);

impl App {
    /// Asks for a run.
    pub(super) async fn run_in_chat(
        &self,
        speaker: &Speaker,
        slash: &Slash,
        job: &str,
        options: Vec<(String, String)>,
        reason: String,
    ) -> AppResult<String> {
        let view = self.job_named_in_chat(speaker, job).await?;
        let request = RunRequest {
            project: view.project.clone(),
            job: JobRef::parse(view.stored.id.as_str())?,
            values: values(&view, options, &self.settings.public_url)?,
            reason,
            nodes: None,
            node_filter: None,
            start_at: None,
            origin: Origin::Chat,
            dry_run: false,
        };
        let run = self.request_run(&speaker.actor, request, &speaker.source).await?;
        if let Some(to) = slash.answer_to.clone() {
            // The run stands, whatever becomes of this.
            if let Err(error) = self.answer_at_the_end(run.number, to).await {
                tracing::warn!(run.number = run.number.get(), error.cause = %error, "the end of a run will be told by mail");
            }
        }
        let detail = self.run(&speaker.actor, run.number).await?;
        Ok(self.started_in_words(&detail))
    }

    /// Keeps the address, so that whoever asked hears there how the run ended.
    async fn answer_at_the_end(&self, run: RunNumber, to: SecretText) -> AppResult<()> {
        let permit = self.own_permit(crate::domain::access::Permission::Run)?;
        let (vault, until) = (self.vault.clone(), self.clock.now() + ANSWERED_FOR.to_delta());
        Ok(self.db.write(move |c| slack_answers::keep(c, &vault, &permit, run, &to, until)).await?)
    }

    fn started_in_words(&self, detail: &RunDetail) -> String {
        let (run, plan) = (&detail.run, &detail.plan);
        let names: Vec<String> = plan.nodes.iter().take(5).map(|n| n.name.to_string()).collect();
        let more = plan.nodes.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let place = match (plan.nodes.len(), &run.environment) {
            (0, _) => "on Interlock's own machine".to_owned(),
            (_, Some(environment)) => format!("on {}{more} in {environment}", names.join(", ")),
            (_, None) => format!("on {}{more}", names.join(", ")),
        };
        let after = "You hear here how it ended, or by mail where that takes more than half an hour.";
        match (run.state, run.approval, &plan.policy) {
            (State::PendingApproval, Some(request), Some(policy)) => {
                let need: Vec<String> = policy.need.iter().map(|n| format!("{} × {}", n.count, n.role)).collect();
                format!(
                    "Run #{} of {} {place} waits for signatures: {}. The request: {}/approvals/{request}\n{after}",
                    run.number,
                    run.job,
                    need.join(", "),
                    self.settings.public_url,
                )
            }
            _ => format!(
                "Run #{} of {} {place} is {}. {}\n{after}",
                run.number,
                run.job,
                run.state.as_str().replace('_', " "),
                self.run_address(run.number),
            ),
        }
    }
}

/// The options as a request takes them. What must not stand in a chat is refused before anything is looked at.
fn values(view: &JobView, options: Vec<(String, String)>, public_url: &str) -> AppResult<RawValues> {
    let mut values = RawValues::new();
    for (name, value) in options {
        let spec = view.stored.job.options.iter().find(|o| o.name.as_str() == name);
        let page = format!("{public_url}/projects/{}/jobs/{}", view.project, view.stored.job.path);
        match spec.map(|s| &s.kind) {
            Some(OptionKind::Secret { .. }) => {
                let message = format!(
                    "`-{name}` is a secret, and what is typed in a chat stays there. Run the job on its page instead ({page}), and change that secret if it was a real one."
                );
                return Err(AppError::invalid("secret_in_chat", message));
            }
            Some(OptionKind::File { .. }) => {
                let message =
                    format!("`-{name}` is a file, which cannot be given here. Run the job on its page: {page}");
                return Err(AppError::invalid("file_in_chat", message));
            }
            _ => values.insert(name, RawValue::Text(value)),
        };
    }
    Ok(values)
}
