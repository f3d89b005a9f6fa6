//! A compiled command as people read it: with the values in place of the variables. For pages, never for a shell.

use std::collections::BTreeMap;

/// Shows a compiled text with these values, by variable name, quoted as a shell would need them:
/// `systemctl restart 'nginx'`. A variable without a value is left as it is. Display only.
#[must_use]
pub fn illustrate(program: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(program.len());
    let mut rest = program;
    while let Some(c) = rest.chars().next() {
        if let Some((text, length)) = reference(rest, values) {
            out.push_str(&text);
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        // What follows a backslash stands for itself.
        let length = match c {
            '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            _ => c.len_utf8(),
        };
        let (now, later) = rest.split_at_checked(length).unwrap_or((rest, ""));
        out.push_str(now);
        rest = later;
    }
    out
}

/// A reference at the start of the text, in one of the two forms that the compiler writes: its display and its length.
fn reference(text: &str, values: &BTreeMap<String, String>) -> Option<(String, usize)> {
    if let Some(inner) = text.strip_prefix("\"$") {
        let (name, _) = inner.split_once('"')?;
        return values.get(name).map(|value| (single_quoted(value), name.len() + 3));
    }
    let (name, _) = text.strip_prefix("${")?.split_once('}')?;
    values.get(name).map(|value| (escaped(value), name.len() + 3))
}

fn single_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
