//! The integration tests: one binary, one module an area.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod hostile;
mod nodes;
mod sshd;
