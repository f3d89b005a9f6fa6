//! Integration tests, one binary: by area, against the real thing wherever there is one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod access_walk;
mod architecture;
mod caps;
mod client;
mod command_line;
mod commands;
mod console;
mod contract;
mod definitions;
mod durable;
mod editor;
mod full_disk;
mod harness;
mod hostile;
mod intake;
mod kill_points;
mod lifecycle;
mod lists;
mod lost_database;
mod nodes;
mod policy_matrix;
mod program;
mod proxy;
mod ready;
mod record;
mod retention;
mod run_page;
mod servers;
mod several_servers;
mod sign_in;
mod sshd;
mod standing;
mod store_contract;
mod story;
mod trouble;
