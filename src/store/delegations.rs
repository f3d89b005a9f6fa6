//! Who lets whom sign for them, and until when.

use diesel::prelude::*;

use super::column::{MaybeStamp, Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::delegations;
use crate::domain::access::Permit;
use crate::domain::ids::{DelegationId, ProjectName, RoleName, UserName};
use crate::domain::time::Timestamp;

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = delegations, check_for_backend(MultiBackend))]
pub struct DelegationRecord {
    /// Its id.
    pub id: DelegationId,
    /// The project.
    pub project: ProjectName,
    /// The role that both hold.
    pub role: RoleName,
    /// Who lets somebody sign for them.
    #[diesel(column_name = from_user)]
    pub from: UserName,
    /// Who signs for them.
    #[diesel(column_name = to_user)]
    pub to: UserName,
    /// Why, in their words.
    pub reason: String,
    /// Since when.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// Until when.
    #[diesel(deserialize_as = Stamp)]
    pub ends_at: Timestamp,
    /// When it was ended before that.
    #[diesel(deserialize_as = MaybeStamp)]
    pub ended_at: Option<Timestamp>,
}

/// Writes a delegation.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the account that signs no more; those of the database.
pub fn create(c: &mut Conn, permit: &Permit, new: &DelegationRecord) -> Result<(), StoreError> {
    permit::account(permit, &new.from)?;
    let row = (
        delegations::id.eq(new.id.to_string()),
        delegations::project.eq(new.project.as_str()),
        delegations::role.eq(new.role.as_str()),
        delegations::from_user.eq(new.from.as_str()),
        delegations::to_user.eq(new.to.as_str()),
        delegations::reason.eq(&new.reason),
        delegations::created_at.eq(stamp(new.created_at)),
        delegations::ends_at.eq(stamp(new.ends_at)),
    );
    diesel::insert_into(delegations::table).values(row).execute(c)?;
    Ok(())
}

/// Ends a delegation of this account before its time.
///
/// # Errors
/// [`StoreError::NotFound`] when the account has no such one, or it has ended; [`StoreError::PermitMismatch`]; those of
/// the database.
pub fn end(c: &mut Conn, permit: &Permit, from: &UserName, id: DelegationId, now: Timestamp) -> Result<(), StoreError> {
    permit::account(permit, from)?;
    let open = delegations::table
        .filter(delegations::id.eq(id.to_string()))
        .filter(delegations::from_user.eq(from.as_str()))
        .filter(delegations::ended_at.is_null())
        .filter(delegations::ends_at.gt(stamp(now)));
    match diesel::update(open).set(delegations::ended_at.eq(stamp(now))).execute(c)? {
        1 => Ok(()),
        _ => Err(StoreError::not_found(format!("delegation {id}"))),
    }
}

/// Those that hold now: of a project, or from or to somebody.
///
/// # Errors
/// Those of the database.
pub fn holding(
    c: &mut Conn,
    project: Option<&ProjectName>,
    user: Option<&UserName>,
    now: Timestamp,
) -> Result<Vec<DelegationRecord>, StoreError> {
    let mut query = delegations::table
        .filter(delegations::ended_at.is_null())
        .filter(delegations::ends_at.gt(stamp(now)))
        .order((delegations::ends_at, delegations::id))
        .limit(limit(200))
        .select(DelegationRecord::as_select())
        .into_boxed();
    if let Some(project) = project {
        query = query.filter(delegations::project.eq(project.as_str()));
    }
    if let Some(user) = user {
        query = query.filter(delegations::from_user.eq(user.as_str()).or(delegations::to_user.eq(user.as_str())));
    }
    Ok(query.load(c)?)
}
