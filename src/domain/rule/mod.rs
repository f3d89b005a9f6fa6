//! Rules: which event means what, by whose rights, and held back by which guards.
//!
//! A rule is data: what becomes of an event is decided by pure functions here and in `domain::guard`, and carried out
//! elsewhere.

pub mod backtest;
pub mod conditions;
mod index;
pub mod judge;
pub mod rollout;
mod shown;

use std::collections::BTreeMap;

use serde_json::Value;

use super::enricher::label;
use super::expression::Text;
use super::guard::Guards;
use super::ids::{EnricherName, ProjectName, UserName};
use conditions::Conditions;

pub use index::RuleIndex;
pub use shown::shown;

/// What the texts of a rule can name. Labels are not among it: no label becomes a value of what is done.
pub const ROOTS: [&str; 1] = ["trigger"];

/// What the criteria of a rule can start with.
pub const FIELD_ROOTS: [&str; 5] = ["trigger", label::CLASS, label::CONFIDENCE, label::BY, label::EACH];

/// A rule, checked and compiled.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name, unique in its project.
    pub name: String,
    /// Its pack; `default` where none is named.
    pub pack: String,
    /// What the rule is for.
    pub description: String,
    /// The event type that it listens to.
    pub trigger: String,
    /// What the source is asked for, as written; sources read it.
    pub trigger_parameters: Value,
    /// What the event must be like.
    pub conditions: Conditions,
    /// What becomes of an event that passes.
    pub action: Action,
    /// The mode that its author asks for.
    pub mode: AuthoredMode,
    /// The service account whose rights decide when it acts.
    pub owner: UserName,
    /// What holds it back.
    pub guards: Guards,
    /// What labels events before matching, in the order in which they are asked.
    pub enrich: Vec<EnricherName>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Asks for a run of a job, as its owner.
    Run {
        /// The job as written: `pack.name`, `group/name` or an id.
        job: String,
        /// The job's options.
        parameters: BTreeMap<String, Parameter>,
    },
    /// Tells a channel of `project.yaml`.
    Notify {
        /// The channel.
        channel: String,
        /// What it is told.
        message: Text,
    },
    /// Leaves its verdict and nothing else.
    Nothing,
}

impl Action {
    /// The word for lists.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Notify { .. } => "notify",
            Self::Nothing => "nothing",
        }
    }

    /// What it is about, in a few words: the job, the channel.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Run { job, .. } => job.clone(),
            Self::Notify { channel, .. } => format!("notify {channel}"),
            Self::Nothing => "nothing".to_owned(),
        }
    }
}

/// What an option of the job is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// One text.
    One(Text),
    /// Several values.
    Several(Vec<Text>),
}

/// The mode in a rule's text. None of them makes a rule live: promotion does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthoredMode {
    /// It does not look at events at all.
    Off,
    /// It writes down what it would do, until this very text is promoted.
    DryRun,
    /// The same, said by an author who wants it to be promoted.
    Live,
}

impl AuthoredMode {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::DryRun => "dry_run",
            Self::Live => "live",
        }
    }
}

/// The ids and names of a job that an action's `ref` may mean, the likeliest first: as written, as StackStorm's
/// `pack.name` for `group/name`, and, where the pack is the rule's own or the project, the rest of it.
#[must_use]
pub fn job_names(reference: &str, pack: &str, project: &ProjectName) -> Vec<String> {
    let mut names = vec![reference.to_owned()];
    if reference.contains('.') && !reference.contains('/') {
        names.push(reference.replace('.', "/"));
        let own = [pack, project.as_str()];
        let rest = own.iter().find_map(|own| reference.strip_prefix(own).and_then(|r| r.strip_prefix('.')));
        if let Some(rest) = rest {
            names.push(rest.to_owned());
            names.push(rest.replace('.', "/"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_a_pack_and_as_a_group() {
        let project = ProjectName::parse("ops").unwrap();
        assert_eq!(job_names("logs/rotate", "p", &project), ["logs/rotate"]);
        assert_eq!(job_names("a1b2", "p", &project), ["a1b2"]);
        assert_eq!(
            job_names("ops.logs.rotate", "p", &project),
            ["ops.logs.rotate", "ops/logs/rotate", "logs.rotate", "logs/rotate"]
        );
        assert_eq!(job_names("core.local", "p", &project), ["core.local", "core/local"]);
        assert_eq!(job_names("p.a", "p", &project), ["p.a", "p/a", "a", "a"]);
    }
}
