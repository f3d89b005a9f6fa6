//! Authored YAML to domain types, with every mistake at once and where it stands; and back.
//!
//! Promises that a definition which it hands out is checked as far as can be known without a server, that all mistakes
//! of a file come together, and that reading is bounded. Works on text and bytes in memory: it opens no file.

mod access;
mod alias;
mod canonical;
mod canonical_rule;
mod criteria;
mod cross;
mod diagnostic;
mod enricher;
mod fields;
mod folder;
mod job;
mod nodes;
mod place;
mod project;
mod report;
mod rule;
mod rundeck;
mod schema;
mod single;
mod source;
mod values;
mod webhook;
mod write;
mod xml;
mod yaml;

pub use diagnostic::{Diagnostic, Severity, render};
pub use folder::{Authored, ProjectSpec, check_folder};
pub use nodes::NodesFormat;
pub use schema::{SchemaKind, schema};
pub use single::{
    read_access, read_alias, read_enricher, read_job, read_nodes, read_project, read_rule, read_source, read_webhook,
};
pub use write::{write_job, write_nodes, write_webhook};
