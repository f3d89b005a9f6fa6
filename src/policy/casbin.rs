//! The one truth about grants: a casbin model with its rows in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use futures_util::FutureExt;

use crate::domain::access::{AccessRules, GrantEffect, Permission, Resource};
use crate::domain::ids::{ProjectName, RoleName};

use super::authorize::PolicyError;
use crate::domain::glob::Glob;

/// A request carries all roles of the actor at once, so that a deny by one role wins over an allow by another.
const MODEL: &str = "
[request_definition]
r = roles, project, path, permission, environment

[policy_definition]
p = role, project, on, permission, environment, eft

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.project == p.project && r.permission == p.permission && held(r.roles, p.role) \
 && within(r.environment, p.environment, p.eft) && covers(p.on, r.path)
";

/// Stands for no environment: no grant's, no resource's. No environment can be called so.
const NONE: &str = "-";
/// Stands between role names, which cannot hold it.
const BETWEEN: char = ',';
/// The most decisions that are remembered.
const REMEMBERED: usize = 10_000;

/// The enforcer of one set of access rules.
pub(super) struct Casbin {
    enforcer: Enforcer,
    /// Decisions taken before. The rules never change, so neither do these.
    known: Mutex<HashMap<[String; 5], bool>>,
}

fn held(roles: Dynamic, role: Dynamic) -> Dynamic {
    let role = dynamic_to_str(&role);
    dynamic_to_str(&roles).split(BETWEEN).any(|r| r == role).into()
}

fn within(resource: Dynamic, grant: Dynamic, effect: Dynamic) -> Dynamic {
    let (resource, grant) = (dynamic_to_str(&resource), dynamic_to_str(&grant));
    let unknown_and_denied = resource == NONE && dynamic_to_str(&effect) == "deny";
    (grant == NONE || grant == resource || unknown_and_denied).into()
}

fn covers(on: Dynamic, path: Dynamic) -> Dynamic {
    Glob::new(&dynamic_to_str(&on)).covers(&dynamic_to_str(&path)).into()
}

impl Casbin {
    /// Loads every role's grants and members.
    pub(super) fn load<'a>(
        projects: impl Iterator<Item = (&'a ProjectName, &'a AccessRules)>,
    ) -> Result<Self, PolicyError> {
        let mut grants = BTreeSet::new();
        let mut members = BTreeSet::new();
        for (project, rules) in projects {
            grants.extend(grant_rows(project, rules));
            for (role, holders) in &rules.members {
                members.extend(holders.iter().map(|m| vec![m.to_string(), role.to_string(), project.to_string()]));
            }
        }
        let load = async {
            let model = DefaultModel::from_str(MODEL).await?;
            let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
            enforcer.add_function("held", OperatorFunction::Arg2(held));
            enforcer.add_function("within", OperatorFunction::Arg3(within));
            enforcer.add_function("covers", OperatorFunction::Arg2(covers));
            if !grants.is_empty() {
                enforcer.add_policies(grants.into_iter().collect()).await?;
            }
            if !members.is_empty() {
                enforcer.add_grouping_policies(members.into_iter().collect()).await?;
            }
            Ok::<_, casbin::Error>(enforcer)
        };
        // Everything is in memory, so there is nothing to wait for.
        let enforcer = load.now_or_never().ok_or(PolicyError::NotReady)?.map_err(Box::new)?;
        Ok(Self { enforcer, known: Mutex::default() })
    }

    /// The roles of a subject (`user:alice`, `group:sre`) in a project.
    pub(super) fn roles_of(&self, subject: &str, project: &ProjectName) -> BTreeSet<RoleName> {
        let manager = self.enforcer.get_role_manager();
        let names = manager.read().get_roles(subject, Some(project.as_str()));
        names.iter().filter_map(|name| RoleName::parse(name).ok()).collect()
    }

    /// Whether these roles together allow the permission on the resource.
    pub(super) fn decide(
        &self,
        roles: &BTreeSet<RoleName>,
        permission: Permission,
        resource: &Resource,
    ) -> Result<bool, PolicyError> {
        let Some(project) = resource.project() else { return Ok(false) };
        let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
        let request = [
            roles.join(&BETWEEN.to_string()),
            project.to_string(),
            resource.path(),
            permission.to_string(),
            resource.environment().map_or_else(|| NONE.to_owned(), ToString::to_string),
        ];
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&request) {
            return Ok(*known);
        }
        let allowed = self.enforcer.enforce(request.to_vec()).map_err(Box::new)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(request, allowed);
        Ok(allowed)
    }
}

fn grant_rows(project: &ProjectName, rules: &AccessRules) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (role, grants) in &rules.roles {
        for grant in grants {
            let environment = grant.environment.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
            let effect = match grant.effect {
                GrantEffect::Allow => "allow",
                GrantEffect::Deny => "deny",
            };
            for permission in &grant.permissions {
                let place = [role.to_string(), project.to_string(), grant.on.clone()];
                let rest = [permission.to_string(), environment.clone(), effect.to_owned()];
                rows.push(place.into_iter().chain(rest).collect());
            }
        }
    }
    rows
}
