<<<<<<< HEAD
<<<<<<< HEAD
//! The integration tests, one binary.

mod definitions;
=======
//! The one integration binary: a file an area.

mod policy_matrix;
mod store_contract;
>>>>>>> store
=======
//! The integration tests: one binary, one module an area.

mod hostile;
mod nodes;
mod sshd;

fn main() {}
>>>>>>> values
