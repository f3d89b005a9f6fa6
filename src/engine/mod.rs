//! Background loops: dispatch, follow, expire, schedule. Idempotent, without input, stepped once by tests.
