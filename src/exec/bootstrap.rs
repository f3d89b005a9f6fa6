//! The fixed program that a node runs for us. No value is ever part of it.

use std::sync::LazyLock;

/// The program, see `node.sh`: one command in one line, so that one which did not arrive whole is not run at all.
static PROGRAM: LazyLock<String> = LazyLock::new(|| format!("{{ {} }}\n", one_line(include_str!("node.sh"))));

/// What `/bin/sh` is started with: it reads what it is to do on standard input, and whoever lists the node's processes sees
/// whose it is.
pub(super) const ARGUMENTS: [&str; 2] = ["-s", "interlock"];

/// The one command that a login shell sees.
pub(super) static COMMAND: LazyLock<String> = LazyLock::new(|| format!("exec /bin/sh {}", ARGUMENTS.join(" ")));

/// What goes to the shell first: words that say what is wanted, and the program. Most shells read this in large pieces, and
/// what comes behind it too, so nothing may follow before it answers. bash would read it byte by byte; there one process
/// more costs less. (That the program is a function there is for a fault of bash 5.2: it dies where a command inside an
/// `eval` copies the standard input that it reads commands from.)
pub(super) fn opening(words: &str) -> String {
    // Nothing else is in them, or could mean anything to a shell between quotes.
    let words: String = words.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
    let (program, size) = (&*PROGRAM, PROGRAM.len());
    format!(
        "il='{words}'; case ${{BASH_VERSION-}} in ?*) eval \"il_run() $(head -c {size})\"; il_run;; esac\n{program}"
    )
}

fn one_line(program: &str) -> String {
    program.lines().map(str::trim).filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Login shells differ in what they do with quotes, `$`, `!` and line breaks; here is nothing of that.
    #[test]
    fn the_command_means_the_same_in_every_login_shell() {
        assert!(COMMAND.chars().all(|c| c.is_ascii_alphabetic() || " /-".contains(c)), "{}", *COMMAND);
    }

    #[test]
    fn the_opening_is_two_lines_and_says_how_long_the_second_is() {
        let opening = opening("f0 stop f1 7 10");
        let lines: Vec<&str> = opening.split_inclusive('\n').collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("il='f0 stop f1 7 10'; ") && lines[0].len() < 128, "{}", lines[0]);
        assert!(lines[0].contains(&format!("head -c {})", lines[1].len())), "{}", lines[0]);
        assert!(opening.is_ascii() && !opening.contains(['\r', '\t']));
    }

    #[test]
    fn words_are_no_text_of_a_shell() {
        assert!(opening("f0 step'; echo `x` $y \\\n").starts_with("il='f0 step echo x y '; case"));
    }

    /// Whatever arrived of it before a connection broke.
    #[test]
    fn a_part_of_the_opening_does_nothing() {
        let whole = opening("f0 step");
        // Up to the last byte before the brace is closed.
        let cuts = (0..whole.len() - 2).step_by(97).chain([whole.len() - 3, whole.len() - 2]);
        for shell in [&["sh"][..], &["bash", "--posix"], &["busybox", "sh"]] {
            for cut in cuts.clone() {
                let mut child = std::process::Command::new(shell[0])
                    .args(&shell[1..])
                    .args(ARGUMENTS)
                    .stdin(std::process::Stdio::piped())
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .unwrap();
                let part = whole.as_bytes().get(..cut).unwrap();
                std::io::Write::write_all(&mut child.stdin.take().unwrap(), part).unwrap();
                let said = child.wait_with_output().unwrap().stdout;
                assert!(said.is_empty(), "{shell:?} {cut}: {}", String::from_utf8_lossy(&said));
            }
        }
    }
}
