//! Interlock: a job runner for operations.
//!
//! Somebody or something asks for a run, a manager approves exactly what will run, and it executes over SSH with
//! everything on a tamper-evident record. The modules depend on each other in one direction only:
//!
//! ```text
//! domain  ←  { spec, policy, store, exec, notify, feed, enrich }  ←  app  ←  { engine, web }  ←  cli
//! ```
//!
//! `docs/ARCHITECTURE.md` is the map; `tests/it/architecture.rs` holds the arrows.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod enrich;
pub mod exec;
pub mod feed;
pub mod notify;
pub(crate) mod outward;
pub mod policy;
pub mod spec;
pub mod store;
pub mod telemetry;
pub mod web;
