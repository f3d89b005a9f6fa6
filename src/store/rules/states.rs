//! Where each text of a rule stands: whether it is live, and its breaker.

use diesel::prelude::*;

use crate::domain::access::{Permit, Principal, Resource};
use crate::domain::digest::Digest;
use crate::domain::guard::breaker;
use crate::domain::ids::ProjectName;
use crate::domain::time::Timestamp;
use crate::store::column::{MaybeStamp, reads_text, stamp};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::{revisions, rule_states};

reads_text! {
    breaker::State, "a breaker's state", breaker_state;
}

fn breaker_state(text: &str) -> Option<breaker::State> {
    use breaker::State::{Closed, HalfOpen, Open};
    [Closed, Open, HalfOpen].into_iter().find(|s| breaker_word(*s) == text)
}

/// The word of a breaker's state.
#[must_use]
pub const fn breaker_word(state: breaker::State) -> &'static str {
    match state {
        breaker::State::Closed => "closed",
        breaker::State::Open => "open",
        breaker::State::HalfOpen => "half_open",
    }
}

/// A text of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextOfRule {
    /// The rule's definition.
    pub definition: String,
    /// The text's digest.
    pub digest: Digest,
    /// The project.
    pub project: ProjectName,
    /// The rule's name.
    pub rule: String,
    /// The definitions of the enrichers that it asks: what they say decides what the rule does.
    pub enrichers: Vec<String>,
}

impl TextOfRule {
    fn resource(&self) -> Resource {
        Resource::Rule { project: self.project.clone(), name: self.rule.clone() }
    }
}

/// Where a text stands.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = rule_states, check_for_backend(MultiBackend))]
pub struct StateRecord {
    /// The revision that was promoted.
    pub live_revision: Option<i64>,
    /// Who asked for the promotion.
    pub asked_by: Option<Principal>,
    /// When.
    #[diesel(deserialize_as = MaybeStamp)]
    pub asked_at: Option<Timestamp>,
    /// Who confirmed it.
    pub promoted_by: Option<Principal>,
    /// When.
    #[diesel(deserialize_as = MaybeStamp)]
    pub promoted_at: Option<Timestamp>,
    /// The breaker.
    pub breaker: breaker::State,
    /// Since when it stands so; from then on it counts.
    #[diesel(deserialize_as = MaybeStamp)]
    pub breaker_since: Option<Timestamp>,
    /// Why it opened.
    pub breaker_reason: String,
    /// The enforcement that is its probe.
    pub breaker_probe: Option<String>,
}

/// Where a text stands, if anything is known of it.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, text: &TextOfRule) -> Result<Option<StateRecord>, StoreError> {
    Ok(rule_states::table
        .find((&text.definition, text.digest.to_string()))
        .select(StateRecord::as_select())
        .first(c)
        .optional()?)
}

/// Where a text stands, held by this transaction until it ends: of two that decide about the same rule, one waits.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the rule; those of the database.
pub fn hold(c: &mut Conn, permit: &Permit, text: &TextOfRule) -> Result<StateRecord, StoreError> {
    permit::exactly(permit, &text.resource())?;
    let row = (
        rule_states::definition_id.eq(&text.definition),
        rule_states::digest.eq(text.digest.to_string()),
        rule_states::project.eq(text.project.as_str()),
        rule_states::rule.eq(&text.rule),
        rule_states::breaker.eq(breaker_word(breaker::State::Closed)),
        rule_states::breaker_reason.eq(""),
        rule_states::changes.eq(0),
    );
    on_each!(c, c => diesel::insert_into(rule_states::table)
        .values(row)
        .on_conflict((rule_states::definition_id, rule_states::digest))
        .do_nothing()
        .execute(c))?;
    let own = rule_states::table.find((&text.definition, text.digest.to_string()));
    diesel::update(own).set(rule_states::changes.eq(rule_states::changes + 1)).execute(c)?;
    find(c, text)?.ok_or_else(|| StoreError::not_found("a rule's state, although it was just written"))
}

