//! YAML text out of a small tree: block style, quotes where they are needed, `|` for several lines.

use std::fmt::Write as _;

use crate::spec::yaml::{Kind, Scalar, Style};

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Out {
    /// Text, quoted where it would be taken for something else.
    Text(String),
    /// A number, `true`, `false` or `null`.
    Word(String),
    /// `- a`.
    List(Vec<Out>),
    /// `a: b`.
    Map(Vec<(String, Out)>),
}

/// The entries of a map while they are gathered.
#[derive(Default)]
pub(super) struct Entries(Vec<(String, Out)>);

impl From<Entries> for Out {
    fn from(entries: Entries) -> Self {
        Self::Map(entries.0)
    }
}

impl Entries {
    /// Adds anything.
    pub(super) fn put(&mut self, key: &str, value: Out) {
        self.0.push((key.to_owned(), value));
    }

    /// Adds text.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.put(key, Out::Text(value.to_owned()));
    }

    /// Adds text that is read as it was written, whatever it looks like.
    pub(super) fn any(&mut self, key: &str, value: &str) {
        self.put(key, Out::scalar(value));
    }

    /// Adds text that differs from the default.
    pub(super) fn text_unless(&mut self, key: &str, value: &str, default: &str) {
        if value != default {
            self.text(key, value);
        }
    }

    /// Adds a number, a boolean or a duration that differs from the default.
    pub(super) fn word_unless<T: PartialEq + ToString>(&mut self, key: &str, value: T, default: T) {
        if value != default {
            self.put(key, Out::scalar(&value.to_string()));
        }
    }

    /// Adds a list of texts unless it is empty.
    pub(super) fn list(&mut self, key: &str, items: &[String]) {
        if !items.is_empty() {
            self.put(key, Out::List(items.iter().map(|i| Out::scalar(i)).collect()));
        }
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Out {
    /// A scalar that may look like a number or a boolean, as its reader keeps the text.
    pub(super) fn scalar(text: &str) -> Self {
        let plain = Scalar { text: text.to_owned(), style: Style::Plain };
        match plain.kind() {
            Kind::Boolean(_) | Kind::Integer | Kind::Float => Self::Word(text.to_owned()),
            Kind::Null | Kind::Text => Self::Text(text.to_owned()),
        }
    }

    /// The text of the whole document.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Map(entries) if !entries.is_empty() => map(entries, 0, &mut out),
            Self::List(items) if !items.is_empty() => list(items, 0, &mut out),
            other => {
                other.inline(0, &mut out);
                out.push('\n');
            }
        }
        out
    }

    /// After `key:` or `-`: on the same line for scalars, below for the rest.
    fn inline(&self, indent: usize, out: &mut String) {
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Text(text) => scalar(text, indent, out),
            Self::List(_) => out.push_str("[]"),
            Self::Map(_) => out.push_str("{}"),
        }
    }
}

fn map(entries: &[(String, Out)], indent: usize, out: &mut String) {
    for (index, (key, value)) in entries.iter().enumerate() {
        // The first entry of a map in a list stands behind the dash.
        if index > 0 || !out.ends_with("- ") {
            pad(indent, out);
        }
        quoted(key, out);
        out.push(':');
        match value {
            Out::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                map(inner, indent + 2, out);
            }
            Out::List(items) if !items.is_empty() => {
                out.push('\n');
                list(items, indent + 2, out);
            }
            other => {
                out.push(' ');
                other.inline(indent + 2, out);
                end(out);
            }
        }
    }
}

fn list(items: &[Out], indent: usize, out: &mut String) {
    for item in items {
        pad(indent, out);
        out.push_str("- ");
        match item {
            Out::Map(inner) if !inner.is_empty() => map(inner, indent + 2, out),
            Out::List(inner) if !inner.is_empty() => {
                out.pop();
                out.push('\n');
                list(inner, indent + 2, out);
            }
            other => {
                other.inline(indent + 2, out);
                end(out);
            }
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn end(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

fn scalar(text: &str, indent: usize, out: &mut String) {
    if fits_block(text) { block(text, indent, out) } else { quoted(text, out) }
}

/// Several lines of which each can stand as it is.
fn fits_block(text: &str) -> bool {
    text.contains('\n')
        && !text.trim_matches(['\n', ' ', '\t']).is_empty()
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn block(text: &str, indent: usize, out: &mut String) {
    out.push('|');
    // A reader takes the indentation from the first line that holds anything, so an odd beginning needs a number.
    if text.starts_with([' ', '\t', '\n']) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 => {}
        _ => out.push('+'),
    }
    out.push('\n');
    for line in body.split('\n') {
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
    let blank_lines = (text.len() - body.len()).saturating_sub(1);
    out.extend(std::iter::repeat_n('\n', blank_lines));
}

fn quoted(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.chars().all(is_printable) {
        let _ = write!(out, "'{}'", text.replace('\'', "''"));
    } else {
        escaped(text, out);
    }
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Text that nobody can take for anything else.
fn is_plain(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '$'));
    first
        && !text.ends_with(' ')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " _./@+-%()$=;{},*[]|&!<>\"'".contains(c))
        && !text.starts_with("...")
        && Scalar { text: text.to_owned(), style: Style::Plain }.kind() == Kind::Text
}

fn escaped(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
}
