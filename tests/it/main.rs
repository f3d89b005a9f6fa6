//! Integration tests, one binary: by area, against the real thing wherever there is one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod access_walk;
mod architecture;
mod client;
mod command_line;
mod commands;
mod contract;
mod definitions;
mod harness;
mod hostile;
mod intake;
mod lifecycle;
mod lists;
mod nodes;
mod policy_matrix;
mod record;
mod retention;
mod sign_in;
mod sshd;
mod standing;
mod store_contract;
mod story;