/// Whether the text is live: promoted, and not edited since. A revision with another digest ends it for good, also when
/// a later one has the old text again; so does any new revision of an enricher that the rule asks.
///
/// # Errors
/// Those of the database.
pub fn is_live(c: &mut Conn, text: &TextOfRule, state: &StateRecord) -> Result<bool, StoreError> {
    let Some(promoted) = state.live_revision else { return Ok(false) };
    let edited: i64 = revisions::table
        .filter(revisions::definition_id.eq(&text.definition))
        .filter(revisions::revision.gt(promoted))
        .filter(revisions::digest.ne(text.digest.to_string()))
        .count()
        .get_result(c)?;
    if edited > 0 {
        return Ok(false);
    }
    Ok(match (enrichers_since(c, text)?, state.promoted_at) {
        (Some(changed), Some(promoted)) => changed < promoted,
        (Some(_), None) => false,
        (None, _) => true,
    })
}

/// When an enricher that the rule asks was saved last.
fn enrichers_since(c: &mut Conn, text: &TextOfRule) -> Result<Option<Timestamp>, StoreError> {
    if text.enrichers.is_empty() {
        return Ok(None);
    }
    let newest: Option<chrono::NaiveDateTime> = revisions::table
        .filter(revisions::definition_id.eq_any(&text.enrichers))
        .select(diesel::dsl::max(revisions::created_at))
        .first(c)?;
    Ok(newest.map(|at| at.and_utc()))
}

/// The revision since which the rule has this text without a break: its number, the time since which it and its
/// enrichers are as they are, and its author.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn since(c: &mut Conn, text: &TextOfRule) -> Result<(i64, Timestamp, String), StoreError> {
    let other: Option<i64> = revisions::table
        .filter(revisions::definition_id.eq(&text.definition))
        .filter(revisions::digest.ne(text.digest.to_string()))
        .select(diesel::dsl::max(revisions::revision))
        .first(c)?;
    let first: Option<(i64, chrono::NaiveDateTime, String)> = revisions::table
        .filter(revisions::definition_id.eq(&text.definition))
        .filter(revisions::revision.gt(other.unwrap_or(0)))
        .order(revisions::revision)
        .select((revisions::revision, revisions::created_at, revisions::author))
        .first(c)
        .optional()?;
    let (revision, at, author) = first.ok_or_else(|| StoreError::not_found(format!("rule {}", text.rule)))?;
    let changed = enrichers_since(c, text)?;
    Ok((revision, changed.map_or(at.and_utc(), |changed| changed.max(at.and_utc())), author))
}

/// Notes who asks for a promotion; nobody, when it is asked for no longer.
///
/// # Errors
/// As [`hold`].
pub fn set_asked(c: &mut Conn, permit: &Permit, text: &TextOfRule, by: bool, now: Timestamp) -> Result<(), StoreError> {
    hold(c, permit, text)?;
    let own = rule_states::table.find((&text.definition, text.digest.to_string()));
    let who = by.then(|| permit.actor().principal.to_string());
    let change = (rule_states::asked_by.eq(who), rule_states::asked_at.eq(by.then(|| stamp(now))));
    diesel::update(own).set(change).execute(c)?;
    Ok(())
}

/// Makes a revision live, or nothing.
///
/// # Errors
/// As [`hold`].
pub fn set_live(
    c: &mut Conn,
    permit: &Permit,
    text: &TextOfRule,
    revision: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    hold(c, permit, text)?;
    let own = rule_states::table.find((&text.definition, text.digest.to_string()));
    let who = revision.map(|_| permit.actor().principal.to_string());
    let change = (
        rule_states::live_revision.eq(revision),
        rule_states::promoted_by.eq(who),
        rule_states::promoted_at.eq(revision.map(|_| stamp(now))),
        rule_states::asked_by.eq(None::<String>),
        rule_states::asked_at.eq(None::<chrono::NaiveDateTime>),
    );
    diesel::update(own).set(change).execute(c)?;
    Ok(())
}

/// Moves the breaker.
///
/// # Errors
/// As [`hold`].
pub fn set_breaker(
    c: &mut Conn,
    permit: &Permit,
    text: &TextOfRule,
    to: breaker::State,
    reason: &str,
    probe: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    hold(c, permit, text)?;
    let own = rule_states::table.find((&text.definition, text.digest.to_string()));
    let change = (
        rule_states::breaker.eq(breaker_word(to)),
        rule_states::breaker_since.eq(stamp(now)),
        rule_states::breaker_reason.eq(reason),
        rule_states::breaker_probe.eq(probe),
    );
    diesel::update(own).set(change).execute(c)?;
    Ok(())
}
