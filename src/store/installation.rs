//! The installation itself: an id and a birthday, set once.

use diesel::prelude::*;

use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::schema::installation;

/// The installation that a database belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = installation, check_for_backend(MultiBackend))]
pub struct Installation {
    /// Drawn by the first start.
    pub id: String,
    /// When that was.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
}

/// The installation, if the database has been set up.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn) -> Result<Option<Installation>, StoreError> {
    Ok(installation::table.select(Installation::as_select()).first(c).optional()?)
}

/// Gives the database its id unless it has one, and returns the one that stands.
///
/// # Errors
/// Those of the database.
pub fn found(c: &mut Conn, id: &str, now: Timestamp) -> Result<Installation, StoreError> {
    if let Some(there) = find(c)? {
        return Ok(there);
    }
    let row = (installation::only_one.eq(1), installation::id.eq(id), installation::created_at.eq(stamp(now)));
    diesel::insert_into(installation::table).values(row).execute(c)?;
    find(c)?.ok_or_else(|| StoreError::not_found("the installation, although it was just written"))
}
