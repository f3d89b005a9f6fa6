//! Ends the server at a moment that a test names, as a crash would: without a word. Or lets whoever comes to it stand still.

use std::sync::OnceLock;

use crate::config;
use crate::domain::moment::{self, Moment};

/// Where the server ends, and where somebody stands still.
static AT: OnceLock<(Option<String>, Option<String>)> = OnceLock::new();

/// Watches for the moments that the environment names, if any.
pub(super) fn when_told() {
    let at = (config::die_at(), config::halt_at());
    if at != (None, None) && AT.set(at).is_ok() {
        moment::watch(die);
    }
}

fn die(moment: Moment) {
    let Some((end, halt)) = AT.get() else { return };
    let is = |at: &Option<String>| at.as_deref() == Some(moment.as_str());
    if is(end) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
    while is(halt) {
        std::thread::park();
    }
}
