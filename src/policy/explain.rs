//! "Why?": which line of which role decided, in sentences.

use std::collections::BTreeSet;

use crate::domain::access::{Actor, Grant, GrantEffect, Member, Permission, Resource};
use crate::domain::ids::{ProjectName, RoleName};

use super::authorize::{Ground, Policy, ground, subjects};
use super::grants::in_environment;
use crate::domain::glob::Glob;

/// A line of `access.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRef {
    /// The role that it stands under.
    pub role: RoleName,
    /// The line in the file, 1-based.
    pub line: u32,
    /// Whether it allows or denies.
    pub effect: GrantEffect,
    /// Its glob.
    pub on: String,
}

/// How a decision came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub allowed: bool,
    /// The way to it, a sentence a step.
    pub steps: Vec<String>,
    /// The line that decided, where a line did.
    pub deciding: Option<GrantRef>,
}

/// A role that is enough for something, with who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleHolders {
    /// The role.
    pub role: RoleName,
    /// Its members.
    pub members: BTreeSet<Member>,
}

fn deciding(role: &RoleName, grant: &Grant) -> GrantRef {
    GrantRef { role: role.clone(), line: grant.line, effect: grant.effect, on: grant.on.clone() }
}

fn sentence(grant: &GrantRef, environment: Option<&crate::domain::ids::Environment>) -> String {
    let effect = match grant.effect {
        GrantEffect::Allow => "allows",
        GrantEffect::Deny => "denies",
    };
    let only = environment.map(|e| format!(" in environment {e}")).unwrap_or_default();
    format!("role {} {effect} it on {}{only} (access.yaml, line {})", grant.role, grant.on, grant.line)
}

impl Policy {
    /// Explains a decision. Its `allowed` is always what [`Policy::authorize`] decides.
    #[must_use]
    pub fn explain(&self, actor: &Actor, permission: Permission, resource: &Resource) -> Explanation {
        let allowed = self.allows(actor, permission, resource);
        let mut steps = Vec::new();
        match (ground(actor, permission, resource), resource.project()) {
            (Ground::Allowed(why), _) => steps.push(format!("{}: {why}", actor.principal)),
            (Ground::Refused(why), _) => steps.push(why),
            (Ground::Grants, None) => steps.push("no project's access.yaml speaks about this".to_owned()),
            (Ground::Grants, Some(project)) => {
                let deciding = self.weigh(actor, permission, resource, project, &mut steps);
                return Explanation { allowed, steps, deciding };
            }
        }
        Explanation { allowed, steps, deciding: None }
    }

    /// Who may do this: the roles that are enough by themselves. Somebody who holds another role that denies it may not.
    #[must_use]
    pub fn who_may(&self, permission: Permission, resource: &Resource) -> Vec<RoleHolders> {
        let Some((rules, _)) = resource.project().and_then(|project| self.projects.get(project)) else {
            return Vec::new();
        };
        let enough = |role: &RoleName| {
            self.casbin.decide(&BTreeSet::from([role.clone()]), permission, resource).unwrap_or(false)
        };
        let can_hold = |member: &Member| permission != Permission::Approve || !matches!(member, Member::Service(_));
        rules
            .roles
            .keys()
            .filter(|role| enough(role))
            .map(|role| RoleHolders {
                role: role.clone(),
                members: rules.members.get(role).into_iter().flatten().filter(|m| can_hold(m)).cloned().collect(),
            })
            .collect()
    }

    /// The last step of the explanation: why it is a no.
    pub(super) fn why_not(&self, actor: &Actor, permission: Permission, resource: &Resource) -> String {
        self.explain(actor, permission, resource).steps.pop().unwrap_or_else(|| "nothing allows it".to_owned())
    }

    fn weigh(
        &self,
        actor: &Actor,
        permission: Permission,
        resource: &Resource,
        project: &ProjectName,
        steps: &mut Vec<String>,
    ) -> Option<GrantRef> {
        let Some((rules, _)) = self.projects.get(project) else {
            steps.push(format!("project {project} has no access.yaml, so nothing is allowed there"));
            return None;
        };
        let mut roles = BTreeSet::new();
        for subject in subjects(actor) {
            for role in self.casbin.roles_of(&subject, project) {
                let as_whom =
                    if subject == actor.principal.to_string() { String::new() } else { format!(" by {subject}") };
                steps.push(format!("{} holds role {role}{as_whom}", actor.principal));
                roles.insert(role);
            }
        }
        if roles.is_empty() {
            steps.push(format!("{} holds no role in project {project}", actor.principal));
            return None;
        }
        let path = resource.path();
        let (mut allow, mut deny) = (None, None);
        for role in &roles {
            for grant in rules.roles.get(role).into_iter().flatten() {
                let fits = grant.permissions.contains(&permission)
                    && in_environment(grant.effect, grant.environment.as_ref(), resource.environment())
                    && Glob::new(&grant.on).covers(&path);
                if !fits {
                    continue;
                }
                let found = deciding(role, grant);
                if grant.effect == GrantEffect::Allow {
                    steps.push(sentence(&found, grant.environment.as_ref()));
                    allow.get_or_insert(found);
                } else {
                    deny.get_or_insert((sentence(&found, grant.environment.as_ref()), found));
                }
            }
        }
        if let Some((why, found)) = deny {
            steps.push(format!("{why}; a deny wins over every allow"));
            return Some(found);
        }
        if allow.is_none() {
            steps.push(format!("no line of the roles {} allows {permission} on {path}", list(&roles)));
        }
        allow
    }
}

fn list(roles: &BTreeSet<RoleName>) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(", ")
}
