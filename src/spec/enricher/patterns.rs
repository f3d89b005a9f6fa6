//! The keys of a table of patterns.

use regex::{Regex, RegexBuilder};

use crate::domain::enricher::patterns::{Pattern, Patterns};
use crate::domain::ids::LabelName;
use crate::spec::fields::{Fields, suggest};
use crate::spec::report::Report;
use crate::spec::yaml::Node;

/// The most lines of a table.
const MOST: usize = 200;
/// The largest compiled pattern, in bytes.
const LARGEST: usize = 1 << 20;

/// Reads what such an enricher has beside the keys of every one. `labels` are the ones that it may give.
pub(super) fn read(fields: &mut Fields<'_>, labels: Option<&[LabelName]>, report: &mut Report<'_>) -> Option<Patterns> {
    let before = report.errors();
    let node = fields.required("patterns", report)?;
    let items = report.read_list(node, "patterns")?;
    if items.is_empty() || items.len() > MOST {
        let message = format!("`patterns` has {} lines", items.len());
        report.error("out_of_range", node.span, message, Some(format!("write 1 to {MOST} lines")));
    }
    let read: Vec<Pattern> = items.iter().take(MOST).filter_map(|item| read_line(item, labels, report)).collect();
    (report.errors() == before).then_some(Patterns(read))
}

fn read_line(item: &Node, labels: Option<&[LabelName]>, report: &mut Report<'_>) -> Option<Pattern> {
    let mut fields = Fields::open(item, "the pattern", report)?;
    let regex = fields.required("match", report).and_then(|n| read_regex(n, report));
    let label = fields.required("label", report).and_then(|n| read_label(n, labels, report));
    let confidence = match fields.optional("confidence") {
        Some(node) => read_confidence(node, report),
        None => Some(1.0),
    };
    fields.finish(report);
    Some(Pattern { regex: regex?, label: label?, confidence: confidence? })
}

fn read_regex(node: &Node, report: &mut Report<'_>) -> Option<Regex> {
    let text = report.read_text(node, "match")?;
    match RegexBuilder::new(&text).size_limit(LARGEST).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint = "write a regular expression such as `(?i)disk (is )?full`";
            report.error("bad_pattern", node.span, format!("`match` cannot be read: {why}"), Some(hint));
            None
        }
    }
}

fn read_label(node: &Node, labels: Option<&[LabelName]>, report: &mut Report<'_>) -> Option<LabelName> {
    let label = report.read_name(node, "label", LabelName::parse)?;
    let known = labels?;
    if known.contains(&label) {
        return Some(label);
    }
    let message = format!("`label`: `{label}` is not one of the enricher's labels");
    report.error("unknown_label", node.span, message, suggest(label.as_str(), known.iter().map(AsRef::as_ref)));
    None
}

fn read_confidence(node: &Node, report: &mut Report<'_>) -> Option<f64> {
    let confidence = report.read_number(node, "confidence")?;
    if (0.0..=1.0).contains(&confidence) {
        return Some(confidence);
    }
    let message = format!("`confidence` is {confidence}");
    report.error("out_of_range", node.span, message, Some("use a number from 0 to 1, such as 0.95"));
    None
}
