//! Walks a map key by key: takes the known ones, then names what is missing and what is unknown.

use super::diagnostic::Span;
use super::report::Report;
use super::yaml::{Entry, Node, Value};

/// Words that people know from elsewhere, with our word for each.
const KNOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("regexp", "pattern"),
    ("regex", "pattern"),
    ("exec", "run"),
    ("command", "run"),
    ("cmd", "run"),
    ("shell", "interpreter"),
    ("scriptInterpreter", "interpreter"),
    ("env", "environment"),
    ("threadcount", "concurrency"),
    ("parallel", "concurrency"),
    ("rankAttribute", "order_by"),
    ("excludePrecedence", "exclude_precedence"),
    ("multipleExecutions", "concurrency"),
    ("value", "default"),
    ("enforced", "values"),
    ("choices", "values"),
    ("uuid", "id"),
    ("approvals", "approval"),
    ("permissions", "allow"),
    ("resource", "on"),
    ("nodefilters", "nodes"),
    ("notification", "notify"),
    ("secret", "secrets"),
    ("storagePath", "storage"),
    ("host", "hostname"),
    ("nodeFilter", "node_filter"),
    ("retention_days", "retention"),
];

/// A map that is being read.
pub(crate) struct Fields<'t> {
    what: String,
    span: Span,
    entries: &'t [Entry],
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// Opens a map. `what` names it in sentences, with its article: "a job", "the option `service`".
    pub(crate) fn open(node: &'t Node, what: impl Into<String>, report: &mut Report<'_>) -> Option<Self> {
        let what = what.into();
        match &node.value {
            Value::Map(entries) => Some(Self { what, span: node.span, entries, known: Vec::new() }),
            _ => {
                report.wrong_type(node, &what, "a map of `key: value` lines", None);
                None
            }
        }
    }

    /// Where the map begins.
    pub(crate) fn start(&self) -> Span {
        Span::at(self.span.start)
    }

    /// The map's name in sentences.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Another name for sentences, once more is known.
    pub(crate) fn rename(&mut self, what: String) {
        self.what = what;
    }

    /// The value of a key that may be absent.
    pub(crate) fn optional(&mut self, key: &'static str) -> Option<&'t Node> {
        self.known.push(key);
        self.entries.iter().find(|e| e.key == key).map(|e| &e.node)
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&mut self, key: &'static str, report: &mut Report<'_>) -> Option<&'t Node> {
        let node = self.optional(key);
        if node.is_none() && !self.has_near(key) {
            report.error("missing_key", self.start(), format!("{} lacks the key `{key}`", self.what), None::<&str>);
        }
        node
    }

    /// Where a key stands, for mistakes about its presence.
    pub(crate) fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.iter().find(|e| e.key == key).map(|e| e.key_span)
    }

    /// Reports every key that nobody took.
    pub(crate) fn finish(self, report: &mut Report<'_>) {
        // A map of foreign keys is told well enough by its first ones.
        for entry in self.entries.iter().filter(|e| !self.known.contains(&e.key.as_str())).take(20) {
            let shown: String = entry.key.chars().take(60).collect();
            let message = format!("unknown key `{shown}` in {}", self.what);
            report.error("unknown_key", entry.key_span, message, Some(self.suggest(&entry.key)));
        }
    }

    fn suggest(&self, key: &str) -> String {
        if key == "<<" {
            return "merge keys are not read; write the lines out".to_owned();
        }
        match nearest(key, &self.known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", self.known.join(", ")),
        }
    }

    /// Whether a key was probably meant: a misspelt one is reported once, as unknown, and not a second time as missing.
    pub(crate) fn has_near(&self, key: &'static str) -> bool {
        self.entries.iter().any(|e| e.key != key && nearest(&e.key, &[key]).is_some())
    }

    /// Whether a key is there that nobody took.
    pub(crate) fn has_untaken(&self, key: &str) -> bool {
        !self.known.contains(&key) && self.entries.iter().any(|e| e.key == key)
    }

    /// Lets every key pass, where something larger has been told.
    pub(crate) fn abandon(self) {}
}

/// The known word that somebody most likely meant.
pub(crate) fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    if let Some((_, ours)) = KNOWN_ELSEWHERE.iter().find(|(theirs, _)| *theirs == given)
        && let Some(known) = known.iter().find(|k| *k == ours)
    {
        return Some(known);
    }
    if given.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let given = plain(given);
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&given, &plain(k)), *k))
        .filter(|(distance, k)| *distance <= if k.len() < 4 { 1 } else { 2.min(k.len() / 3) })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// "did you mean" over names that are only known at run time, or all of them when none is near.
pub(crate) fn suggest<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    match nearest(given, &known) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => {
            let shown = known.iter().take(12).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            Some(format!(
                "there {} {shown}{}",
                if known.len() == 1 { "is only" } else { "are" },
                if known.len() > 12 { ", …" } else { "" }
            ))
        }
    }
}
