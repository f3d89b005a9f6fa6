//! Definitions and their immutable revisions: what authors wrote, and the canonical form that was made of it.

mod save;

use diesel::prelude::*;

use crate::domain::digest::Digest;
use crate::domain::ids::{JobId, ProjectName};
use crate::domain::time::Timestamp;

use super::column::{MaybeStamp, Stamp, words};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::schema::{definitions, revisions};

pub use save::{NewRevision, delete, resource, save_revision};

words! {
    /// What a definition defines.
    Kind, "a kind of definition" {
        /// `project.yaml`; its name is the project's.
        Project => "project",
        /// `nodes.yaml`.
        Nodes => "nodes",
        /// `access.yaml`.
        Access => "access",
        /// A job; its name is group and name.
        Job => "job",
        /// A rule.
        Rule => "rule",
        /// A webhook.
        Webhook => "webhook",
        /// A source of events.
        Source => "source",
        /// Words of a chat that ask for a run.
        Alias => "alias",
        /// What labels events before rules look at them.
        Enricher => "enricher",
    }
}

/// A definition as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = definitions, check_for_backend(MultiBackend))]
pub struct DefinitionRecord {
    /// Its id in the database; a definition that was deleted and made again has another.
    pub id: String,
    /// The project.
    pub project: ProjectName,
    /// What it defines.
    pub kind: Kind,
    /// Its name, unique with kind and project among those not deleted.
    pub name: String,
    /// A job's id.
    pub job_id: Option<JobId>,
    /// The number of the revision that holds.
    pub revision: i64,
    /// That revision's digest.
    pub digest: Digest,
    /// When that revision was saved.
    #[diesel(deserialize_as = Stamp)]
    pub updated_at: Timestamp,
    /// When it was deleted.
    #[diesel(deserialize_as = MaybeStamp)]
    pub deleted_at: Option<Timestamp>,
}

/// One saved state of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = revisions, check_for_backend(MultiBackend))]
pub struct RevisionRecord {
    /// The definition.
    pub definition_id: String,
    /// 1, 2, 3 …
    pub revision: i64,
    /// SHA-256 of the canonical form.
    pub digest: Digest,
    /// What the author wrote.
    pub source: String,
    /// The canonical form that was made of it.
    pub canonical: String,
    /// Who saved it.
    pub author: String,
    /// Why.
    pub message: String,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
}

/// The definition of this id, also a deleted one.
///
/// # Errors
/// Those of the database.
pub fn get(c: &mut Conn, id: &str) -> Result<Option<DefinitionRecord>, StoreError> {
    Ok(definitions::table.find(id).select(DefinitionRecord::as_select()).first(c).optional()?)
}

/// The definition of this name.
///
/// # Errors
/// Those of the database.
pub fn find(
    c: &mut Conn,
    project: &ProjectName,
    kind: Kind,
    name: &str,
) -> Result<Option<DefinitionRecord>, StoreError> {
    Ok(definitions::table
        .filter(definitions::project.eq(project.as_str()))
        .filter(definitions::kind.eq(kind.as_str()))
        .filter(definitions::name.eq(name))
        .filter(definitions::deleted_at.is_null())
        .select(DefinitionRecord::as_select())
        .first(c)
        .optional()?)
}

/// The job of this id.
///
/// # Errors
/// Those of the database.
pub fn find_job(c: &mut Conn, project: &ProjectName, id: &JobId) -> Result<Option<DefinitionRecord>, StoreError> {
    Ok(definitions::table
        .filter(definitions::project.eq(project.as_str()))
        .filter(definitions::job_id.eq(id.as_str()))
        .filter(definitions::deleted_at.is_null())
        .select(DefinitionRecord::as_select())
        .first(c)
        .optional()?)
}

