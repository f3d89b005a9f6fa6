//! What is left of events that had been kept long enough: how many there were.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::domain::access::Permit;
use crate::domain::event::EventVerdict;
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::time::Timestamp;
use crate::store::column::{Stamp, event_verdict_word, stamp};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::rules::verdicts::Outcome;
use crate::store::schema::{event_tallies, events, verdicts};

/// How many events of a day were alike.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = event_tallies, check_for_backend(MultiBackend))]
pub struct Tally {
    /// The day in UTC, `2026-11-28`.
    pub day: String,
    /// Where they came from.
    pub source: String,
    /// What they were.
    pub event_type: String,
    /// The rule that looked at them; empty where the events themselves are counted.
    pub rule: String,
    /// What was made of them.
    pub outcome: String,
    /// How many.
    pub count: i64,
}

#[derive(Queryable)]
struct Old {
    id: EventId,
    #[diesel(deserialize_as = Stamp)]
    received_at: Timestamp,
    source: String,
    event_type: String,
    verdict: EventVerdict,
}

/// Day, source, type, rule, outcome.
type Alike = (String, String, String, String, String);

/// Removes the oldest events of a project from before a time, with their verdicts, and counts them; how many events, at most
/// as many as wanted.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit in the project; those of the database.
pub fn prune(
    c: &mut Conn,
    permit: &Permit,
    project: &ProjectName,
    before: Timestamp,
    wanted: u32,
) -> Result<usize, StoreError> {
    permit::within(permit, project)?;
    let old: Vec<Old> = events::table
        .filter(events::project.eq(project.as_str()))
        .filter(events::received_at.lt(stamp(before)))
        .order((events::received_at, events::id))
        .limit(i64::from(wanted))
        .select((events::id, events::received_at, events::source, events::event_type, events::verdict))
        .load(c)?;
    let ids: Vec<String> = old.iter().map(|e| e.id.to_string()).collect();
    let looked: Vec<(EventId, String, Outcome)> = verdicts::table
        .filter(verdicts::event_id.eq_any(&ids))
        .select((verdicts::event_id, verdicts::rule, verdicts::outcome))
        .load(c)?;
    let mut counts: BTreeMap<Alike, i64> = BTreeMap::new();
    let mut count = |event: &Old, rule: String, outcome: &str| {
        let day = event.received_at.format("%Y-%m-%d").to_string();
        let alike = (day, event.source.clone(), event.event_type.clone(), rule, outcome.to_owned());
        *counts.entry(alike).or_default() += 1;
    };
    let by_id: BTreeMap<EventId, &Old> = old.iter().map(|e| (e.id, e)).collect();
    for event in &old {
        count(event, String::new(), event_verdict_word(event.verdict));
    }
    for (event, rule, outcome) in looked {
        if let Some(event) = by_id.get(&event) {
            count(event, rule, outcome.as_str());
        }
    }
    for (alike, count) in counts {
        add(c, project, alike, count)?;
    }
    diesel::delete(verdicts::table.filter(verdicts::event_id.eq_any(&ids))).execute(c)?;
    Ok(diesel::delete(events::table.filter(events::id.eq_any(&ids))).execute(c)?)
}

fn add(c: &mut Conn, project: &ProjectName, alike: Alike, count: i64) -> Result<(), StoreError> {
    let (day, source, event_type, rule, outcome) = alike;
    let row = (
        event_tallies::project.eq(project.as_str()),
        event_tallies::day.eq(day),
        event_tallies::source.eq(source),
        event_tallies::event_type.eq(event_type),
        event_tallies::rule.eq(rule),
        event_tallies::outcome.eq(outcome),
        event_tallies::count.eq(count),
    );
    let key = (
        event_tallies::project,
        event_tallies::day,
        event_tallies::source,
        event_tallies::event_type,
        event_tallies::rule,
        event_tallies::outcome,
    );
    on_each!(c, c => diesel::insert_into(event_tallies::table)
        .values(row)
        .on_conflict(key)
        .do_update()
        .set(event_tallies::count.eq(event_tallies::count + excluded(event_tallies::count)))
        .execute(c))?;
    Ok(())
}

/// What was counted of a project, the newest days first; those of events, or those of rules.
///
/// # Errors
/// Those of the database.
pub fn tallies(c: &mut Conn, project: &ProjectName, of_rules: bool, wanted: u32) -> Result<Vec<Tally>, StoreError> {
    let all = event_tallies::table.filter(event_tallies::project.eq(project.as_str())).into_boxed();
    let all = if of_rules { all.filter(event_tallies::rule.ne("")) } else { all.filter(event_tallies::rule.eq("")) };
    Ok(all
        // The way of the key, backwards: nothing is sorted.
        .order((
            event_tallies::day.desc(),
            event_tallies::source.desc(),
            event_tallies::event_type.desc(),
            event_tallies::rule.desc(),
            event_tallies::outcome.desc(),
        ))
        .limit(i64::from(wanted))
        .select(Tally::as_select())
        .load(c)?)
}
