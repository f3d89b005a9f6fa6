//! The SSH host keys that somebody looked at and accepted, by project.

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::ids::{HostName, ProjectName};
use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp};
use super::connection::{Conn, MultiBackend, on_each};
use super::error::StoreError;
use super::permit;
use super::schema::host_keys;

/// An accepted host key.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = host_keys, check_for_backend(MultiBackend))]
pub struct HostKeyRecord {
    /// The project.
    pub project: ProjectName,
    /// The host as SSH connects to it.
    pub host: HostName,
    /// The port.
    pub port: i32,
    /// `ssh-ed25519` and so on.
    pub kind: String,
    /// The key, as in `known_hosts`.
    pub key_base64: String,
    /// `SHA256:…`, as people compare it.
    pub fingerprint: String,
    /// Who accepted it.
    pub enrolled_by: String,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub enrolled_at: Timestamp,
}

/// A key to be accepted.
#[derive(Debug, Clone)]
pub struct NewHostKey {
    /// The project.
    pub project: ProjectName,
    /// The host as SSH connects to it.
    pub host: HostName,
    /// The port.
    pub port: u16,
    /// `ssh-ed25519` and so on.
    pub kind: String,
    /// The key, as in `known_hosts`.
    pub key_base64: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

/// Accepts a key, in place of the one of the same kind that was accepted before.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit in the project; those of the database.
pub fn put(c: &mut Conn, permit: &Permit, new: &NewHostKey, now: Timestamp) -> Result<(), StoreError> {
    permit::within(permit, &new.project)?;
    use host_keys as h;
    let by = permit.actor().principal.to_string();
    let key = (
        h::project.eq(new.project.as_str()),
        h::host.eq(new.host.as_str()),
        h::port.eq(i32::from(new.port)),
        h::kind.eq(&new.kind),
    );
    let rest = (
        h::key_base64.eq(&new.key_base64),
        h::fingerprint.eq(&new.fingerprint),
        h::enrolled_by.eq(&by),
        h::enrolled_at.eq(stamp(now)),
    );
    on_each!(c, c => diesel::insert_into(h::table)
        .values((key, rest))
        .on_conflict((h::project, h::host, h::port, h::kind))
        .do_update()
        .set(rest)
        .execute(c))?;
    Ok(())
}

/// Every accepted key of a project, by host and port: what becomes its `known_hosts`.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, project: &ProjectName) -> Result<Vec<HostKeyRecord>, StoreError> {
    Ok(host_keys::table
        .filter(host_keys::project.eq(project.as_str()))
        .order((host_keys::host, host_keys::port, host_keys::kind))
        .select(HostKeyRecord::as_select())
        .load(c)?)
}

/// The accepted keys of one host and port.
///
/// # Errors
/// Those of the database.
pub fn of_host(
    c: &mut Conn,
    project: &ProjectName,
    host: &HostName,
    port: u16,
) -> Result<Vec<HostKeyRecord>, StoreError> {
    Ok(host_keys::table
        .filter(host_keys::project.eq(project.as_str()))
        .filter(host_keys::host.eq(host.as_str()))
        .filter(host_keys::port.eq(i32::from(port)))
        .order(host_keys::kind)
        .select(HostKeyRecord::as_select())
        .load(c)?)
}

/// Forgets the keys of one host and port; how many.
///
/// # Errors
/// As [`put`].
pub fn remove(
    c: &mut Conn,
    permit: &Permit,
    project: &ProjectName,
    host: &HostName,
    port: u16,
) -> Result<usize, StoreError> {
    permit::within(permit, project)?;
    let gone = host_keys::table
        .filter(host_keys::project.eq(project.as_str()))
        .filter(host_keys::host.eq(host.as_str()))
        .filter(host_keys::port.eq(i32::from(port)));
    Ok(diesel::delete(gone).execute(c)?)
}
