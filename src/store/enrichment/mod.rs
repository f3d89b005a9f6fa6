//! What enrichers made of events, what they answered before, how often they asked, and what people taught them.

pub mod answers;
pub mod labels;
pub mod taught;

use crate::domain::access::Resource;
use crate::domain::ids::{EnricherName, ProjectName};

/// Which enricher a row is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnricherRef {
    /// Its definition.
    pub definition: String,
    /// The project.
    pub project: ProjectName,
    /// Its name.
    pub name: EnricherName,
}

impl EnricherRef {
    fn resource(&self) -> Resource {
        Resource::Enricher { project: self.project.clone(), name: self.name.to_string() }
    }
}
