//! A unified difference as lines with a class each.

use crate::web::ansi::visible;

/// One line.
pub struct DiffLine {
    /// `add`, `del`, `at` or empty.
    pub kind: &'static str,
    /// The line with its sign.
    pub text: String,
}

/// The lines of a unified difference.
#[must_use]
pub fn lines_of(unified: &str) -> Vec<DiffLine> {
    unified
        .lines()
        .filter(|line| !line.starts_with("\\ No newline"))
        .map(|line| DiffLine {
            kind: match line.as_bytes().first() {
                Some(b'+') => "add",
                Some(b'-') => "del",
                Some(b'@') => "at",
                _ => "",
            },
            text: visible(line),
        })
        .collect()
}
