//! Definitions and their immutable revisions: what authors wrote, and the canonical form that was made of it.

use diesel::prelude::*;

use crate::domain::access::{Permit, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::{JobId, JobPath, ProjectName};
use crate::domain::time::Timestamp;

use super::column::{MaybeStamp, Stamp, stamp, words};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::{definitions, revisions};

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

/// A revision to be saved. A restored revision is a new one with the old content.
#[derive(Debug, Clone)]
pub struct NewRevision {
    /// The id that a new definition gets; not used for one that is there.
    pub id: String,
    /// The project.
    pub project: ProjectName,
    /// What it defines.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// A job's id.
    pub job_id: Option<JobId>,
    /// What the author wrote.
    pub source: String,
    /// The canonical form.
    pub canonical: String,
    /// SHA-256 of the canonical form.
    pub digest: Digest,
    /// Why.
    pub message: String,
}

/// The resource that stands for a definition in permits.
///
/// # Errors
/// [`StoreError::Invalid`] when a job's name is none.
pub fn resource(project: &ProjectName, kind: Kind, name: &str) -> Result<Resource, StoreError> {
    let project = project.clone();
    Ok(match kind {
        Kind::Project | Kind::Nodes | Kind::Access => Resource::Project { project },
        Kind::Rule => Resource::Rule { project, name: name.to_owned() },
        Kind::Webhook => Resource::Webhook { project, name: name.to_owned() },
        Kind::Job => {
            let path = JobPath::parse(name).map_err(|e| StoreError::Invalid(e.to_string()))?;
            Resource::Job { project, path, environment: None }
        }
    })
}

fn may_change(permit: &Permit, project: &ProjectName, kind: Kind, name: &str) -> Result<(), StoreError> {
    match resource(project, kind, name)? {
        Resource::Job { project, path, .. } => permit::job(permit, &project, &path),
        other => permit::exactly(permit, &other),
    }
}

/// Saves a revision and makes it the one that holds. `expected` is the revision that the author started from; 0 for a
/// new definition.
///
/// # Errors
/// [`StoreError::Conflict`] when another revision holds by now, or another job has the id;
/// [`StoreError::PermitMismatch`]; those of the database.
pub fn save_revision(
    c: &mut Conn,
    permit: &Permit,
    new: &NewRevision,
    expected: i64,
    now: Timestamp,
) -> Result<DefinitionRecord, StoreError> {
    may_change(permit, &new.project, new.kind, &new.name)?;
    let there = find(c, &new.project, new.kind, &new.name)?;
    let holds = there.as_ref().map_or(0, |d| d.revision);
    if holds != expected {
        return Err(stale(new, expected, holds));
    }
    if let Some(job_id) = &new.job_id
        && let Some(other) = find_job(c, &new.project, job_id)?
        && other.name != new.name
    {
        return Err(StoreError::conflict(format!(
            "job {} of project {} has the id {job_id} already; give one of them another id",
            other.name, new.project
        )));
    }
    let id = there.map_or_else(|| new.id.clone(), |d| d.id);
    let job_id = new.job_id.as_ref().map(JobId::as_str);
    let next = expected + 1;
    if expected == 0 {
        let row = (
            definitions::id.eq(&id),
            definitions::project.eq(new.project.as_str()),
            definitions::kind.eq(new.kind.as_str()),
            definitions::name.eq(&new.name),
            definitions::job_id.eq(job_id),
            definitions::revision.eq(next),
            definitions::digest.eq(new.digest.to_string()),
            definitions::updated_at.eq(stamp(now)),
        );
        diesel::insert_into(definitions::table).values(row).execute(c)?;
    } else {
        let unchanged = definitions::table
            .filter(definitions::id.eq(&id))
            .filter(definitions::revision.eq(expected))
            .filter(definitions::deleted_at.is_null());
        let change = (
            definitions::job_id.eq(job_id),
            definitions::revision.eq(next),
            definitions::digest.eq(new.digest.to_string()),
            definitions::updated_at.eq(stamp(now)),
        );
        if diesel::update(unchanged).set(change).execute(c)? != 1 {
            return Err(stale(new, expected, next));
        }
    }
    let row = (
        revisions::definition_id.eq(&id),
        revisions::revision.eq(next),
        revisions::digest.eq(new.digest.to_string()),
        revisions::source.eq(&new.source),
        revisions::canonical.eq(&new.canonical),
        revisions::author.eq(permit.actor().principal.to_string()),
        revisions::message.eq(&new.message),
        revisions::created_at.eq(stamp(now)),
    );
    diesel::insert_into(revisions::table).values(row).execute(c)?;
    get(c, &id)?.ok_or_else(|| StoreError::not_found("definition, although it was just written"))
}

fn stale(new: &NewRevision, expected: i64, holds: i64) -> StoreError {
    let (kind, name) = (new.kind.as_str(), &new.name);
    StoreError::conflict(match (expected, holds) {
        (0, _) => format!("there is already a {kind} {name}; open it and change it there"),
        (_, 0) => format!("{kind} {name} was deleted meanwhile; save it as a new one"),
        _ => format!(
            "{kind} {name} was changed meanwhile (you started from revision {expected}, now there is {holds}); look at the newer one first"
        ),
    })
}

/// Deletes a definition; its revisions stay.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] when another revision holds by now;
/// [`StoreError::PermitMismatch`]; those of the database.
pub fn delete(c: &mut Conn, permit: &Permit, id: &str, expected: i64, now: Timestamp) -> Result<(), StoreError> {
    let there = get(c, id)?.filter(|d| d.deleted_at.is_none());
    let there = there.ok_or_else(|| StoreError::not_found(format!("definition {id}")))?;
    may_change(permit, &there.project, there.kind, &there.name)?;
    let unchanged = definitions::table
        .filter(definitions::id.eq(id))
        .filter(definitions::revision.eq(expected))
        .filter(definitions::deleted_at.is_null());
    if diesel::update(unchanged).set(definitions::deleted_at.eq(stamp(now))).execute(c)? == 1 {
        return Ok(());
    }
    let (kind, name) = (there.kind.as_str(), there.name);
    Err(StoreError::conflict(format!("{kind} {name} was changed meanwhile; look at the newer revision first")))
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

/// One revision.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn revision(c: &mut Conn, id: &str, number: i64) -> Result<RevisionRecord, StoreError> {
    let found = revisions::table.find((id, number)).select(RevisionRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| StoreError::not_found(format!("revision {number} of definition {id}")))
}
