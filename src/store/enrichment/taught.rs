//! Labels that people gave, for classifiers to learn from. Each holds the text that it is of, so that what was learned
//! outlives the event.

use diesel::prelude::*;

use super::EnricherRef;
use crate::domain::access::{Permit, Principal};
use crate::domain::ids::EventId;
use crate::domain::time::Timestamp;
use crate::store::column::{Stamp, stamp};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::taught_labels;

/// A label that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = taught_labels, check_for_backend(MultiBackend))]
pub struct TaughtRecord {
    /// The enricher's definition.
    pub definition_id: String,
    /// The event.
    pub event_id: EventId,
    /// The label.
    pub label: String,
    /// The text that it is of.
    pub text: String,
    /// Who gave it.
    pub taught_by: Principal,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub taught_at: Timestamp,
}

/// Stores a label that somebody gives, in place of an earlier one of the same event.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the enricher; those of the database.
pub fn set(
    c: &mut Conn,
    permit: &Permit,
    by: &EnricherRef,
    event: EventId,
    label: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::exactly(permit, &by.resource())?;
    let change = (
        taught_labels::label.eq(label),
        taught_labels::text.eq(text),
        taught_labels::taught_by.eq(permit.actor().principal.to_string()),
        taught_labels::taught_at.eq(stamp(now)),
    );
    let row = (
        taught_labels::definition_id.eq(&by.definition),
        taught_labels::event_id.eq(event.to_string()),
        taught_labels::project.eq(by.project.as_str()),
        taught_labels::enricher.eq(by.name.as_str()),
        change.clone(),
    );
    on_each!(c, c => diesel::insert_into(taught_labels::table)
        .values(row)
        .on_conflict((taught_labels::definition_id, taught_labels::event_id))
        .do_nothing()
        .execute(c))?;
    diesel::update(taught_labels::table.find((&by.definition, event.to_string()))).set(change).execute(c)?;
    Ok(())
}

/// Takes a label back. Whether there was one.
///
/// # Errors
/// As [`set`].
pub fn take_back(c: &mut Conn, permit: &Permit, by: &EnricherRef, event: EventId) -> Result<bool, StoreError> {
    permit::exactly(permit, &by.resource())?;
    Ok(diesel::delete(taught_labels::table.find((&by.definition, event.to_string()))).execute(c)? == 1)
}

/// What people said of an event.
///
/// # Errors
/// Those of the database.
pub fn of_event(c: &mut Conn, definition: &str, event: EventId) -> Result<Option<TaughtRecord>, StoreError> {
    Ok(taught_labels::table
        .find((definition, event.to_string()))
        .select(TaughtRecord::as_select())
        .first(c)
        .optional()?)
}

/// The newest labels of an enricher, the newest first.
///
/// # Errors
/// Those of the database.
pub fn newest(c: &mut Conn, definition: &str, wanted: u32) -> Result<Vec<TaughtRecord>, StoreError> {
    Ok(taught_labels::table
        .filter(taught_labels::definition_id.eq(definition))
        .order((taught_labels::taught_at.desc(), taught_labels::event_id.desc()))
        .limit(i64::from(wanted))
        .select(TaughtRecord::as_select())
        .load(c)?)
}

/// A text that is another one whenever anything was taught or taken back since.
///
/// # Errors
/// Those of the database.
pub fn stamp_of(c: &mut Conn, definition: &str) -> Result<String, StoreError> {
    use diesel::dsl::{count_star, max};
    let stamp: (i64, Option<chrono::NaiveDateTime>) = taught_labels::table
        .filter(taught_labels::definition_id.eq(definition))
        .select((count_star(), max(taught_labels::taught_at)))
        .first(c)?;
    Ok(format!("{stamp:?}"))
}
