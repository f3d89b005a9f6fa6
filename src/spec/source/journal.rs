//! The keys of systemd's journal.

use crate::domain::source::journal::{Filter, Journal, OWN_FIELDS, Priority};
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::{Node, Value};

use super::log::read_pattern;

/// The ends of units' names.
const KINDS: [&str; 6] = [".service", ".socket", ".timer", ".mount", ".scope", ".slice"];

/// Reads what a journal has beside the keys of every source.
pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Journal> {
    let units = fields.optional("unit").map(|n| read_each(n, "unit", unit, report));
    let identifiers = fields.optional("identifier").map(|n| read_each(n, "identifier", identifier, report));
    let priority = fields.optional("priority").and_then(|n| report.read_word(n, "priority", &Priority::WORDS));
    let pattern = fields.required("pattern", report).and_then(|n| read_pattern(n, &OWN_FIELDS, report));
    let words = [("end", false), ("start", true)];
    let from = fields.optional("from").and_then(|n| report.read_word(n, "from", &words));
    let filter = Filter { units: units.unwrap_or_default(), identifiers: identifiers.unwrap_or_default(), priority };
    Some(Journal { filter, pattern: pattern?, from_start: from.unwrap_or(false) })
}

/// One name or a list of them.
fn read_each(node: &Node, key: &'static str, read: fn(&str) -> Option<String>, report: &mut Report<'_>) -> Vec<String> {
    let named = match node.value {
        Value::List(_) => report.read_texts(node, key).unwrap_or_default(),
        _ => report.read_text(node, key).map(|text| (text, node.span)).into_iter().collect(),
    };
    let mut out = Vec::with_capacity(named.len());
    for (text, span) in named {
        match read(&text) {
            Some(name) => out.push(name),
            None => {
                let hint = if key == "unit" { "write it as `nginx.service`" } else { "write it as `sshd`" };
                report.error("bad_value", span, format!("`{key}` holds something that is no {key}"), Some(hint));
            }
        }
    }
    out
}

fn unit(text: &str) -> Option<String> {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b":_.\\@-".contains(&b);
    let good = !text.is_empty() && text.len() <= 255 && text.bytes().all(letters) && !text.starts_with(['-', '.']);
    let whole = KINDS.iter().any(|kind| text.ends_with(kind));
    good.then(|| if whole { text.to_owned() } else { format!("{text}.service") })
}

fn identifier(text: &str) -> Option<String> {
    (!text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control)).then(|| text.to_owned())
}
