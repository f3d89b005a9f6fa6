//! Saving and deleting definitions, each only on top of the revision that the author saw.

use diesel::prelude::*;

use crate::domain::access::{Permit, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::{JobId, JobPath, ProjectName};
use crate::domain::time::Timestamp;
use crate::store::column::stamp;
use crate::store::connection::Conn;
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::{definitions, revisions};

use super::{DefinitionRecord, Kind, find, find_job, get};

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
        Kind::Source => Resource::Source { project, name: name.to_owned() },
        Kind::Alias => Resource::Alias { project, name: name.to_owned() },
        Kind::Enricher => Resource::Enricher { project, name: name.to_owned() },
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
