//! XML as elements with their places, within the bounds of the YAML reader. No document types, no entities of its own.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::diagnostic::Span;
use super::report::Report;
use super::yaml::{MAX_BYTES, MAX_DEPTH, MAX_NODES};

/// An element.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    /// Its name.
    pub(super) name: String,
    /// Its start tag.
    pub(super) span: Span,
    /// Its attributes in order.
    pub(super) attributes: Vec<(String, String)>,
    /// The elements in it.
    pub(super) children: Vec<Element>,
    /// The text in it.
    pub(super) text: String,
}

impl Element {
    /// An attribute's value.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Reads the root element.
pub(super) fn parse(report: &mut Report<'_>) -> Option<Element> {
    let text = report.text();
    if text.len() > MAX_BYTES {
        report.error("too_large", Span::at(0), "the file is larger than 1 MiB", Some("split it into several files"));
        return None;
    }
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut budget = MAX_NODES;
    loop {
        let start = position(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let at = position(reader.error_position());
                report.error("syntax", Span::at(at), format!("this is not XML: {error}"), None::<&str>);
                return None;
            }
        };
        let span = Span::new(start, position(reader.buffer_position()));
        let (element, closed) = match event {
            Event::Start(tag) => (Some(element(&tag, span, &mut budget, report)?), false),
            Event::Empty(tag) => (Some(element(&tag, span, &mut budget, report)?), true),
            Event::End(_) => (None, true),
            Event::Text(text) => {
                if let Some(open) = open.last_mut() {
                    open.text.push_str(&text.xml10_content());
                }
                continue;
            }
            Event::CData(text) => {
                if let Some(open) = open.last_mut() {
                    open.text.push_str(&text.xml10_content());
                }
                continue;
            }
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                let known = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c.to_string()),
                    _ => quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned),
                };
                match (known, open.last_mut()) {
                    (Some(known), Some(open)) => open.text.push_str(&known),
                    _ => {
                        report.error(
                            "syntax",
                            span,
                            format!("the entity `&{name};` is not known"),
                            Some("write `&amp;` for a `&`"),
                        );
                        return None;
                    }
                }
                continue;
            }
            Event::DocType(_) => {
                report.error("syntax", span, "a document type (`<!DOCTYPE …>`) is not read", Some("remove it"));
                return None;
            }
            Event::Eof => {
                report.error("syntax", span, "the XML ends before its first element is closed", None::<&str>);
                return None;
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => continue,
        };
        if let Some(element) = element {
            if open.len() >= MAX_DEPTH {
                report.error("too_deep", span, "this is nested too deeply", Some("nest at most 64 levels"));
                return None;
            }
            open.push(element);
        }
        if closed && let Some(done) = open.pop() {
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Some(done),
            }
        }
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn element(tag: &BytesStart<'_>, span: Span, budget: &mut usize, report: &mut Report<'_>) -> Option<Element> {
    let mut out = Element { name: tag.name().as_ref().to_owned(), span, ..Element::default() };
    for attribute in tag.attributes() {
        let read = attribute.map_err(|e| e.to_string()).and_then(|a| {
            let value = a.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
            Ok((a.key.as_ref().to_owned(), value.into_owned()))
        });
        match read {
            Ok(pair) => out.attributes.push(pair),
            Err(why) => {
                report.error(
                    "syntax",
                    span,
                    format!("an attribute of `<{}>` cannot be read: {why}", out.name),
                    None::<&str>,
                );
                return None;
            }
        }
    }
    match budget.checked_sub(1 + out.attributes.len()) {
        Some(rest) => *budget = rest,
        None => {
            report.error("too_many_values", span, "the file holds more than 100,000 values", Some("split the file"));
            return None;
        }
    }
    Some(out)
}
