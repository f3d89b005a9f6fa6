//! Which file of a project's folder holds what.

use super::nodes::NodesFormat;

/// What a file of a project's folder holds.
pub(super) enum Place {
    Project,
    Access,
    Nodes(NodesFormat),
    Jobs,
    JobsXml,
    Webhooks,
    Rules,
    Sources,
    Aliases,
    Enrichers,
    Ignored,
    Unknown,
}

impl Place {
    /// By its path below the folder.
    pub(super) fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        if path.split('/').any(|part| part.starts_with('.')) || name.ends_with(".md") {
            return Self::Ignored;
        }
        let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        match (path.split_once('/'), yaml) {
            (None, true) if name.starts_with("project.") => Self::Project,
            (None, true) if name.starts_with("access.") => Self::Access,
            (None, _) if name.starts_with("nodes.") => NodesFormat::of_file(name).map_or(Self::Unknown, Self::Nodes),
            (Some(("jobs", _)), true) => Self::Jobs,
            (Some(("jobs", _)), false) if name.ends_with(".xml") => Self::JobsXml,
            (Some(("webhooks", _)), true) => Self::Webhooks,
            (Some(("rules", _)), true) => Self::Rules,
            (Some(("sources", _)), true) => Self::Sources,
            (Some(("aliases", _)), true) => Self::Aliases,
            (Some(("enrichers", _)), true) => Self::Enrichers,
            _ => Self::Unknown,
        }
    }
}
