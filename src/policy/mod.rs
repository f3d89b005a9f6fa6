//! Access: the casbin model and enforcer, and why a decision fell as it did.
//!
//! [`Policy`] is built from every project's `access.yaml` and never changes; a new revision makes a new one. It is the
//! only maker of [`crate::domain::access::Permit`]s. Deny wins over allow, nothing is allowed by default, and who may
//! not see a thing is told that there is none. This module knows no database and no files.

mod authorize;
mod casbin;
mod explain;
mod grants;

pub use authorize::{Policy, PolicyError};
pub use explain::{Explanation, GrantRef, RoleHolders};
pub use grants::CompiledGrants;
