//! The decision: may this actor do this here?

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::access::{AccessRules, Actor, Denied, Permission, Permit, Principal, Resource, Via};
use crate::domain::ids::{ProjectName, RoleName};

use super::casbin::Casbin;
use super::grants::CompiledGrants;

/// Why a policy cannot be built or asked. Both are bugs; nobody is let in then.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// casbin refused the model, a row or a request.
    #[error("the access rules cannot be evaluated")]
    Casbin(#[from] Box<casbin::Error>),
    /// casbin wanted to wait for something, although everything is in memory.
    #[error("the access rules could not be loaded at once")]
    NotReady,
}

/// The access rules of every project, as of one revision each.
pub struct Policy {
    pub(super) projects: BTreeMap<ProjectName, (AccessRules, i64)>,
    pub(super) casbin: Casbin,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("projects", &self.projects.keys()).finish_non_exhaustive()
    }
}

/// Where a decision comes from, before grants are looked at.
pub(super) enum Ground {
    /// Allowed by what the actor is; the sentence says so.
    Allowed(&'static str),
    /// Refused whatever the grants say.
    Refused(String),
    /// The grants of the actor's roles decide.
    Grants,
}

impl Policy {
    /// Builds the policy from each project's rules with the revision of its `access.yaml`.
    ///
    /// # Errors
    /// [`PolicyError`] when casbin does not take the rules.
    pub fn build(projects: &BTreeMap<ProjectName, (AccessRules, i64)>) -> Result<Self, PolicyError> {
        let casbin = Casbin::load(projects.iter().map(|(name, (rules, _))| (name, rules)))?;
        Ok(Self { projects: projects.clone(), casbin })
    }

    /// The revision of a project's rules that this policy was built from.
    #[must_use]
    pub fn revision(&self, project: &ProjectName) -> Option<i64> {
        self.projects.get(project).map(|(_, revision)| *revision)
    }

    /// Decides, and gives the proof.
    ///
    /// # Errors
    /// [`Denied::Hidden`] when the actor may not even see the resource, otherwise [`Denied::Forbidden`] with the line
    /// that decided.
    pub fn authorize(&self, actor: &Actor, permission: Permission, resource: &Resource) -> Result<Permit, Denied> {
        if self.allows(actor, permission, resource) {
            return Ok(Permit::mint(actor.clone(), permission, resource.clone()));
        }
        // A token's scopes narrow what its owner may do, not what there is.
        if !self.owner_allows(actor, Permission::View, resource) {
            return Err(Denied::Hidden);
        }
        Err(Denied::Forbidden {
            principal: actor.principal.to_string(),
            permission,
            resource: resource.to_string(),
            why: self.why_not(actor, permission, resource),
        })
    }

    /// The actor's roles in a project.
    #[must_use]
    pub fn roles_of(&self, actor: &Actor, project: &ProjectName) -> BTreeSet<RoleName> {
        subjects(actor).iter().flat_map(|subject| self.casbin.roles_of(subject, project)).collect()
    }

    /// The actor's grants for a permission in a project, for narrowing lists.
    #[must_use]
    pub fn grants(&self, actor: &Actor, permission: Permission, project: &ProjectName) -> CompiledGrants {
        let place = Resource::Project { project: project.clone() };
        match ground(actor, permission, &place) {
            Ground::Allowed(_) => CompiledGrants::everything(project),
            Ground::Refused(_) => CompiledGrants::nothing(project),
            Ground::Grants => match self.projects.get(project) {
                Some((rules, _)) => {
                    CompiledGrants::of_roles(project, rules, &self.roles_of(actor, project), permission)
                }
                None => CompiledGrants::nothing(project),
            },
        }
    }

    pub(super) fn allows(&self, actor: &Actor, permission: Permission, resource: &Resource) -> bool {
        match ground(actor, permission, resource) {
            Ground::Allowed(_) => true,
            Ground::Refused(_) => false,
            Ground::Grants => self.roles_allow(actor, permission, resource),
        }
    }

    fn owner_allows(&self, actor: &Actor, permission: Permission, resource: &Resource) -> bool {
        let mut owner = actor.clone();
        if let Via::Token { scopes, .. } = &mut owner.via {
            *scopes = None;
        }
        self.allows(&owner, permission, resource)
    }

    fn roles_allow(&self, actor: &Actor, permission: Permission, resource: &Resource) -> bool {
        let Some(project) = resource.project() else { return false };
        let roles = self.roles_of(actor, project);
        if roles.is_empty() {
            return false;
        }
        self.casbin.decide(&roles, permission, resource).unwrap_or_else(|error| {
            tracing::error!(%error, "an access decision failed; it counts as no");
            false
        })
    }
}

/// The names under which the actor can be a member of a role.
pub(super) fn subjects(actor: &Actor) -> Vec<String> {
    match &actor.principal {
        Principal::User(_) => {
            let groups = actor.groups.iter().map(|group| format!("group:{group}"));
            std::iter::once(actor.principal.to_string()).chain(groups).collect()
        }
        Principal::Service(_) => vec![actor.principal.to_string()],
        Principal::Operator(_) | Principal::System => Vec::new(),
    }
}

/// What is decided by who the actor is and how they came in.
pub(super) fn ground(actor: &Actor, permission: Permission, resource: &Resource) -> Ground {
    if let Via::Token { scopes: Some(scopes), .. } = &actor.via
        && !scopes.contains(&permission)
    {
        let scopes: Vec<&str> = scopes.iter().map(|s| s.as_str()).collect();
        return Ground::Refused(format!("this token is narrowed to {}", scopes.join(", ")));
    }
    // Nothing implies `approve`, nor the way round it: not `administer`, not being Interlock itself.
    if matches!(permission, Permission::Approve | Permission::BreakGlass) {
        if !actor.is_person() {
            return Ground::Refused(format!("only a signed-in person can be allowed to {permission}"));
        }
        return Ground::Grants;
    }
    // A token that could change accounts could make itself a wider one, whoever its owner is.
    if let Resource::Account { .. } = resource
        && actor.is_token()
        && permission != Permission::View
    {
        return Ground::Refused("an account is changed by a person signed in, not by a token".to_owned());
    }
    match &actor.principal {
        Principal::System => return Ground::Allowed("Interlock itself acts on earlier decisions"),
        Principal::Operator(_) => return Ground::Allowed("who has the data folder may do everything but approve"),
        Principal::User(_) if actor.administrator => {
            return Ground::Allowed("an administrator may do everything but approve");
        }
        Principal::User(_) | Principal::Service(_) => {}
    }
    match resource {
        Resource::System => Ground::Refused("only an administrator may do this".to_owned()),
        Resource::Account { name } => own_account(actor, permission, actor.principal == Principal::User(name.clone())),
        _ => Ground::Grants,
    }
}

/// People look after their own account.
fn own_account(actor: &Actor, permission: Permission, own: bool) -> Ground {
    match (own, permission) {
        (true, Permission::View) => Ground::Allowed("it is the actor's own account"),
        (true, Permission::Edit) if actor.is_person() => Ground::Allowed("it is the actor's own account"),
        _ => Ground::Refused("only its owner or an administrator may do this to an account".to_owned()),
    }
}
