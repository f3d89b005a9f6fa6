//! Projects by name. Everything else about them stands in their definitions.

use diesel::prelude::*;

use crate::domain::access::{Permit, Resource};
use crate::domain::ids::ProjectName;
use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::projects;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(MultiBackend))]
pub struct ProjectRecord {
    /// Its name.
    pub name: ProjectName,
    /// When it was first applied.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
}

/// Makes the project unless it is there; whether it was made.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the project; those of the database.
pub fn ensure(c: &mut Conn, permit: &Permit, name: &ProjectName, now: Timestamp) -> Result<bool, StoreError> {
    permit::exactly(permit, &Resource::Project { project: name.clone() })?;
    if find(c, name)?.is_some() {
        return Ok(false);
    }
    let row = (projects::name.eq(name.as_str()), projects::created_at.eq(stamp(now)));
    diesel::insert_into(projects::table).values(row).execute(c)?;
    Ok(true)
}

/// The project of this name.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, name: &ProjectName) -> Result<Option<ProjectRecord>, StoreError> {
    Ok(projects::table.find(name.as_str()).select(ProjectRecord::as_select()).first(c).optional()?)
}

/// Projects by name, after the one given.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, after: Option<&ProjectName>, wanted: u32) -> Result<Vec<ProjectRecord>, StoreError> {
    let after = after.map_or("", ProjectName::as_str);
    let query = projects::table.filter(projects::name.gt(after)).order(projects::name).limit(limit(wanted));
    Ok(query.select(ProjectRecord::as_select()).load(c)?)
}
