//! The database: the only module that names tables and diesel.
//!
//! [`Db`] has two doors, [`Db::read`] and [`Db::write`]; each runs a closure in one transaction, away from the async
//! threads. Inside, the functions of the noun modules take the connection, and whoever changes a row shows a
//! [`crate::domain::access::Permit`] for that very row. SQLite and PostgreSQL behave alike: one schema, one text of each
//! query. This module decides nothing; it must not know `policy`, `spec`, `exec` or the web.

mod connection;
mod db;
mod error;
mod mark;
mod migrate;
mod page;
mod permit;
pub mod pins;
mod pool;
mod root_key;
mod schema;
mod statement;
mod writer;

pub mod anchor;
pub mod approval_timers;
pub mod approvals;
pub mod audit;
pub mod bell;
pub mod blobs;
pub mod break_glass;
pub mod bucket;
pub mod column;
pub mod definitions;
pub mod delegations;
pub mod enrichment;
pub mod events;
pub mod host_keys;
pub mod idempotency;
pub mod installation;
pub mod log_archives;
pub mod notices;
pub mod output;
pub mod projects;
pub mod rules;
pub mod runs;
pub mod secrets;
pub mod sessions;
pub mod sign_in;
pub mod signed_document;
pub mod slack_answers;
pub mod slack_presses;
pub mod sources;
pub mod tokens;
pub mod users;
pub mod vault;
pub mod webhook_tokens;

pub use connection::Conn;
pub use db::{Db, Options};
pub use error::StoreError;
pub use mark::Mark;
pub use page::{MAX_LIMIT, whole};
pub use root_key::RootKey;
pub use vault::Vault;
