//! Holds a permit against the row that is about to change.
//!
//! A permit covers the resource that it was given for. A permit of Interlock itself or of an administrator on the whole
//! installation covers every row, which is what engine loops and set-up work with; `policy` gives it to nobody else.

use crate::domain::access::{Permission, Permit, Resource};
use crate::domain::ids::{JobPath, ProjectName, UserName};

use super::error::StoreError;

fn check(permit: &Permit, row: impl Fn() -> String, covers: bool) -> Result<(), StoreError> {
    // Whoever may only look changes nothing, whatever the row.
    let more_than_view = permit.permission() != Permission::View;
    if more_than_view && (covers || *permit.resource() == Resource::System) {
        return Ok(());
    }
    let given = format!("{} on {}", permit.permission(), permit.resource());
    Err(StoreError::PermitMismatch { permit: given, row: row() })
}

/// For rows of a job: its runs, its requests for approval. The environment is left out, as it narrows the decision and
/// not the row.
pub(super) fn job(permit: &Permit, project: &ProjectName, path: &JobPath) -> Result<(), StoreError> {
    let covers = matches!(permit.resource(), Resource::Job { project: p, path: j, .. } if p == project && j == path);
    check(permit, || format!("{project}:job/{path}"), covers)
}

/// For rows whose resource is known whole.
pub(super) fn exactly(permit: &Permit, resource: &Resource) -> Result<(), StoreError> {
    check(permit, || resource.to_string(), permit.resource() == resource)
}

/// For rows that any resource of the project stands for: its nodes' host keys, its uploaded files.
pub(super) fn within(permit: &Permit, project: &ProjectName) -> Result<(), StoreError> {
    check(permit, || format!("project {project}"), permit.resource().project() == Some(project))
}

/// For the rows of an account: the account itself, its tokens and sessions.
pub(super) fn account(permit: &Permit, name: &UserName) -> Result<(), StoreError> {
    let covers = matches!(permit.resource(), Resource::Account { name: n } if n == name);
    check(permit, || format!("account/{name}"), covers)
}

/// For rows of the whole installation.
pub(super) fn system(permit: &Permit) -> Result<(), StoreError> {
    check(permit, || "the installation".to_owned(), false)
}
