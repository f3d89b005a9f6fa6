//! The integration tests: one binary, one module an area.

mod hostile;
mod nodes;
mod sshd;

fn main() {}
