//! What an actor may do in a project, compiled once for holding many resources against it.
//!
//! casbin weighs every row anew at each decision, which is too slow for lists. A property test holds this answer equal
//! to casbin's.

use std::collections::BTreeSet;

use crate::domain::access::{AccessRules, Grant, GrantEffect, Permission, Resource};
use crate::domain::ids::{Environment, ProjectName, RoleName};

use crate::domain::glob::Glob;

/// One line of a role, ready to be matched.
#[derive(Debug, Clone)]
struct Line {
    effect: GrantEffect,
    on: Glob,
    environment: Option<Environment>,
}

impl Line {
    fn covers(&self, path: &str, environment: Option<&Environment>) -> bool {
        in_environment(self.effect, self.environment.as_ref(), environment) && self.on.covers(path)
    }
}

/// Whether a grant speaks about a resource in this environment. Where the resource's is not known, only a deny does.
pub(super) fn in_environment(effect: GrantEffect, grant: Option<&Environment>, resource: Option<&Environment>) -> bool {
    match (grant, resource) {
        (None, _) => true,
        (Some(_), None) => effect == GrantEffect::Deny,
        (Some(wanted), Some(there)) => wanted == there,
    }
}

#[derive(Debug, Clone)]
enum Extent {
    Everything,
    Nothing,
    Lines(Vec<Line>),
}

/// An actor's grants for one permission in one project.
#[derive(Debug, Clone)]
pub struct CompiledGrants {
    project: ProjectName,
    extent: Extent,
}

impl CompiledGrants {
    pub(super) fn everything(project: &ProjectName) -> Self {
        Self { project: project.clone(), extent: Extent::Everything }
    }

    pub(super) fn nothing(project: &ProjectName) -> Self {
        Self { project: project.clone(), extent: Extent::Nothing }
    }

    pub(super) fn of_roles(
        project: &ProjectName,
        rules: &AccessRules,
        roles: &BTreeSet<RoleName>,
        permission: Permission,
    ) -> Self {
        let grants = roles.iter().filter_map(|role| rules.roles.get(role)).flatten();
        let lines: Vec<Line> = grants
            .filter(|grant| grant.permissions.contains(&permission))
            .map(|Grant { effect, on, environment, .. }| Line {
                effect: *effect,
                on: Glob::new(on),
                environment: environment.clone(),
            })
            .collect();
        if lines.iter().any(|line| line.effect == GrantEffect::Allow) {
            Self { project: project.clone(), extent: Extent::Lines(lines) }
        } else {
            Self::nothing(project)
        }
    }

    /// Whether the actor has the permission on this resource.
    #[must_use]
    pub fn allows(&self, resource: &Resource) -> bool {
        if resource.project() != Some(&self.project) {
            return false;
        }
        match &self.extent {
            Extent::Everything => true,
            Extent::Nothing => false,
            Extent::Lines(lines) => {
                let path = resource.path();
                let environment = resource.environment();
                let says = |effect| lines.iter().any(|l| l.effect == effect && l.covers(&path, environment));
                says(GrantEffect::Allow) && !says(GrantEffect::Deny)
            }
        }
    }

    /// Whether no resource at all can be allowed, so that a list need not be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.extent, Extent::Nothing)
    }
}
