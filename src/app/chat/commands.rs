//! Slash commands of Slack: whoever typed one is the person whom an administrator named for that account, with exactly
//! their rights now, in the projects that want it.

use std::sync::Arc;

use super::unread;
use crate::app::App;
use crate::app::error::{AppError, AppResult, Refusal};
use crate::app::jobs::JobView;
use crate::domain::access::Actor;
use crate::domain::chat::{Command, HELP, Slash, parse};
use crate::domain::ids::{ProjectName, RunNumber};
use crate::domain::webhook::verify::Headers;

/// Who speaks, and where their words count.
#[derive(Debug)]
pub(super) struct Speaker {
    pub(super) actor: Actor,
    /// The projects that they may see something of and that take commands.
    pub(super) places: Vec<ProjectName>,
    /// For the record.
    pub(super) source: String,
}

impl Speaker {
    pub(super) fn counts_in(&self, project: &ProjectName) -> bool {
        self.places.contains(project)
    }
}

impl App {
    /// Takes a slash command of Slack. The answer is for whoever typed it; one that takes longer than Slack waits goes to the
    /// address that came with the command.
    ///
    /// # Errors
    /// As [`App::pressed`].
    pub async fn commanded(self: &Arc<Self>, headers: &dyn Headers, body: &[u8]) -> AppResult<String> {
        let chat = self.signed_by_slack(headers, body).await?.clone();
        let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        if fields.iter().any(|(name, value)| name == "ssl_check" && value == "1") {
            // Slack asks now and then whether anybody answers.
            return Ok(String::new());
        }
        let slash = Slash::read(&fields).ok_or_else(|| unread("This is no slash command."))?;
        let (app, to) = (Arc::clone(self), slash.answer_to.clone());
        let mut work = tokio::spawn(async move { app.answer_command(&slash).await });
        if let Ok(done) = tokio::time::timeout(chat.answer_within, &mut work).await {
            return done.map_err(AppError::fault);
        }
        tokio::spawn(async move {
            match (work.await, to) {
                (Ok(text), Some(to)) => chat.answers.answer(to, text).await,
                (Ok(_), None) => {}
                (Err(error), _) => tracing::error!(error.cause = %error, "a slash command broke off"),
            }
        });
        Ok("I am still at it; the answer follows here.".to_owned())
    }

    async fn answer_command(&self, slash: &Slash) -> String {
        match self.carry_command_out(slash).await {
            Ok(text) => text,
            Err(AppError::Refused(refusal)) => format!("Nothing was done. {}", in_words(&refusal)),
            Err(fault) => {
                tracing::error!(error.cause = %fault, "a slash command could not be carried out");
                "Something is broken, so it is not known whether that was done. Look at the pages of Interlock."
                    .to_owned()
            }
        }
    }

    async fn carry_command_out(&self, slash: &Slash) -> AppResult<String> {
        let actor = self.known_in_slack(&slash.account).await?;
        let command = match parse(&slash.text) {
            Ok(command) => command,
            Err(why) => return Ok(format!("{why} `{} help` lists what I understand.", slash.name)),
        };
        let visible = self.projects(&actor).await?;
        let catalogue = self.catalogue().await?;
        let wants = |name: &ProjectName| catalogue.projects.get(name).is_some_and(|p| p.project.notify.slack_commands);
        let places: Vec<ProjectName> = visible.into_iter().filter(wants).collect();
        if places.is_empty() {
            let message = "No project that you may see takes commands from Slack. `slack_commands: true` below `notify` in its project.yaml turns them on.";
            return Err(AppError::forbidden("no_commands", message));
        }
        let speaker = Speaker { actor, places, source: format!("slack:{}", slash.account) };
        match command {
            Command::Help => Ok(self.help_in_chat(&speaker, &slash.name)),
            Command::Jobs(words) => self.jobs_in_chat(&speaker, &words).await,
            Command::Show(job) => self.job_in_chat(&speaker, &job, &slash.name).await,
            Command::Run { job, options, reason } => self.run_in_chat(&speaker, slash, &job, options, reason).await,
            Command::Runs(job) => self.runs_in_chat(&speaker, job.as_deref()).await,
            Command::Status(number) => self.status_in_chat(&speaker, number).await,
            Command::Log(number) => self.log_in_chat(&speaker, number).await,
            Command::Cancel(number) => self.cancel_in_chat(&speaker, number).await,
            Command::Sign => Ok(format!(
                "Signing needs a password typed a short while ago, so it is done on the page of the request: {}/approvals. Where a project has buttons in Slack, the one below its post does as well.",
                self.settings.public_url
            )),
            Command::Other(text) => self.said_in_chat(&speaker, slash, &text).await,
        }
    }

    /// The job that somebody names: by project, group and name, or without the project where only one has it; or by its id.
    pub(super) async fn job_named_in_chat(&self, speaker: &Speaker, written: &str) -> AppResult<JobView> {
        let all = self.jobs(&speaker.actor, None).await?;
        let is = |job: &JobView| {
            let path = job.stored.job.path.to_string();
            speaker.counts_in(&job.project)
                && (path == written
                    || job.stored.id.as_str() == written
                    || written.strip_prefix(job.project.as_str()).and_then(|r| r.strip_prefix('/')) == Some(&path))
        };
        let mut found: Vec<JobView> = all.into_iter().filter(is).collect();
        let shown = crate::domain::notice::message::one_line(written, 100);
        match found.len() {
            1 => found.pop().ok_or_else(AppError::not_found),
            0 => {
                let message = format!(
                    "There is no job `{shown}` that you may see in {}. `jobs` lists those there are.",
                    names(&speaker.places)
                );
                Err(AppError::invalid("no_such_job", message))
            }
            _ => {
                let names: Vec<String> =
                    found.iter().map(|j| format!("`{}/{}`", j.project, j.stored.job.path)).collect();
                let message = format!("`{shown}` is a job of several projects; say which: {}.", names.join(", "));
                Err(AppError::invalid("ambiguous_job", message))
            }
        }
    }

    /// Where a run's page is.
    pub(super) fn run_address(&self, number: RunNumber) -> String {
        format!("{}/runs/{number}", self.settings.public_url)
    }
}

/// Project names in a sentence.
fn names(projects: &[ProjectName]) -> String {
    projects.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ")
}

/// A refusal with what is wrong with each field, as it has to be typed.
fn in_words(refusal: &Refusal) -> String {
    let mut out = refusal.message.clone();
    for field in &refusal.fields {
        let name = if field.field == "reason" { "reason".to_owned() } else { format!("-{}", field.field) };
        out.push_str(&format!("\n• {name}: {}", field.message));
    }
    out
}

/// The commands that are there whatever a project says.
pub(super) fn help(name: &str) -> String {
    let mut out = String::from("This is what I understand:");
    for (form, what) in HELP {
        out.push_str(&format!("\n• {name} {form}: {what}"));
    }
    out
}
