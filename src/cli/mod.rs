//! The command line: one file a sub-command, and the start-up wiring.
