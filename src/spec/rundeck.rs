//! Converts Rundeck's job definitions to Interlock's form, tree to tree, so that the job reader then checks them like
//! any other and marks mistakes where the author wrote them.
//!
//! Promises to name whatever it leaves out: as an error where the job would do something else without it, otherwise as
//! a warning.

mod options;
mod steps;
mod xml;

pub(super) use xml::{is_joblist, jobs as xml_jobs};

use super::diagnostic::Span;
use super::report::Report;
use super::yaml::{Entry, Kind, Node, Scalar, Style, Value};

/// A map that is being made.
struct Made {
    span: Span,
    entries: Vec<Entry>,
}

impl Made {
    fn at(span: Span) -> Self {
        Self { span, entries: Vec::new() }
    }

    fn put(&mut self, key: &str, node: Node) {
        self.entries.push(Entry { key: key.to_owned(), key_span: node.span, node });
    }

    fn word(&mut self, key: &str, word: &str, span: Span) {
        self.put(key, Node { span, value: Value::Scalar(Scalar { text: word.to_owned(), style: Style::Plain }) });
    }

    fn text(&mut self, key: &str, text: &str, span: Span) {
        self.put(key, Node { span, value: Value::Scalar(Scalar { text: text.to_owned(), style: Style::Double }) });
    }

    fn done(self) -> Node {
        Node { span: self.span, value: Value::Map(self.entries) }
    }
}

/// A scalar that counts as text, whatever it looks like: YAML 1.1 tools do not quote all that YAML 1.2 would.
fn as_text(node: &Node) -> Node {
    match (&node.value, node.kind()) {
        (Value::Scalar(scalar), Some(kind)) if kind != Kind::Text => {
            let scalar = Scalar { text: scalar.text.clone(), style: Style::Double };
            Node { span: node.span, value: Value::Scalar(scalar) }
        }
        _ => node.clone(),
    }
}

fn text_of(node: &Node) -> Option<&str> {
    node.scalar().map(|s| s.text.as_str())
}

/// `true` as YAML 1.1 or a quoted text writes it.
fn is_true(node: Option<&Node>) -> bool {
    node.and_then(text_of).is_some_and(|t| matches!(t.to_lowercase().as_str(), "true" | "yes" | "on"))
}

/// Nothing, an empty text, an empty list or an empty map.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => node.is_null() || scalar.text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.iter().all(|e| is_empty(&e.node)),
    }
}

/// Names every other key of a map that says anything.
fn others(node: &Node, known: &[&str], report: &mut Report<'_>) {
    let Value::Map(entries) = &node.value else { return };
    for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
        if !is_empty(&entry.node) && text_of(&entry.node) != Some("false") {
            let shown: String = entry.key.chars().take(60).collect();
            left_out(&format!("`{shown}`"), entry.key_span, "there is nothing like it here", report);
        }
    }
}

/// Says that a part was left out although the job works without it.
fn left_out(what: &str, span: Span, hint: &str, report: &mut Report<'_>) {
    report.warning("not_converted", span, format!("{what} is left out in the conversion from Rundeck"), Some(hint));
}

/// Says that a part cannot be left out.
fn refused(what: &str, span: Span, hint: &str, report: &mut Report<'_>) {
    report.error("not_converted", span, format!("{what} cannot be converted from Rundeck"), Some(hint));
}

/// Converts one job. The result still has to be read.
pub(super) fn convert(job: &Node, report: &mut Report<'_>) -> Option<Node> {
    let Value::Map(entries) = &job.value else {
        report.wrong_type(job, "the Rundeck job", "a map", None);
        return None;
    };
    let mut out = Made::at(job.span);
    if let Some(id) = job.get("uuid").or_else(|| job.get("id")).filter(|n| !is_empty(n)) {
        out.put("id", as_text(id));
    }
    for entry in entries {
        let (node, span) = (&entry.node, entry.key_span);
        match entry.key.as_str() {
            "uuid"
            | "id"
            | "project"
            | "maxMultipleExecutions"
            | "retryDelay"
            | "scheduleEnabled"
            | "nodesSelectedByDefault" => {}
            "name" => out.put("name", as_text(node)),
            "group" if !is_empty(node) => out.put("group", as_text(node)),
            "description" if !is_empty(node) => out.put("description", as_text(node)),
            "executionEnabled" if !is_empty(node) => {
                out.word("enabled", if is_true(Some(node)) { "true" } else { "false" }, node.span);
            }
            "multipleExecutions" => {}
            "timeout" if !is_empty(node) => timeout(&mut out, node, report),
            "retry" if !is_empty(node) => retry(&mut out, job, node, report),
            "options" if !is_empty(node) => {
                if let Some(list) = options::convert(node, report) {
                    out.put("options", list);
                }
            }
            "sequence" => sequence(&mut out, node, report),
            "nodefilters" if !is_empty(node) => dispatch(&mut out, job, node, report),
            "nodeFilterEditable" | "defaultTab" | "excludeFilterUncheck" => {}
            "loglevel" if text_of(node) == Some("INFO") => {}
            "schedule" | "schedules" if !is_empty(node) => {
                left_out("the schedule", span, "schedules are not supported yet", report);
            }
            "notification" if !is_empty(node) => {
                left_out("the notification", span, "name channels of project.yaml under `notify`", report);
            }
            "orchestrator" if !is_empty(node) => {
                refused("the orchestrator", span, "choose the nodes with the filter and `concurrency`", report);
            }
            key if !is_empty(node) => {
                let shown: String = key.chars().take(60).collect();
                left_out(&format!("`{shown}`"), span, "there is nothing like it here", report);
            }
            _ => {}
        }
    }
    one_at_a_time(&mut out, job);
    Some(out.done())
}

