//! Reads an alias in StackStorm's form. What cannot be done here is named.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::canonical::Canonical;
use super::fields::Fields;
use super::report::{Refers, Report};
use super::rule::read_name;
use super::yaml::{Node, Value};
use crate::domain::alias::{Alias, Format, Phrase};

/// The most ways of saying it.
const MOST: usize = 50;
/// Keys that StackStorm keeps its own books with.
const BOOKKEEPING: [&str; 4] = ["metadata_file", "uid", "id", "ref"];

/// Reads one document as an alias.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Alias> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the alias", report)?;
    let name = fields.required("name", report).and_then(|n| read_name(n, "name", report));
    if let Some(name) = &name {
        fields.rename(format!("the alias `{name}`"));
    }
    let pack = fields.optional("pack").and_then(|n| read_name(n, "pack", report));
    let pack = pack.unwrap_or_else(|| "default".to_owned());
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let job_node = fields.required("action_ref", report);
    let job = job_node.and_then(|n| report.read_scalar(n, "action_ref"));
    let formats_node = fields.required("formats", report);
    let fixed = match fields.optional("immutable_parameters") {
        Some(node) => read_fixed(node, job.as_deref().unwrap_or_default(), &pack, report),
        None => Some(BTreeMap::new()),
    };
    let enabled = fields.optional("enabled").and_then(|n| report.read_boolean(n, "enabled"));
    let ack = fields.optional("ack").and_then(|n| read_ack(n, report));
    if let Some(node) = fields.optional("result") {
        read_result(node, report);
    }
    if let Some(node) = fields.optional("extra") {
        report.warning("not_done", node.span, "`extra` is for chats of StackStorm and is not read", None::<&str>);
    }
    for key in BOOKKEEPING {
        fields.optional(key);
    }
    fields.finish(report);
    let formats = match (formats_node, &job, &fixed) {
        (Some(node), Some(job), Some(fixed)) => read_formats(node, job, &pack, fixed, report),
        _ => None,
    };
    if let (Some(job), Some(node), Some(fixed), Some(formats)) = (&job, job_node, &fixed, &formats) {
        let given = given_by_all(formats, fixed);
        report.refer(Refers::AliasJob { name: job.clone(), pack: pack.clone(), given }, node.span);
    }
    if report.errors() > before {
        return None;
    }
    Some(Alias {
        name: name?,
        pack,
        description: description.unwrap_or_default(),
        job: job?,
        formats: formats?,
        fixed: fixed?,
        ack: ack.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
    })
}

/// The options that every way of saying it gives.
fn given_by_all(formats: &[Format], fixed: &BTreeMap<String, String>) -> Vec<String> {
    let names = |p: &Phrase| p.parameters().iter().map(|(name, _)| name.clone()).collect::<BTreeSet<String>>();
    let common = formats.iter().flat_map(|f| &f.phrases).map(names).reduce(|a, b| &a & &b).unwrap_or_default();
    common.into_iter().chain(fixed.keys().cloned()).collect()
}

fn read_formats(
    node: &Node,
    job: &str,
    pack: &str,
    fixed: &BTreeMap<String, String>,
    report: &mut Report<'_>,
) -> Option<Vec<Format>> {
    let before = report.errors();
    let items = report.read_list(node, "formats")?;
    if items.is_empty() || items.len() > MOST {
        let hint = "write for example `formats: ['restart {{service}} on {{host}}']`";
        report.error("empty_list", node.span, format!("an alias has from 1 to {MOST} `formats`"), Some(hint));
        return None;
    }
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let phrase = |node: &Node, key: &str, report: &mut Report<'_>| {
            let source = report.read_scalar(node, key)?;
            match Phrase::compile(&source) {
                Ok(phrase) => {
                    for (name, _) in phrase.parameters() {
                        if fixed.contains_key(name) {
                            let message = format!("`{name}` is one of `immutable_parameters`, so nobody can say it");
                            report.error("contradiction", node.span, message, Some("take it out of one of the two"));
                        }
                        let option = Refers::ActionOption(job.to_owned(), pack.to_owned(), name.clone());
                        report.refer(option, node.span);
                    }
                    Some(phrase)
                }
                Err(bad) => {
                    report.error("bad_format", node.span, format!("`{key}`: {bad}"), Some(bad.hint));
                    None
                }
            }
        };
        if !matches!(item.value, Value::Map(_)) {
            if let Some(phrase) = phrase(item, "formats", report) {
                out.push(Format { display: phrase.source().to_owned(), phrases: vec![phrase] });
            }
            continue;
        }
        let mut fields = Fields::open(item, "a format", report)?;
        let display = fields.optional("display").and_then(|n| report.read_scalar(n, "display"));
        let ways = fields.required("representation", report).and_then(|n| report.read_list(n, "representation"));
        fields.finish(report);
        let phrases: Vec<Phrase> =
            ways.unwrap_or_default().iter().filter_map(|n| phrase(n, "representation", report)).collect();
        if let Some(first) = phrases.first() {
            out.push(Format { display: display.unwrap_or_else(|| first.source().to_owned()), phrases });
        } else if report.errors() == before {
            let hint = "write for example `representation: ['restart {{service}}']`";
            report.error("empty_list", item.span, "`representation` is empty, so nothing is understood", Some(hint));
        }
    }
    (report.errors() == before).then_some(out)
}

