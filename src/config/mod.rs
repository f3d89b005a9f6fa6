//! Settings: where data lies and what the environment says. The only place that reads the environment.

pub mod bucket;
pub mod data;
pub mod server;

/// The token for `--server`, from `INTERLOCK_TOKEN`.
#[must_use]
pub fn token() -> Option<String> {
    read("INTERLOCK_TOKEN")
}

/// The password at the mail server, from `INTERLOCK_SMTP_PASSWORD`.
#[must_use]
pub fn smtp_password() -> Option<String> {
    read("INTERLOCK_SMTP_PASSWORD")
}

/// What Slack signs presses of buttons with, from `INTERLOCK_SLACK_SIGNING_SECRET`.
#[must_use]
pub fn slack_signing_secret() -> Option<String> {
    read("INTERLOCK_SLACK_SIGNING_SECRET")
}

/// What to log, from `INTERLOCK_LOG`: `info`, `debug`, `interlock::engine=debug`.
#[must_use]
pub fn log_filter() -> Option<String> {
    read("INTERLOCK_LOG")
}

/// The name of the account that runs this process, for the record.
#[must_use]
pub fn operator() -> String {
    let name = read("SUDO_USER").or_else(|| read("USER")).or_else(|| read("LOGNAME"));
    let name = name.filter(|n| n.len() <= 64 && !n.chars().any(|c| c.is_control() || c == ':'));
    name.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}

/// Where the account that runs this process is at home, for steps on the local machine.
#[must_use]
pub fn home() -> Option<String> {
    read("HOME")
}

/// Where what lives no longer than the server may lie, when systemd made such a folder for it: `RUNTIME_DIRECTORY`. Of
/// several folders the first one.
#[must_use]
pub fn runtime_directory() -> Option<std::path::PathBuf> {
    let all = read("RUNTIME_DIRECTORY")?;
    all.split(':').next().filter(|first| first.starts_with('/')).map(Into::into)
}

/// The moment at which the server is to end at once, from `INTERLOCK_DIE_AT`. For tests; not in releases.
#[cfg(debug_assertions)]
#[must_use]
pub fn die_at() -> Option<String> {
    read("INTERLOCK_DIE_AT")
}

/// The moment at which whoever comes to it stands still for good, from `INTERLOCK_HALT_AT`. For tests; not in releases.
#[cfg(debug_assertions)]
#[must_use]
pub fn halt_at() -> Option<String> {
    read("INTERLOCK_HALT_AT")
}

fn read(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let value = std::env::var(name);
    value.ok().filter(|v| !v.is_empty())
}
