//! From the parser's events to trees, document by document, within bounds.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle};

use super::{Entry, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Scalar, Style, Value, syntax};
use crate::spec::diagnostic::Span;
use crate::spec::report::Report;

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its content.
    pub(crate) root: Node,
    /// The bytes of the file that it takes, comments included.
    pub(crate) range: Span,
}

/// Why the tree of a document was given up.
struct GaveUp;

/// Reads every document of the file that can be read. What cannot is reported; empty documents are left out.
/// The second value says whether a document was lost.
pub(crate) fn documents(report: &mut Report<'_>) -> (Vec<Document>, bool) {
    let text = report.text();
    if text.len() > MAX_BYTES {
        report.error("too_large", Span::at(0), "the file is larger than 1 MiB", Some("split it into several files"));
        return (Vec::new(), true);
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut build = Build { budget: MAX_NODES, ..Build::default() };
    let mut out: Vec<Document> = Vec::new();
    let mut start = 0;
    let mut lost = false;
    loop {
        let failed = match parser.next_event() {
            None => break,
            Some(Err(error)) => {
                let (message, hint) = syntax::explain(error.kind());
                report.error("syntax", Span::at(offset(text, error.marker())), message, hint);
                true
            }
            Some(Ok((event, span))) => {
                let at = Span::new(offset(text, &span.start), offset(text, &span.end));
                match event {
                    Event::StreamStart => false,
                    Event::StreamEnd => break,
                    Event::DocumentStart(explicit, _) => {
                        build.begin();
                        close_at(&mut out, at.start);
                        start = if explicit && !out.is_empty() || lost { after_line(text, at.end) } else { 0 };
                        false
                    }
                    Event::DocumentEnd => {
                        if let Some(root) = build.root.take().filter(|root| !root.is_null()) {
                            out.push(Document { root, range: Span::new(start, text.len()) });
                        }
                        false
                    }
                    event => build.take(event, at, &span, report).is_err(),
                }
            }
        };
        if failed {
            lost = true;
            build.begin();
            // Later documents can still be read; inside the broken one nothing can be trusted.
            if build.budget == 0 || !matches!(parser.proceed_next_document(), Ok(true)) {
                break;
            }
        }
    }
    (out, lost)
}

/// The last document ends where the next begins.
fn close_at(out: &mut [Document], next: usize) {
    if let Some(last) = out.last_mut()
        && last.range.end > next
    {
        last.range.end = next;
    }
}

fn after_line(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    match rest.find('\n') {
        Some(end) if rest.get(..end).is_some_and(|r| r.trim().is_empty() || r.trim_start().starts_with('#')) => {
            from + end + 1
        }
        _ => from,
    }
}

fn offset(text: &str, marker: &granit_parser::Marker) -> usize {
    marker.byte_offset().unwrap_or_else(|| text.char_indices().nth(marker.index()).map_or(text.len(), |(i, _)| i))
}

#[derive(Default)]
struct Build {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    budget: usize,
}

struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<Node> },
}

impl Build {
    fn begin(&mut self) {
        self.open.clear();
        self.root = None;
        self.anchors.clear();
    }

    fn take(
        &mut self,
        event: Event<'_>,
        at: Span,
        span: &granit_parser::Span,
        report: &mut Report<'_>,
    ) -> Result<(), GaveUp> {
        if let Some(tag) = event.tag() {
            let tag_at = span.tag_start().and_then(|m| m.byte_offset()).unwrap_or(at.start);
            let message = format!(
                "the tag `{}` is not read: values are text, numbers, true, false, lists and maps",
                tag.original()
            );
            report.error(
                "tag_not_allowed",
                Span::at(tag_at),
                message,
                Some("remove the tag, or put a text that starts with `!` in quotes"),
            );
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.spend(1, at, report)?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let node = Node { span: at, value: Value::Scalar(Scalar { text: text.into_owned(), style }) };
                self.place(node, anchor, report);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.enter(at, anchor, Content::List(Vec::new()), report)?;
            }
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Map { entries: Vec::new(), seen: HashSet::new(), key: None };
                self.enter(at, anchor, content, report)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let value = match open.content {
                        Content::List(items) => Value::List(items),
                        Content::Map { entries, .. } => Value::Map(entries),
                    };
                    let span = Span::new(open.span.start, at.end.max(open.span.start));
                    self.place(Node { span, value }, open.anchor, report);
                }
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    report.error(
                        "recursive_alias",
                        at,
                        "an alias stands inside the value that it refers to",
                        None::<&str>,
                    );
                    return Err(GaveUp);
                };
                let mut node = node.clone();
                node.span = at;
                let (size, depth) = measure(&node);
                self.spend(size, at, report)?;
                if self.open.len() + depth > MAX_DEPTH {
                    return too_deep(at, report);
                }
                self.place(node, 0, report);
            }
            _ => {}
        }
        Ok(())
    }

    fn spend(&mut self, nodes: usize, at: Span, report: &mut Report<'_>) -> Result<(), GaveUp> {
        match self.budget.checked_sub(nodes) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => {
                self.budget = 0;
                let message = "the file holds more than 100,000 values, aliases counted with all that they stand for";
                report.error("too_many_values", at, message, Some("split the file"));
                Err(GaveUp)
            }
        }
    }

    fn enter(&mut self, span: Span, anchor: usize, content: Content, report: &mut Report<'_>) -> Result<(), GaveUp> {
        self.spend(1, span, report)?;
        if self.open.len() >= MAX_DEPTH {
            return too_deep(span, report);
        }
        self.open.push(Open { span, anchor, content });
        Ok(())
    }

    fn place(&mut self, node: Node, anchor: usize, report: &mut Report<'_>) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|o| &mut o.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, seen, key }) => match key.take() {
                None => *key = Some(node),
                Some(name) => add(entries, seen, &name, node, report),
            },
        }
    }
}

fn add(entries: &mut Vec<Entry>, seen: &mut HashSet<String>, name: &Node, node: Node, report: &mut Report<'_>) {
    let Some(scalar) = name.scalar().filter(|_| !name.is_null()) else {
        report.error(
            "bad_key",
            name.span,
            format!("a key must be text, found {}", name.describe()),
            Some("put a text that holds braces or brackets in quotes"),
        );
        return;
    };
    if !seen.insert(scalar.text.clone()) {
        let message = format!("the key `{}` stands twice in this map", short(&scalar.text));
        report.error("duplicate_key", name.span, message, Some("keep one of the two"));
        return;
    }
    entries.push(Entry { key: scalar.text.clone(), key_span: name.span, node });
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn too_deep(at: Span, report: &mut Report<'_>) -> Result<(), GaveUp> {
    report.error("too_deep", at, "this is nested too deeply", Some("nest at most 64 levels"));
    Err(GaveUp)
}

/// The number of nodes and the depth of a tree.
fn measure(node: &Node) -> (usize, usize) {
    let below = |(size, depth): (usize, usize), child: &Node| {
        let (s, d) = measure(child);
        (size + s, depth.max(d))
    };
    match &node.value {
        Value::Scalar(_) => (1, 0),
        Value::List(items) => {
            let (size, depth) = items.iter().fold((1, 0), below);
            (size, depth + 1)
        }
        Value::Map(entries) => {
            let (size, depth) = entries.iter().map(|e| &e.node).fold((1 + entries.len(), 0), below);
            (size, depth + 1)
        }
    }
}
