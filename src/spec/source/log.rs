//! The keys of a log stream.

use regex::RegexBuilder;

use crate::domain::source::log::{LogFile, OWN_FIELDS};
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::Node;

/// The largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// Reads what a log stream has beside the keys of every source.
pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<LogFile> {
    let file = fields.required("file", report).and_then(|n| read_file(n, report));
    let pattern = fields.required("pattern", report).and_then(|n| read_pattern(n, &OWN_FIELDS, report));
    let words = [("end", false), ("start", true)];
    let from = fields.optional("from").and_then(|n| report.read_word(n, "from", &words));
    Some(LogFile { file: file?, pattern: pattern?, from_start: from.unwrap_or(false) })
}

fn read_file(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "file")?;
    let plain = text.starts_with('/')
        && text.len() <= 1_000
        && !text.ends_with('/')
        && !text.chars().any(char::is_control)
        && text.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    if plain {
        return Some(text);
    }
    let hint = "write the whole path, such as `/var/log/app.log`, without `..`";
    report.error("bad_value", node.span, "`file` is not the path of a file", Some(hint));
    None
}

/// Reads a pattern none of whose groups is called as one of these fields.
pub(super) fn read_pattern(node: &Node, own: &[&str], report: &mut Report<'_>) -> Option<regex::Regex> {
    let text = report.read_text(node, "pattern")?;
    let pattern = match RegexBuilder::new(&text).size_limit(LARGEST_PATTERN).build() {
        Ok(pattern) => pattern,
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint = "write a regular expression such as `ERROR (?P<code>\\d+)`";
            report.error("bad_pattern", node.span, format!("`pattern` cannot be read: {why}"), Some(hint));
            return None;
        }
    };
    if let Some(name) = pattern.capture_names().flatten().find(|name| own.contains(name)) {
        let message = format!("`pattern` has a group `{name}`, which is a field of its events anyway");
        report.error("bad_pattern", node.span, message, Some("give the group another name"));
        return None;
    }
    Some(pattern)
}
