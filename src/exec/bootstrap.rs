//! The fixed program that a node runs for us. No value is ever part of it.

use std::sync::LazyLock;

/// The program: see `node.sh`.
static PROGRAM: LazyLock<String> = LazyLock::new(|| one_line(include_str!("node.sh")));

/// Bytes of the head that says what is wanted.
const HEAD: usize = 256;

/// What `/bin/sh` runs: it reads head and program, which have a fixed length, and nothing more, and runs the program. So
/// nobody who lists the node's processes has to read all of it.
pub(super) static LOADER: LazyLock<String> =
    LazyLock::new(|| format!("il=$(head -c {}) && eval \"${{il#*|}}\"", HEAD + 1 + PROGRAM.len()));

/// The one command that a login shell sees.
pub(super) static COMMAND: LazyLock<String> = LazyLock::new(|| format!("exec /bin/sh -c '{}'", *LOADER));

/// What goes to the loader first: words that say what is wanted, and the program. Nothing may follow before it answers.
pub(super) fn opening(words: &str) -> String {
    format!("{words:<HEAD$}|{}", *PROGRAM)
}

fn one_line(program: &str) -> String {
    program.lines().map(str::trim).filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Login shells differ in what they do with quotes; this has only characters that mean the same between single
    /// quotes in sh, bash, dash, zsh, ksh, tcsh and fish: no `!`, no backslash, no line break, no single quote.
    #[test]
    fn the_command_means_the_same_in_every_login_shell() {
        assert!(!LOADER.contains(['\'', '!', '\\', '\n', '`']) && LOADER.is_ascii());
    }

    #[test]
    fn the_opening_has_the_length_that_the_loader_reads() {
        let longest = format!("{0} step {0} {1} 10 {1} {1} {1} {1}", "f".repeat(32), u64::MAX);
        let opening = opening(&longest);
        assert!(LOADER.contains(&format!("head -c {})", opening.len())), "{}", *LOADER);
        assert_eq!(opening.find('|'), Some(HEAD));
        assert!(PROGRAM.is_ascii() && !PROGRAM.contains(['\n', '\r', '\t']));
    }
}
