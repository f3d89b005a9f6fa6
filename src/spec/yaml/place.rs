//! Where a byte of a scalar's text stands in the file, so that a mistake inside a command is marked at its own place.

use super::{Node, Style};
use crate::spec::diagnostic::Span;

impl Node {
    /// The place of byte `offset` of this scalar's text. Where the text was folded or escaped, the scalar's start.
    pub(crate) fn inside(&self, offset: usize, source: &str) -> Span {
        let start = self.span.start;
        let Some(scalar) = self.scalar() else { return self.span };
        let raw = source.get(start..self.span.end).unwrap_or_default();
        let found = match scalar.style {
            Style::Plain => (raw.trim_end() == scalar.text).then_some(start + offset),
            Style::Single => in_single_quotes(raw, &scalar.text, offset).map(|at| start + at),
            Style::Double => {
                (raw.get(1..raw.len().saturating_sub(1)) == Some(scalar.text.as_str())).then_some(start + 1 + offset)
            }
            Style::Literal => in_block(raw, &scalar.text, offset).map(|at| start + at),
            Style::Folded => None,
        };
        found.map_or(Span::at(start), Span::at)
    }
}

fn in_single_quotes(raw: &str, text: &str, offset: usize) -> Option<usize> {
    let body = raw.strip_prefix('\'')?.strip_suffix('\'')?;
    if body.replace("''", "'") != text {
        return None;
    }
    let quotes_before = text.get(..offset)?.matches('\'').count();
    Some(1 + offset + quotes_before)
}

/// The lines of a literal block differ from the text by their indentation only.
fn in_block(raw: &str, text: &str, offset: usize) -> Option<usize> {
    // The span may begin at the `|` or at the first line, depending on what follows the header.
    let mut at = if raw.starts_with('|') { raw.find('\n')? + 1 } else { 0 };
    let before = text.get(..offset)?;
    let line = before.matches('\n').count();
    let column = offset - before.rfind('\n').map_or(0, |i| i + 1);
    for _ in 0..line {
        at += raw.get(at..)?.find('\n')? + 1;
    }
    let written = raw.get(at..)?.split(['\n', '\r']).next()?;
    let meant = text.split('\n').nth(line)?;
    let indent = written.len().checked_sub(meant.len()).filter(|_| written.ends_with(meant))?;
    Some(at + indent + column)
}
