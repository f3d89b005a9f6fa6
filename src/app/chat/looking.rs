//! What there is and how it goes, in the few lines that a chat has room for; and stopping a run.

use super::commands::Speaker;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::app::log::{From, Wanted};
use crate::app::runs::{RunFilter, RunView};
use crate::domain::chat::plain_line;
use crate::domain::ids::RunNumber;
use crate::domain::notice::message::one_line;
use crate::domain::option::OptionSpec;

/// Lines of a list at most.
const MOST: usize = 20;
/// Lines of a log, and characters of each.
const LOG_LINES: usize = 20;
const LOG_WIDTH: usize = 200;
/// Runs of a list.
const RUNS: usize = 10;

impl App {
    /// The jobs that all of these words are found in.
    pub(super) async fn jobs_in_chat(&self, speaker: &Speaker, words: &[String]) -> AppResult<String> {
        let all = self.browse_jobs(&speaker.actor).await?;
        let fits = |text: &str| words.iter().all(|w| text.contains(w.as_str()));
        let found: Vec<_> = all
            .iter()
            .filter(|j| speaker.counts_in(&j.project))
            .filter(|j| fits(&format!("{}/{} {}", j.project, j.path, j.summary).to_lowercase()))
            .collect();
        if found.is_empty() {
            return Ok("No job that you may see here is called so.".to_owned());
        }
        let mut out = format!("{} jobs:", found.len());
        for job in found.iter().take(MOST) {
            let signed = if job.needs_approval { ", needs a signature" } else { "" };
            let closed = if job.may_run { "" } else { ", you may only look at it" };
            let summary = one_line(&job.summary, 100);
            let summary = if summary.is_empty() { summary } else { format!(": {summary}") };
            out.push_str(&format!("\n• {}/{}{summary}{signed}{closed}", job.project, job.path));
        }
        if found.len() > MOST {
            out.push_str(&format!("\nand {} more; say a word of their names: `jobs WORD`", found.len() - MOST));
        }
        Ok(out)
    }

    /// A job with its options.
    pub(super) async fn job_in_chat(&self, speaker: &Speaker, written: &str, name: &str) -> AppResult<String> {
        let view = self.job_named_in_chat(speaker, written).await?;
        let job = &view.stored.job;
        let mut out = format!("{}/{}: {}", view.project, job.path, one_line(job.summary(), 200));
        for option in &job.options {
            out.push_str(&format!("\n• {}", option_in_words(option)));
        }
        let required = job.options.iter().filter(|o| o.required && o.default.is_none());
        let example: String = required.map(|o| format!(" -{} …", o.name)).collect();
        let nodes = view.nodes.len();
        out.push_str(&format!("\nIt runs on {nodes} nodes. {name} run {}/{}{example}", view.project, job.path));
        out.push_str(&format!("\n{}/projects/{}/jobs/{}", self.settings.public_url, view.project, job.path));
        Ok(out)
    }

