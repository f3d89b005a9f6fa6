//! The database: the only module that names tables.
