//! Authored YAML to domain types, with every mistake at once and where it stands; and back.
