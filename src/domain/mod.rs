//! Values in, decisions out.
//!
//! Nothing here does I/O, awaits, reads a clock or draws a random number: time, ids and nonces come in as arguments.
//! So every decision that Interlock takes can be tested with plain values, and read without knowing the database, the
//! web framework or SSH.

pub mod access;
pub mod alias;
pub mod approval;
pub mod archive;
pub mod audit;
pub mod change_freeze;
pub mod chat;
pub mod command;
pub mod criteria;
pub mod cron;
pub mod digest;
pub mod enricher;
pub mod event;
pub mod expression;
pub mod folding;
pub mod glob;
pub mod guard;
pub mod ids;
pub mod job;
pub mod json;
pub mod lease;
pub mod mask;
pub mod moment;
pub mod node;
pub mod notice;
pub mod option;
pub mod plan;
pub mod project;
pub mod reachable;
pub mod resume;
pub mod rule;
pub mod run;
pub mod run_document;
pub mod secret;
pub mod source;
pub mod template;
pub mod time;
pub mod wake;
pub mod walk;
pub mod webhook;
pub(crate) mod words;
pub mod zone;
