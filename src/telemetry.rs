//! Logging: one line an event on standard error, a message that reads alone plus dotted fields.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `default` is the filter when `INTERLOCK_LOG` says nothing.
pub fn start(default: &str) {
    let filter = crate::config::log_filter().unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Logging that was started before stays.
    let _ = subscriber.with_ansi(std::io::stderr().is_terminal()).try_init();
}
