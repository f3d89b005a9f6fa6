//! The runbooks that people pinned to their start page.

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::{JobId, ProjectName, UserName};
use crate::domain::time::Timestamp;

use super::column::stamp;
use super::connection::{Conn, on_each};
use super::error::StoreError;
use super::permit;
use super::schema::pinned_jobs;

/// Pins a job; one that is pinned keeps its place.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the account; those of the database.
pub fn put(
    c: &mut Conn,
    permit: &Permit,
    user: &UserName,
    project: &ProjectName,
    job: &JobId,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::account(permit, user)?;
    use pinned_jobs as p;
    let key = (p::user_name.eq(user.as_str()), p::project.eq(project.as_str()), p::job_id.eq(job.as_str()));
    on_each!(c, c => diesel::insert_into(p::table)
        .values((key, p::pinned_at.eq(stamp(now))))
        .on_conflict((p::user_name, p::project, p::job_id))
        .do_nothing()
        .execute(c))?;
    Ok(())
}

/// Takes a pin away.
///
/// # Errors
/// As [`put`].
pub fn remove(
    c: &mut Conn,
    permit: &Permit,
    user: &UserName,
    project: &ProjectName,
    job: &JobId,
) -> Result<(), StoreError> {
    permit::account(permit, user)?;
    diesel::delete(pinned_jobs::table.find((user.as_str(), project.as_str(), job.as_str()))).execute(c)?;
    Ok(())
}

/// What somebody pinned, the oldest pin first.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, user: &UserName) -> Result<Vec<(ProjectName, JobId)>, StoreError> {
    Ok(pinned_jobs::table
        .filter(pinned_jobs::user_name.eq(user.as_str()))
        .order((pinned_jobs::pinned_at, pinned_jobs::project, pinned_jobs::job_id))
        .select((pinned_jobs::project, pinned_jobs::job_id))
        .load(c)?)
}
