//! What each enricher made of an event, once.

use diesel::prelude::*;

use super::EnricherRef;
use crate::domain::access::Permit;
use crate::domain::enricher::label::Label;
use crate::domain::ids::{EnricherName, EventId, ProjectName};
use crate::domain::time::Timestamp;
use crate::store::column::{Json, Stamp, json, stamp, unwraps_json};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::event_labels;

unwraps_json!(Label);

/// What an enricher made of an event.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = event_labels, check_for_backend(MultiBackend))]
pub struct LabelRecord {
    /// The event.
    pub event_id: EventId,
    /// The enricher's definition.
    pub definition_id: String,
    /// Its name then.
    pub enricher: EnricherName,
    /// Its revision then.
    pub revision: i64,
    /// The label, or why there is none.
    #[diesel(deserialize_as = Json<Label>)]
    pub label: Label,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub made_at: Timestamp,
}

/// Stores what an enricher made of an event, unless something is there already. Whether it was new.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the enricher; those of the database.
pub fn insert_once(
    c: &mut Conn,
    permit: &Permit,
    by: &EnricherRef,
    revision: i64,
    event: EventId,
    label: &Label,
    now: Timestamp,
) -> Result<bool, StoreError> {
    permit::exactly(permit, &by.resource())?;
    let row = (
        event_labels::event_id.eq(event.to_string()),
        event_labels::definition_id.eq(&by.definition),
        event_labels::project.eq(by.project.as_str()),
        event_labels::enricher.eq(by.name.as_str()),
        event_labels::revision.eq(revision),
        event_labels::label.eq(json(label)?),
        event_labels::made_at.eq(stamp(now)),
    );
    let rows = on_each!(c, c => diesel::insert_into(event_labels::table)
        .values(row)
        .on_conflict((event_labels::event_id, event_labels::definition_id))
        .do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}

/// What enrichers made of an event, in the order of time.
///
/// # Errors
/// Those of the database.
pub fn of_event(c: &mut Conn, event: EventId) -> Result<Vec<LabelRecord>, StoreError> {
    of_events(c, &[event])
}

/// What enrichers made of these events.
///
/// # Errors
/// Those of the database.
pub fn of_events(c: &mut Conn, events: &[EventId]) -> Result<Vec<LabelRecord>, StoreError> {
    let ids: Vec<String> = events.iter().map(ToString::to_string).collect();
    Ok(event_labels::table
        .filter(event_labels::event_id.eq_any(ids))
        .order((event_labels::event_id, event_labels::made_at, event_labels::definition_id))
        .select(LabelRecord::as_select())
        .load(c)?)
}

/// The newest thing that an enricher made of any event.
///
/// # Errors
/// Those of the database.
pub fn newest(c: &mut Conn, project: &ProjectName, definition: &str) -> Result<Option<LabelRecord>, StoreError> {
    Ok(event_labels::table
        .filter(event_labels::project.eq(project.as_str()))
        .filter(event_labels::definition_id.eq(definition))
        .order(event_labels::made_at.desc())
        .select(LabelRecord::as_select())
        .first(c)
        .optional()?)
}

/// Removes the labels of a project's events from before a time.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit in the project; those of the database.
pub fn prune(c: &mut Conn, permit: &Permit, project: &ProjectName, before: Timestamp) -> Result<usize, StoreError> {
    permit::within(permit, project)?;
    let old = event_labels::table
        .filter(event_labels::project.eq(project.as_str()))
        .filter(event_labels::made_at.lt(stamp(before)));
    Ok(diesel::delete(old).execute(c)?)
}
