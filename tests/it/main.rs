<<<<<<< HEAD
//! The integration tests, one binary.

mod definitions;
=======
//! The one integration binary: a file an area.

mod policy_matrix;
mod store_contract;
>>>>>>> store
