//! Ends the server at a moment that a test names, as a crash would: without a word.

use std::sync::OnceLock;

use crate::config;
use crate::domain::moment::{self, Moment};

static AT: OnceLock<String> = OnceLock::new();

/// Watches for the moment that the environment names, if any.
pub(super) fn when_told() {
    let Some(at) = config::die_at() else { return };
    if AT.set(at).is_ok() {
        moment::watch(die);
    }
}

fn die(moment: Moment) {
    if AT.get().is_some_and(|at| at == moment.as_str()) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
