//! The freezes that a run meets, as its plan has them, and whether they are still all of them.

use serde::{Deserialize, Serialize};

use super::ChangeFreeze;
use crate::domain::approval::Need;
use crate::domain::digest::Digest;
use crate::domain::ids::FreezeName;
use crate::domain::time::Timestamp;
use crate::domain::zone::Zone;

/// A freeze that a run meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetFreeze {
    /// Its name in `project.yaml`.
    pub name: FreezeName,
    /// The digest of its content.
    pub digest: Digest,
    /// Why nothing is to change.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
    /// The clock that its end is told on.
    pub time_zone: Zone,
    /// The lines that let this run through; none where nobody can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub need: Vec<Need>,
}

impl MetFreeze {
    /// The freeze as it is met by a run, with the lines that apply to it.
    #[must_use]
    pub fn of(freeze: &ChangeFreeze, until: Timestamp, need: Vec<Need>) -> Self {
        Self {
            name: freeze.name.clone(),
            digest: freeze.digest(),
            reason: freeze.reason.clone(),
            until,
            time_zone: freeze.time_zone,
            need,
        }
    }

    /// Whether nobody can let a run through.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.need.iter().all(|n| n.count == 0)
    }

    /// Its end on its own clock.
    #[must_use]
    pub fn end(&self) -> String {
        self.time_zone.words(self.until)
    }

    /// The freeze in words, without a full stop.
    #[must_use]
    pub fn words(&self) -> String {
        format!("the change freeze `{}` is on until {} ({})", self.name, self.end(), self.reason.trim_end_matches('.'))
    }
}

/// The first of the freezes that are on which the plan was not made under, as it is now.
#[must_use]
pub fn new_ones<'m>(planned: &[MetFreeze], on: &'m [MetFreeze]) -> Option<&'m MetFreeze> {
    on.iter().find(|now| !planned.iter().any(|then| then.name == now.name && then.digest == now.digest))
}

/// Whether the project still has each freeze of a plan as it was. One whose time is over still asks for what it asked.
///
/// # Errors
/// The one that it has not.
pub fn stand(planned: &[MetFreeze], project: &[ChangeFreeze]) -> Result<(), String> {
    let lost = |met: &&MetFreeze| !project.iter().any(|f| f.name == met.name && f.digest() == met.digest);
    match planned.iter().find(lost) {
        Some(met) => Err(format!("the change freeze `{}` was changed or removed", met.name)),
        None => Ok(()),
    }
}
