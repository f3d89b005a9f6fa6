//! What the store promises, on SQLite and on PostgreSQL alike.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod access;
mod approvals;
mod audit;
pub(crate) mod databases;
mod definitions;
mod enrichment;
mod events;
mod notices;
mod people;
mod plans;
mod runs;
mod schema;
mod secrets;