    /// The newest runs.
    pub(super) async fn runs_in_chat(&self, speaker: &Speaker, job: Option<&str>) -> AppResult<String> {
        let mut filter = RunFilter { limit: 200, ..RunFilter::default() };
        if let Some(written) = job {
            let view = self.job_named_in_chat(speaker, written).await?;
            filter.project = Some(view.project);
            filter.job = Some(view.stored.id.as_str().to_owned());
        }
        let page = self.runs(&speaker.actor, filter).await?;
        let found: Vec<&RunView> = page.runs.iter().filter(|r| speaker.counts_in(&r.project)).take(RUNS).collect();
        if found.is_empty() {
            return Ok("There is no run that you may see.".to_owned());
        }
        let lines = found.into_iter().map(|r| {
            let when = r.created_at.format("%Y-%m-%d %H:%M UTC");
            format!("• #{} {}/{} {} by {}, {when}", r.number, r.project, r.job, in_words(r), r.requester.short())
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// Where a run stands.
    pub(super) async fn status_in_chat(&self, speaker: &Speaker, number: RunNumber) -> AppResult<String> {
        let run = self.run_named_in_chat(speaker, number).await?;
        let mut out = format!("#{number} {}/{} is {}", run.project, run.job, in_words(&run));
        let why = one_line(&run.end_reason, 300);
        out.push_str(&if why.is_empty() { ".".to_owned() } else { format!(": {why}") });
        out.push_str(&format!("\nAsked for by {}", run.requester.short()));
        let reason = one_line(&run.reason, 300);
        out.push_str(&if reason.is_empty() { ".".to_owned() } else { format!(": {reason}") });
        if let Some(request) = run.approval {
            out.push_str(&format!("\nIts request for signatures: {}/approvals/{request}", self.settings.public_url));
        }
        out.push_str(&format!("\n{}", self.run_address(number)));
        Ok(out)
    }

    /// The last lines of a run's output, masked as it was stored.
    pub(super) async fn log_in_chat(&self, speaker: &Speaker, number: RunNumber) -> AppResult<String> {
        let run = self.run_named_in_chat(speaker, number).await?;
        let wanted = u64::try_from(LOG_LINES).unwrap_or(u64::MAX);
        let (_, page) = self.log(&speaker.actor, number, From::Tail(wanted), 1_000, Wanted::default()).await?;
        if page.entries.is_empty() {
            return Ok(format!("#{number} is {} and has no output.\n{}", in_words(&run), self.run_address(number)));
        }
        let last = page.entries.iter().skip(page.entries.len().saturating_sub(LOG_LINES));
        let mut out = format!("#{number} is {}. Its last lines:", in_words(&run));
        for entry in last {
            out.push_str(&format!("\n{} | {}", entry.line.node, plain_line(&entry.line.bytes, LOG_WIDTH)));
        }
        out.push_str(&format!("\n{}", self.run_address(number)));
        Ok(out)
    }

    /// Stops a run.
    pub(super) async fn cancel_in_chat(&self, speaker: &Speaker, number: RunNumber) -> AppResult<String> {
        self.run_named_in_chat(speaker, number).await?;
        let run = self.cancel_run(&speaker.actor, number, &speaker.source).await?;
        Ok(format!("#{number} is {}. {}", in_words(&run), self.run_address(number)))
    }

    /// A run of a project that takes commands.
    async fn run_named_in_chat(&self, speaker: &Speaker, number: RunNumber) -> AppResult<RunView> {
        let run = self.run_state(&speaker.actor, number).await?;
        if speaker.counts_in(&run.project) {
            return Ok(run);
        }
        let message =
            format!("The project `{}` takes no commands from Slack. {}", run.project, self.run_address(number));
        Err(AppError::forbidden("no_commands", message))
    }
}

fn in_words(run: &RunView) -> String {
    run.state.as_str().replace('_', " ")
}

fn option_in_words(option: &OptionSpec) -> String {
    use crate::domain::option::OptionKind as K;
    let kind = match &option.kind {
        K::Secret { storage: Some(_) } => "a secret of the key store".to_owned(),
        K::Secret { storage: None } => "a secret, only on the job's page".to_owned(),
        K::File { .. } => "a file, only on the job's page".to_owned(),
        K::Enum { values } | K::Multi { values, .. } if !values.is_empty() => {
            format!("one of {}", one_line(&values.join(", "), 200))
        }
        _ => String::new(),
    };
    let need = match (&option.default, option.required) {
        (Some(default), _) if !matches!(option.kind, K::Secret { .. }) => {
            format!("`{}` without it", one_line(default, 60))
        }
        (None, true) => "required".to_owned(),
        _ => String::new(),
    };
    let description = one_line(option.description.lines().next().unwrap_or_default(), 120);
    let parts: Vec<String> = [need, kind, description].into_iter().filter(|p| !p.is_empty()).collect();
    if parts.is_empty() { format!("-{}", option.name) } else { format!("-{}: {}", option.name, parts.join("; ")) }
}
