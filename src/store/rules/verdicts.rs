//! One row for each event and rule that looked at it.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::access::{Permit, Resource};
use crate::domain::guard::GuardResult;
use crate::domain::ids::{EventId, ProjectName, RunNumber};
use crate::domain::rule::judge::Proposal;
use crate::domain::time::Timestamp;
use crate::store::column::{Json, MaybeJson, Stamp, json, stamp, unwraps_json, words};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::permit;
use crate::store::schema::verdicts;

words! {
    /// What a rule made of an event.
    Outcome, "the outcome of a rule" {
        /// Its criteria did not hold.
        NotMatched => "not_matched",
        /// A guard held it back.
        Held => "held",
        /// It wanted to act and could not.
        Refused => "refused",
        /// In dry run: it would have acted.
        Would => "would",
        /// It told people.
        Notified => "notified",
        /// It acted, which here means to do nothing.
        Nothing => "nothing",
        /// It asked for a run.
        Ran => "ran",
    }
}

/// The criteria as JSON; each holds path, operator, value, pattern, matched, reason and, inside of groups, group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Criteria(pub Vec<serde_json::Value>);

/// The guards that were asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Guards(pub Vec<GuardResult>);

unwraps_json!(Criteria, Guards, Proposal);

/// A verdict.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = verdicts, check_for_backend(MultiBackend))]
pub struct VerdictRecord {
    /// The event.
    pub event_id: EventId,
    /// The rule's definition.
    pub definition_id: String,
    /// Its revision then.
    pub revision: i64,
    /// The project.
    pub project: ProjectName,
    /// The rule's name then.
    pub rule: String,
    /// Whether it was live.
    pub live: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub detail: String,
    /// Each criterion with the value seen.
    #[diesel(deserialize_as = Json<Criteria>)]
    pub criteria: Criteria,
    /// What each guard said.
    #[diesel(deserialize_as = Json<Guards>)]
    pub guards: Guards,
    /// What it did or would have done.
    #[diesel(deserialize_as = MaybeJson<Proposal>)]
    pub proposal: Option<Proposal>,
    /// The run that it asked for.
    pub run: Option<RunNumber>,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
}

/// Stores a verdict unless there is one for the event and revision.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the rule; those of the database.
pub fn insert_once(c: &mut Conn, permit: &Permit, verdict: &VerdictRecord) -> Result<bool, StoreError> {
    let resource = Resource::Rule { project: verdict.project.clone(), name: verdict.rule.clone() };
    permit::exactly(permit, &resource)?;
    let row = (
        verdicts::event_id.eq(verdict.event_id.to_string()),
        verdicts::definition_id.eq(&verdict.definition_id),
        verdicts::revision.eq(verdict.revision),
        verdicts::project.eq(verdict.project.as_str()),
        verdicts::rule.eq(&verdict.rule),
        verdicts::live.eq(verdict.live),
        verdicts::outcome.eq(verdict.outcome.as_str()),
        verdicts::detail.eq(&verdict.detail),
        verdicts::criteria.eq(json(&verdict.criteria)?),
        verdicts::guards.eq(json(&verdict.guards)?),
        verdicts::proposal.eq(verdict.proposal.as_ref().map(json).transpose()?),
        verdicts::run.eq(verdict.run.map(RunNumber::get)),
        verdicts::created_at.eq(stamp(verdict.created_at)),
    );
    let rows = on_each!(c, c => diesel::insert_into(verdicts::table)
        .values(row)
        .on_conflict((verdicts::event_id, verdicts::definition_id, verdicts::revision))
        .do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}

/// What all rules made of an event.
///
/// # Errors
/// Those of the database.
pub fn of_event(c: &mut Conn, event: EventId) -> Result<Vec<VerdictRecord>, StoreError> {
    Ok(verdicts::table
        .filter(verdicts::event_id.eq(event.to_string()))
        .order((verdicts::rule, verdicts::revision))
        .limit(1_000)
        .select(VerdictRecord::as_select())
        .load(c)?)
}

/// What a rule made of events, the newest first; of some outcomes, or of all.
///
/// # Errors
/// Those of the database.
pub fn of_rule(
    c: &mut Conn,
    definition: &str,
    outcomes: &[Outcome],
    wanted: u32,
) -> Result<Vec<VerdictRecord>, StoreError> {
    let mut query = verdicts::table.filter(verdicts::definition_id.eq(definition)).into_boxed();
    if !outcomes.is_empty() {
        query = query.filter(verdicts::outcome.eq_any(outcomes.iter().map(|o| o.as_str()).collect::<Vec<_>>()));
    }
    Ok(query
        .order((verdicts::created_at.desc(), verdicts::event_id.desc()))
        .limit(limit(wanted))
        .select(VerdictRecord::as_select())
        .load(c)?)
}

/// What a rule of this name made of these events.
///
/// # Errors
/// Those of the database.
pub fn of_events(c: &mut Conn, definition: &str, events: &[EventId]) -> Result<Vec<(EventId, Outcome)>, StoreError> {
    let ids: Vec<String> = events.iter().map(ToString::to_string).collect();
    Ok(verdicts::table
        .filter(verdicts::definition_id.eq(definition))
        .filter(verdicts::event_id.eq_any(ids))
        .order(verdicts::revision)
        .select((verdicts::event_id, verdicts::outcome))
        .load(c)?)
}

/// How many events were held against a rule, from a revision on.
///
/// # Errors
/// Those of the database.
pub fn count(c: &mut Conn, definition: &str, from_revision: i64) -> Result<i64, StoreError> {
    Ok(verdicts::table
        .filter(verdicts::definition_id.eq(definition))
        .filter(verdicts::revision.ge(from_revision))
        .count()
        .get_result(c)?)
}
