//! Aliases: words that people say in a chat and the run that they ask for, as StackStorm has them.
//!
//! What is said in place of a parameter is a value and stays one: an alias chooses a job and fills its options in, and the job's
//! own checks decide what a value may be.

mod phrase;

use std::collections::BTreeMap;

use super::ids::ProjectName;
use super::rule::job_names;

pub use phrase::{BadPhrase, LONGEST, Phrase};

/// An alias, checked and compiled.
#[derive(Debug, Clone)]
pub struct Alias {
    /// Its name, unique in its project.
    pub name: String,
    /// Its pack; `default` where none is named.
    pub pack: String,
    /// What it is for.
    pub description: String,
    /// The job as written: `pack.name`, `group/name` or an id.
    pub job: String,
    /// The ways of saying it, in their order.
    pub formats: Vec<Format>,
    /// Options that nobody may say otherwise.
    pub fixed: BTreeMap<String, String>,
    /// What is said first when it is understood; empty for Interlock's own words alone.
    pub ack: String,
    /// Whether it is listened to.
    pub enabled: bool,
}

/// A way of saying it: how it is shown, and what is understood.
#[derive(Debug, Clone)]
pub struct Format {
    /// What help shows.
    pub display: String,
    /// What is understood.
    pub phrases: Vec<Phrase>,
}

impl Alias {
    /// The options that a text gives, where this alias understands it; the first way of saying it that does.
    #[must_use]
    pub fn understand(&self, text: &str) -> Option<BTreeMap<String, String>> {
        let mut said = self.formats.iter().flat_map(|f| &f.phrases).find_map(|p| p.understand(text))?;
        said.extend(self.fixed.clone());
        Some(said)
    }

    /// The ids and names of the job that it may mean, the likeliest first.
    #[must_use]
    pub fn job_names(&self, project: &ProjectName) -> Vec<String> {
        job_names(&self.job, &self.pack, project)
    }
}
