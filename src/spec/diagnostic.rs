//! What is wrong in a definition, and where: one diagnostic a mistake.
//!
//! Promises that a place is a line and a column as editors count them (from 1, in characters). Knows nothing of YAML.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// It can be used, but probably not as its author thinks.
    Warning,
}

/// One mistake of an authored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable snake_case code.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The file, relative to the project's folder.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The line on which the marked text ends.
    pub end_line: u32,
    /// The column after the last marked character.
    pub end_column: u32,
    /// One sentence without a full stop.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Whether the definition cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {word}[{}]: {}", self.file, self.line, self.column, self.code, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// All diagnostics as text for a terminal, one after the other.
#[must_use]
pub fn render(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| format!("{d}\n")).collect()
}

/// Orders by file and place, and drops what an alias made appear twice.
pub(crate) fn tidy(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (&a.file, a.line, a.column, a.code, &a.message).cmp(&(&b.file, b.line, b.column, b.code, &b.message))
    });
    diagnostics.dedup();
}

/// A range of bytes in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

impl Span {
    /// From `start` up to `end`.
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The place of one byte.
    pub(crate) const fn at(offset: usize) -> Self {
        Self { start: offset, end: offset }
    }
}

/// Turns byte offsets of one text into lines and columns.
#[derive(Debug)]
pub(crate) struct Lines<'s> {
    text: &'s str,
    starts: Vec<usize>,
    /// The characters before each block of [`BLOCK`] bytes, so that a file of one long line costs no more than others.
    characters: Vec<usize>,
}

const BLOCK: usize = 4_096;

fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| *b & 0xC0 != 0x80).count()
}

impl<'s> Lines<'s> {
    /// Finds the line starts.
    pub(crate) fn of(text: &'s str) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|i| i + 1)).collect();
        let mut sum = 0;
        let before = |block: &[u8]| {
            let here = sum;
            sum += count(block);
            here
        };
        let mut characters: Vec<usize> = text.as_bytes().chunks(BLOCK).map(before).collect();
        characters.push(sum);
        Self { text, starts, characters }
    }

    /// The text.
    pub(crate) fn text(&self) -> &'s str {
        self.text
    }

    /// Line and column of a byte; the end of the text for offsets beyond it.
    pub(crate) fn place(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|s| *s <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let column = self.before(offset).saturating_sub(self.before(start));
        (u32::try_from(line + 1).unwrap_or(u32::MAX), u32::try_from(column + 1).unwrap_or(u32::MAX))
    }

    /// The characters before a byte.
    fn before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..offset).map_or(0, count);
        self.characters.get(block).copied().unwrap_or(0) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let lines = Lines::of("ab\né: x\r\nz");
        assert_eq!(lines.place(0), (1, 1));
        assert_eq!(lines.place(3), (2, 1));
        assert_eq!(lines.place(7), (2, 4));
        assert_eq!(lines.place(10), (3, 1));
        assert_eq!(lines.place(99), (3, 2));
    }

    #[test]
    fn a_long_line_counts_alike() {
        let text = "é".repeat(BLOCK) + "\nab";
        let lines = Lines::of(&text);
        for at in [0, 1, BLOCK / 2, BLOCK - 1] {
            assert_eq!(lines.place(at * 2), (1, u32::try_from(at + 1).unwrap()));
        }
        assert_eq!(lines.place(BLOCK * 2 + 2), (2, 2));
        let exact = "x".repeat(BLOCK);
        assert_eq!(Lines::of(&exact).place(BLOCK), (1, 4_097));
    }
}
