//! The record: audit entries in one chain, appended inside the transaction of the act that they tell of.
//!
//! The tables refuse changes by trigger; who gets round that is named by [`verify`]. Signed heads outside the database
//! are in [`super::anchor`].

use diesel::prelude::*;

use crate::domain::access::Principal;
use crate::domain::audit::{ANCHORED, Act, Broken, Entry, Head, Intact, Verifier, link};
use crate::domain::time::Timestamp;

use super::column::{Json, Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::schema::{audit, audit_head};

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(MultiBackend))]
struct Row {
    seq: i64,
    #[diesel(deserialize_as = Stamp)]
    at: Timestamp,
    actor: Principal,
    source: String,
    action: String,
    resource: String,
    project: Option<String>,
    #[diesel(deserialize_as = Json<serde_json::Value>)]
    detail: serde_json::Value,
    previous: String,
    hash: String,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let Row { seq, at, actor, source, action, resource, project, detail, previous, hash } = row;
        Self { seq, at, act: Act { actor, source, action, resource, project, detail }, previous, hash }
    }
}

/// Which entries are wanted. Empty means all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// By this principal.
    pub actor: Option<Principal>,
    /// Whose action begins so: `run.` or `run.requested`.
    pub action_prefix: Option<String>,
    /// On exactly this resource.
    pub resource: Option<String>,
    /// In this project.
    pub project: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
}

/// Appends an entry. Appends of other transactions wait until this one ends, so that numbers never have a gap: call it
/// last.
///
/// # Errors
/// Those of the database; the caller's whole transaction must fail then.
pub fn append(c: &mut Conn, key: &[u8; 32], at: Timestamp, act: &Act) -> Result<Entry, StoreError> {
    let at = stamp(at).and_utc();
    let (seq, previous): (i64, String) = diesel::update(audit_head::table.find(1))
        .set(audit_head::seq.eq(audit_head::seq + 1))
        .returning((audit_head::seq, audit_head::hash))
        .get_result(c)?;
    let hash = link(key, seq, at, act, &previous);
    diesel::update(audit_head::table.find(1)).set(audit_head::hash.eq(&hash)).execute(c)?;
    let row = (
        audit::seq.eq(seq),
        audit::at.eq(stamp(at)),
        audit::actor.eq(act.actor.to_string()),
        audit::source.eq(&act.source),
        audit::action.eq(&act.action),
        audit::resource.eq(&act.resource),
        audit::project.eq(&act.project),
        audit::detail.eq(act.detail.to_string()),
        audit::previous.eq(&previous),
        audit::hash.eq(&hash),
    );
    diesel::insert_into(audit::table).values(row).execute(c)?;
    Ok(Entry { seq, at, act: act.clone(), previous, hash })
}

/// Entries from the newest on, before the number given.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, filter: &Filter, before: Option<i64>, wanted: u32) -> Result<Vec<Entry>, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    let Some(from) = first_since(c, filter.since)? else { return Ok(Vec::new()) };
    let Some(prefix) = &filter.action_prefix else {
        return page(c, filter, None, from, before, wanted);
    };
    // There are few kinds of action, so each is walked along its own index and the walks are joined.
    let mut found = Vec::new();
    for action in actions(c, prefix)? {
        found.extend(page(c, filter, Some(&action), from, before, wanted)?);
    }
    found.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
    found.truncate(usize::try_from(limit(wanted)).unwrap_or_default());
    Ok(found)
}

fn page(
    c: &mut Conn,
    filter: &Filter,
    action: Option<&str>,
    from: i64,
    before: i64,
    wanted: u32,
) -> Result<Vec<Entry>, StoreError> {
    let mut query = audit::table.filter(audit::seq.lt(before)).filter(audit::seq.ge(from)).into_boxed();
    if let Some(actor) = &filter.actor {
        query = query.filter(audit::actor.eq(actor.to_string()));
    }
    if let Some(resource) = &filter.resource {
        query = query.filter(audit::resource.eq(resource));
    }
    if let Some(project) = &filter.project {
        query = query.filter(audit::project.eq(project));
    }
    if let Some(action) = action {
        query = query.filter(audit::action.eq(action));
    }
    let rows: Vec<Row> = query.order(audit::seq.desc()).limit(limit(wanted)).select(Row::as_select()).load(c)?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// The number of the first entry at this time or later; `None` when there is none.
fn first_since(c: &mut Conn, since: Option<Timestamp>) -> Result<Option<i64>, StoreError> {
    let Some(since) = since else { return Ok(Some(i64::MIN)) };
    let later = audit::table.filter(audit::at.ge(stamp(since))).order((audit::at, audit::seq)).select(audit::seq);
    Ok(later.first(c).optional()?)
}

/// The kinds of action that begin so, each found by one step along the index.
fn actions(c: &mut Conn, prefix: &str) -> Result<Vec<String>, StoreError> {
    // Everything that begins so sorts from the prefix up to the prefix with the highest character behind it.
    let end = format!("{prefix}\u{10ffff}");
    let mut found: Vec<String> = Vec::new();
    loop {
        let rest = audit::table.filter(audit::action.lt(&end)).order(audit::action).select(audit::action);
        let next: Option<String> = match found.last() {
            None => rest.filter(audit::action.ge(prefix)).first(c).optional()?,
            Some(last) => rest.filter(audit::action.gt(last)).first(c).optional()?,
        };
        let Some(next) = next else { return Ok(found) };
        found.push(next);
    }
}

/// The last entry as a head to be signed; `None` while the record is empty.
///
/// # Errors
/// Those of the database.
pub fn head(c: &mut Conn, now: Timestamp) -> Result<Option<Head>, StoreError> {
    let last: Option<(i64, String)> =
        audit::table.order(audit::seq.desc()).select((audit::seq, audit::hash)).first(c).optional()?;
    Ok(last.map(|(seq, hash)| Head { seq, hash, at: now }))
}

/// Whether the record says that a file of signed heads was begun for this resource.
///
/// # Errors
/// Those of the database.
pub fn was_anchored(c: &mut Conn, resource: &str) -> Result<bool, StoreError> {
    let filter = Filter { resource: Some(resource.to_owned()), ..Filter::default() };
    Ok(!page(c, &filter, Some(ANCHORED), i64::MIN, i64::MAX, 1)?.is_empty())
}

/// Entries from the oldest on, after the number given: for walking the whole record in pieces.
///
/// # Errors
/// Those of the database.
pub fn walk(c: &mut Conn, after: i64, wanted: u32) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Row> = audit::table
        .filter(audit::seq.gt(after))
        .order(audit::seq)
        .limit(i64::from(wanted))
        .select(Row::as_select())
        .load(c)?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// Checks the whole record against its hashes, the signed heads and the end that the database has counted; the first
/// entry that is wrong, if there is one.
///
/// # Errors
/// Those of the database. A broken chain is a result, not an error.
pub fn verify(c: &mut Conn, key: &[u8; 32], heads: Vec<Head>) -> Result<Result<Intact, Broken>, StoreError> {
    const PIECE: u32 = 1_000;
    // Read before the walk: entries that come meanwhile lie beyond it.
    let counted = audit_head::table.find(1).select((audit_head::seq, audit_head::hash)).first(c)?;
    let mut verifier = Verifier::new(*key, heads, counted);
    let mut after = i64::MIN;
    loop {
        let entries = walk(c, after, PIECE)?;
        let Some(last) = entries.last() else { return Ok(verifier.finish()) };
        after = last.seq;
        for entry in &entries {
            if let Err(broken) = verifier.take(entry) {
                return Ok(Err(broken));
            }
        }
    }
}