/// Rundeck lets one run at a time unless the job says otherwise.
fn one_at_a_time(out: &mut Made, job: &Node) {
    let max = job.get("maxMultipleExecutions").filter(|n| !is_empty(n));
    let limit = match (is_true(job.get("multipleExecutions")), max) {
        (false, _) => "1",
        (true, Some(max)) => text_of(max).unwrap_or_default(),
        (true, None) => return,
    };
    let span = max.or_else(|| job.get("multipleExecutions")).map_or(Span::at(job.span.start), |n| n.span);
    let mut inner = Made::at(span);
    inner.word("limit", limit, span);
    out.put("concurrency", inner.done());
}

fn timeout(out: &mut Made, node: &Node, report: &mut Report<'_>) {
    match text_of(node) {
        Some(text) if text.contains("${") => {
            refused("a time-out from an option", node.span, "write a fixed time-out such as `30m`", report);
        }
        Some("0") => {}
        _ => out.put("timeout", node.clone()),
    }
}

fn retry(out: &mut Made, job: &Node, node: &Node, report: &mut Report<'_>) {
    let (count, delay) = match &node.value {
        Value::Map(_) => (node.get("retry"), node.get("delay")),
        _ => (Some(node), job.get("retryDelay")),
    };
    let Some(count) = count.filter(|n| !is_empty(n)) else { return };
    if [Some(count), delay].into_iter().flatten().filter_map(text_of).any(|t| t.contains("${")) {
        refused("a retry from an option", node.span, "write a fixed number", report);
        return;
    }
    let mut inner = Made::at(node.span);
    inner.word("count", text_of(count).unwrap_or_default(), count.span);
    if let Some(delay) = delay.filter(|n| !is_empty(n)) {
        inner.put("delay", delay.clone());
    }
    out.put("retry", inner.done());
}

fn sequence(out: &mut Made, node: &Node, report: &mut Report<'_>) {
    if is_true(node.get("keepgoing")) {
        let span = node.get("keepgoing").map_or(node.span, |n| n.span);
        refused(
            "`keepgoing` of the steps",
            span,
            "a run stops at the first failed step; write `|| true` where a step may fail",
            report,
        );
    }
    if let Some(strategy) = node.get("strategy").filter(|n| !is_empty(n)) {
        let word = match text_of(strategy) {
            Some("sequential") => "step-first",
            Some(other) => other,
            None => "",
        };
        out.word("strategy", word, strategy.span);
    }
    others(node, &["keepgoing", "strategy", "pluginConfig", "commands"], report);
    if let Some(plugins) = node.get("pluginConfig").filter(|n| !is_empty(n)) {
        left_out("`pluginConfig`", plugins.span, "log filters and strategy plugins are not supported", report);
    }
    if let Some(list) = node.get("commands").and_then(|commands| steps::convert(commands, report)) {
        out.put("steps", list);
    }
}

fn dispatch(out: &mut Made, job: &Node, node: &Node, report: &mut Report<'_>) {
    for key in ["include", "exclude", "filterExclude"] {
        if let Some(old) = node.get(key).filter(|n| !is_empty(n)) {
            refused(
                &format!("`{key}` of the node filters"),
                old.span,
                "write it into `filter`, with `!key: value` for what is left out",
                report,
            );
        }
    }
    // Rundeck runs a job locally when it has a `dispatch` but no filter.
    let Some(filter) = node.get("filter") else { return };
    let mut inner = Made::at(node.span);
    if filter.is_null() {
        inner.text("filter", "", filter.span);
    } else {
        inner.put("filter", as_text(filter));
    }
    others(node, &["filter", "dispatch", "include", "exclude", "filterExclude"], report);
    if let Some(dispatch) = node.get("dispatch") {
        let known = ["threadcount", "keepgoing", "rankAttribute", "rankOrder", "excludePrecedence"];
        others(dispatch, &known, report);
    }
    let part = |key: &str| node.get("dispatch").and_then(|d| d.get(key)).filter(|n| !is_empty(n));
    if let Some(threads) = part("threadcount") {
        inner.word("concurrency", text_of(threads).unwrap_or_default(), threads.span);
    }
    if let Some(keep) = part("keepgoing") {
        inner.word("keep_going", if is_true(Some(keep)) { "true" } else { "false" }, keep.span);
    }
    if let Some(rank) = part("rankAttribute") {
        let name = text_of(rank).filter(|t| *t != "nodename").unwrap_or("name");
        inner.text("order_by", name, rank.span);
    }
    if let Some(order) = part("rankOrder").filter(|n| text_of(n).is_some_and(|t| t.starts_with("desc"))) {
        left_out("the descending order of the nodes", order.span, "nodes start in ascending order", report);
    }
    if let Some(precedence) = part("excludePrecedence").filter(|n| !is_true(Some(n))) {
        inner.word("exclude_precedence", "false", precedence.span);
    }
    if is_true(job.get("nodeFilterEditable")) {
        inner.word("user_may_narrow", "true", node.span);
    }
    out.put("nodes", inner.done());
}
