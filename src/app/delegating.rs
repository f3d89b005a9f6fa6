//! "Approve for me until Monday": a person lets somebody of their own role sign for them. It gives nobody a right.

use std::collections::BTreeSet;

use serde_json::json;

use super::App;
use super::catalogue::Catalogue;
use super::error::{AppError, AppResult};
use super::planning::person;
use super::record::Source;
use super::signers::{actor_of, party};
use super::telling::tell_of;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::approval::{Need, Side, delegate};
use crate::domain::ids::{DelegationId, ProjectName, RoleName, UserName};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::time::Timestamp;
use crate::store::delegations as rows;
pub use crate::store::delegations::DelegationRecord as Delegation;
use crate::store::{Conn, StoreError, users};

/// What somebody asks for who will not be there.
#[derive(Debug, Clone)]
pub struct NewDelegation {
    /// The project.
    pub project: ProjectName,
    /// The role that they hold.
    pub role: RoleName,
    /// Who is to sign for them.
    pub to: UserName,
    /// Until when.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
}

impl App {
    /// Lets somebody of the same role sign for the actor, until a time.
    ///
    /// # Errors
    /// The refusals of the decision; not found for a project that the actor has no role in.
    pub async fn delegate(&self, actor: &Actor, new: NewDelegation, source: &Source) -> AppResult<Delegation> {
        let catalogue = self.catalogue().await?;
        let from = person(&actor.principal).filter(|_| actor.is_person()).ok_or_else(AppError::not_found)?;
        if catalogue.policy.roles_of(actor, &new.project).is_empty() {
            return Err(AppError::not_found());
        }
        let permit = self.authorize(actor, Permission::Edit, &Resource::Account { name: from.clone() })?;
        let own = self.own_permit(Permission::Cancel)?;
        let now = self.clock.now();
        let (recorder, actor, source) = (self.recorder(), actor.clone(), source.to_owned());
        self.db
            .write(move |c| {
                let sides =
                    [side(c, &catalogue, &from, &new.project, now)?, side(c, &catalogue, &new.to, &new.project, now)?];
                let [(one, own_roles), (other, other_roles)] = &sides;
                let from_side = Side { user: &from, party: one, roles: own_roles };
                let to_side = Side { user: &new.to, party: other, roles: other_roles };
                delegate(from_side, to_side, &new.role, new.ends_at, now)?;
                let record = Delegation {
                    id: DelegationId::new(uuid::Uuid::now_v7()),
                    project: new.project.clone(),
                    role: new.role.clone(),
                    from: from.clone(),
                    to: new.to.clone(),
                    reason: new.reason.trim().chars().take(500).collect(),
                    created_at: now,
                    ends_at: new.ends_at,
                    ended_at: None,
                };
                rows::create(c, &permit, &record)?;
                let detail = json!({
                    "role": record.role, "to": record.to, "ends_at": record.ends_at, "reason": record.reason,
                });
                let resource = format!("user:{from}");
                recorder.note(c, &actor, &source, "delegation.made", resource, Some(&record.project), detail)?;
                let words = format!("{from} lets {} sign as {} until {}.", record.to, record.role, record.ends_at);
                let audience = vec![Audience::User(record.to.clone())];
                let what = (NoticeKind::Delegated, audience);
                tell_of(c, &own, &record.project, None, what, Some(&actor.principal), words, now)?;
                Ok::<_, AppError>(record)
            })
            .await
    }

    /// Ends a delegation of the actor before its time.
    ///
    /// # Errors
    /// Not found.
    pub async fn end_delegation(&self, actor: &Actor, id: DelegationId, source: &Source) -> AppResult<()> {
        let from = person(&actor.principal).filter(|_| actor.is_person()).ok_or_else(AppError::not_found)?;
        let permit = self.authorize(actor, Permission::Edit, &Resource::Account { name: from.clone() })?;
        let now = self.clock.now();
        let (recorder, actor, source) = (self.recorder(), actor.clone(), source.to_owned());
        self.db
            .write(move |c| {
                rows::end(c, &permit, &from, id, now)?;
                let detail = json!({ "delegation": id.to_string() });
                recorder.note(c, &actor, &source, "delegation.ended", format!("user:{from}"), None, detail)?;
                Ok::<_, AppError>(())
            })
            .await
    }

    /// What holds now from or to the actor.
    ///
    /// # Errors
    /// The database.
    pub async fn delegations(&self, actor: &Actor) -> AppResult<Vec<Delegation>> {
        let Some(name) = person(&actor.principal) else { return Ok(Vec::new()) };
        let now = self.clock.now();
        Ok(self.db.read(move |c| rows::holding(c, None, Some(&name), now)).await?)
    }
}

/// Who an account is and the roles that it holds in a project now; none where it is closed or not there.
fn side(
    c: &mut Conn,
    catalogue: &Catalogue,
    name: &UserName,
    project: &ProjectName,
    now: Timestamp,
) -> Result<(crate::domain::approval::Party, BTreeSet<RoleName>), StoreError> {
    let party = party(c, name, &BTreeSet::new())?;
    let user = users::find(c, name)?.filter(|u| u.active);
    Ok((party, user.map(|u| catalogue.policy.roles_of(&actor_of(u, now), project)).unwrap_or_default()))
}

/// Those that hold now for the lines of a request: both sides still hold the role.
pub(super) fn holding_for(
    c: &mut Conn,
    catalogue: &Catalogue,
    project: &ProjectName,
    need: &[Need],
    now: Timestamp,
) -> Result<Vec<Delegation>, StoreError> {
    let mut out = Vec::new();
    for delegation in rows::holding(c, Some(project), None, now)? {
        if !need.iter().any(|n| n.role == delegation.role) {
            continue;
        }
        let (_, from) = side(c, catalogue, &delegation.from, project, now)?;
        let (_, to) = side(c, catalogue, &delegation.to, project, now)?;
        if from.contains(&delegation.role) && to.contains(&delegation.role) {
            out.push(delegation);
        }
    }
    Ok(out)
}
