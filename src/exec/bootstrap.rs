//! The fixed programs that a node runs for us. No value is ever part of them.

use std::sync::LazyLock;

/// The one command that a login shell sees. It reads one line from standard input and runs it in `/bin/sh`.
///
/// Login shells differ in what they do with quotes; this text has only characters that mean the same between single
/// quotes in sh, bash, dash, zsh, ksh, tcsh and fish: no `!`, no backslash, no newline, no single quote.
pub(super) const LOADER: &str = concat!("exec /bin/sh -c '", "IFS= read -r il && eval \"$il\"", "'");

/// The same for a local `sh -c`.
pub(super) const LOADER_PROGRAM: &str = "IFS= read -r il && eval \"$il\"";

/// Runs a step: see `bootstrap.sh`.
pub(super) static RUN: LazyLock<String> = LazyLock::new(|| one_line(include_str!("bootstrap.sh")));

/// Stops a step: see `stop.sh`.
pub(super) static STOP: LazyLock<String> = LazyLock::new(|| one_line(include_str!("stop.sh")));

fn one_line(program: &str) -> String {
    let mut line = program.lines().map(str::trim).filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join(" ");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_means_the_same_in_every_login_shell() {
        assert!(LOADER.contains(LOADER_PROGRAM));
        assert!(!LOADER_PROGRAM.contains(['\'', '!', '\\', '\n', '`']));
    }

    #[test]
    fn programs_are_one_line_each() {
        for program in [&*RUN, &*STOP] {
            assert_eq!(program.matches('\n').count(), 1);
            assert!(program.len() < 4_096, "{}", program.len());
        }
    }
}