/// Options that nobody may say otherwise: values as they are, not filled in.
fn read_fixed(node: &Node, job: &str, pack: &str, report: &mut Report<'_>) -> Option<BTreeMap<String, String>> {
    let before = report.errors();
    let mut out = BTreeMap::new();
    for entry in report.read_map(node, "immutable_parameters")? {
        let key = format!("immutable_parameters.{}", entry.key);
        let Some(value) = report.read_scalar(&entry.node, &key) else { continue };
        if value.contains("{{") || value.contains("{%") {
            let hint = "write the value itself";
            report.error("bad_template", entry.node.span, format!("`{key}` is not filled in"), Some(hint));
        }
        let option = Refers::ActionOption(job.to_owned(), pack.to_owned(), entry.key.clone());
        report.refer(option, entry.key_span);
        out.insert(entry.key.clone(), value);
    }
    (report.errors() == before).then_some(out)
}

/// What is said first when it is understood. Interlock's own words about the run always follow.
fn read_ack(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let mut fields = Fields::open(node, "`ack`", report)?;
    let enabled = fields.optional("enabled").and_then(|n| report.read_boolean(n, "enabled"));
    let format_node = fields.optional("format");
    let format = format_node.and_then(|n| report.read_scalar(n, "format"));
    if let Some(node) = fields.optional("append_url") {
        report.read_boolean(node, "append_url");
    }
    if let Some(node) = fields.optional("extra") {
        report.warning("not_done", node.span, "`extra` is for chats of StackStorm and is not read", None::<&str>);
    }
    fields.finish(report);
    let text = format.filter(|_| enabled != Some(false))?;
    if text.contains("{{") || text.contains("{%") || text.contains("{~") {
        let message = "`ack.format` is not filled in, so Interlock's own words are said alone";
        report.warning("not_done", format_node?.span, message, Some("write words without `{{`"));
        return None;
    }
    Some(crate::domain::notice::message::one_line(&text, 300))
}

/// How a run ended is always told in Interlock's own words.
fn read_result(node: &Node, report: &mut Report<'_>) {
    let Some(mut fields) = Fields::open(node, "`result`", report) else { return };
    let enabled = fields.optional("enabled");
    let off = enabled.and_then(|n| report.read_boolean(n, "enabled")) == Some(false);
    let format = fields.optional("format");
    let extra = fields.optional("extra");
    fields.finish(report);
    if let Some(node) = enabled.filter(|_| off).or(format).or(extra) {
        let message = "how a run ended is always told, in Interlock's own words; this is not read";
        report.warning("not_done", node.span, message, None::<&str>);
    }
}

impl Canonical for Alias {
    fn canonical(&self) -> Json {
        let format = |format: &Format| {
            let phrases: Vec<&str> = format.phrases.iter().map(Phrase::source).collect();
            json!({ "display": format.display, "representation": phrases })
        };
        json!({
            "name": self.name,
            "pack": self.pack,
            "description": self.description,
            "job": self.job,
            "formats": self.formats.iter().map(format).collect::<Vec<_>>(),
            "fixed": self.fixed,
            "ack": self.ack,
            "enabled": self.enabled,
        })
    }
}