/// The jobs that have or had this name or id, in one project or in all, also deleted ones.
///
/// # Errors
/// Those of the database.
pub fn jobs_ever_named(
    c: &mut Conn,
    project: Option<&ProjectName>,
    named: &str,
) -> Result<Vec<(ProjectName, JobId)>, StoreError> {
    let mut query = definitions::table
        .filter(definitions::kind.eq(Kind::Job.as_str()))
        .filter(definitions::name.eq(named).or(definitions::job_id.eq(named)))
        .select(DefinitionRecord::as_select())
        .into_boxed();
    if let Some(project) = project {
        query = query.filter(definitions::project.eq(project.as_str()));
    }
    let found: Vec<DefinitionRecord> = query.load(c)?;
    let mut jobs: Vec<_> = found.into_iter().filter_map(|d| Some((d.project, d.job_id?))).collect();
    jobs.sort();
    jobs.dedup();
    Ok(jobs)
}

/// The definitions of a kind in a project by name, after the one given.
///
/// # Errors
/// Those of the database.
pub fn list(
    c: &mut Conn,
    project: &ProjectName,
    kind: Kind,
    after: Option<&str>,
    wanted: u32,
) -> Result<Vec<DefinitionRecord>, StoreError> {
    Ok(definitions::table
        .filter(definitions::project.eq(project.as_str()))
        .filter(definitions::kind.eq(kind.as_str()))
        .filter(definitions::name.gt(after.unwrap_or_default()))
        .filter(definitions::deleted_at.is_null())
        .order(definitions::name)
        .limit(limit(wanted))
        .select(DefinitionRecord::as_select())
        .load(c)?)
}

/// The definitions of a kind with the revision that holds, by project and name: for building what is kept in memory
/// (access rules, webhooks) and for comparing a folder with what is stored. Of one project, or of all.
///
/// # Errors
/// Those of the database.
pub fn current(
    c: &mut Conn,
    kind: Kind,
    project: Option<&ProjectName>,
) -> Result<Vec<(DefinitionRecord, RevisionRecord)>, StoreError> {
    let mut query = definitions::table
        .inner_join(revisions::table)
        .filter(definitions::revision.eq(revisions::revision))
        .filter(definitions::kind.eq(kind.as_str()))
        .filter(definitions::deleted_at.is_null())
        .select((DefinitionRecord::as_select(), RevisionRecord::as_select()))
        .into_boxed();
    if let Some(project) = project {
        query = query.filter(definitions::project.eq(project.as_str()));
    }
    Ok(query.order((definitions::project, definitions::name)).load(c)?)
}

/// The revisions of a definition, newest first, before the number given.
///
/// # Errors
/// Those of the database.
pub fn history(c: &mut Conn, id: &str, before: Option<i64>, wanted: u32) -> Result<Vec<RevisionRecord>, StoreError> {
    Ok(revisions::table
        .filter(revisions::definition_id.eq(id))
        .filter(revisions::revision.lt(before.unwrap_or(i64::MAX)))
        .order(revisions::revision.desc())
        .limit(limit(wanted))
        .select(RevisionRecord::as_select())
        .load(c)?)
}

/// A text that is another one whenever any definition was saved or deleted since: for those who keep definitions in
/// memory.
///
/// # Errors
/// Those of the database.
pub fn stamp_of_all(c: &mut Conn) -> Result<String, StoreError> {
    use chrono::NaiveDateTime;
    use diesel::dsl::{count_star, max};
    let stamp: (Option<NaiveDateTime>, Option<NaiveDateTime>, i64, Option<i64>) = definitions::table
        .select((max(definitions::updated_at), max(definitions::deleted_at), count_star(), max(definitions::revision)))
        .first(c)?;
    Ok(format!("{stamp:?}"))
}

/// One revision.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn revision(c: &mut Conn, id: &str, number: i64) -> Result<RevisionRecord, StoreError> {
    let found = revisions::table.find((id, number)).select(RevisionRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| StoreError::not_found(format!("revision {number} of definition {id}")))
}
