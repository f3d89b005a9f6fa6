//! Integration tests, one binary: by area, against the real thing wherever there is one.

mod definitions;
mod hostile;
mod nodes;
mod policy_matrix;
mod sshd;
mod store_contract;
