//! Which secrets definitions use, and who may write one that does.

use super::compare::Wanted;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::enricher::EnricherKind;
use crate::domain::ids::{KeyPath, ProjectName};
use crate::domain::option::{OptionKind, OptionSpec};
use crate::domain::project::Channel;
use crate::spec;
use crate::store::definitions::Kind;

impl App {
    /// Only who may use a secret may write a job or a channel that uses it: running the job, or posting to the channel, then
    /// releases it to nobody new.
    pub(super) fn may_use_keys(&self, actor: &Actor, project: &ProjectName, one: &Wanted) -> AppResult<()> {
        for (what, path) in keys_used(project, one) {
            let resource = Resource::Key { project: project.clone(), path: path.clone() };
            if self.authorize(actor, Permission::UseSecret, &resource).is_err() {
                let message = format!("The {what} uses the secret `{path}`, and you do not have `use_secret` on it.");
                return Err(AppError::forbidden("forbidden_secret", message));
            }
        }
        Ok(())
    }
}

/// The secrets that a definition uses, each with what uses it.
fn keys_used(project: &ProjectName, one: &Wanted) -> Vec<(&'static str, KeyPath)> {
    match one.kind {
        Kind::Job => {
            let options = spec::read_job(&one.source).map(|job| job.options).unwrap_or_default();
            let stored = |option: &OptionSpec| match &option.kind {
                OptionKind::Secret { storage: Some(path) } => Some(("job", path.clone())),
                _ => None,
            };
            options.iter().filter_map(stored).collect()
        }
        Kind::Project => {
            let channels = spec::read_project(project, &one.source).map(|p| p.channels).unwrap_or_default();
            let key = |channel: Channel| match channel {
                Channel::Chat { url: path, .. } | Channel::Webhook { secret: path, .. } => Some(("channel", path)),
                Channel::Email { .. } => None,
            };
            channels.into_values().filter_map(key).collect()
        }
        Kind::Source => {
            let source = spec::read_source(&one.source).ok();
            source.iter().flat_map(|s| s.kind.secrets()).map(|path| ("source", path.clone())).collect()
        }
        Kind::Enricher => match spec::read_enricher(&one.source).map(|enricher| enricher.kind) {
            Ok(EnricherKind::Model(model)) => model.key.into_iter().map(|path| ("enricher", path)).collect(),
            Ok(_) | Err(_) => Vec::new(),
        },
        Kind::Nodes | Kind::Access | Kind::Webhook | Kind::Rule | Kind::Alias => Vec::new(),
    }
}
