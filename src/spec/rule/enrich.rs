//! Reads which enrichers a rule asks, and holds against that what the rule does with labels.

use crate::domain::enricher::label;
use crate::domain::guard::Guards;
use crate::domain::ids::EnricherName;
use crate::domain::rule::Action;
use crate::domain::rule::conditions::Conditions;
use crate::spec::report::{Refers, Report};
use crate::spec::yaml::{Node, Value};

/// The most enrichers of one rule.
const MOST: usize = 5;

/// Reads the value of `enrich`: a list of names.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Vec<EnricherName>> {
    let before = report.errors();
    if matches!(node.value, Value::Map(_)) {
        let hint = "describe how events are labelled in enrichers/NAME.yaml, and write `enrich: [NAME]` here";
        report.wrong_type(node, "`enrich`", "a list of the names of enrichers", Some(hint.to_owned()));
        return None;
    }
    let mut out: Vec<EnricherName> = Vec::new();
    for (text, span) in report.read_texts(node, "enrich")? {
        let Some(name) = report.accept(EnricherName::parse(&text), span, "enrich") else { continue };
        report.refer(Refers::Enricher(name.clone()), span);
        out.push(name);
    }
    if out.len() > MOST {
        let message = format!("the rule asks {} enrichers", out.len());
        report.error("out_of_range", node.span, message, Some(format!("use at most {MOST}")));
    }
    (report.errors() == before).then_some(out)
}

/// Holds labels and what the rule does with them against each other.
pub(super) fn fits(
    asked: &[EnricherName],
    conditions: &Conditions,
    guards: &Guards,
    action: &Action,
    node: &Node,
    report: &mut Report<'_>,
) {
    let floor = guards.confidence.as_ref().filter(|floor| label::is_label(&floor.field));
    let criteria = conditions.every();
    if asked.is_empty() {
        let criterion = criteria.iter().find(|spec| label::is_label(&spec.path)).map(|spec| &spec.path);
        if let Some(field) = criterion.or(floor.map(|floor| &floor.field)) {
            let message = format!("the rule looks at `{field}`, but asks no enricher, so it is always missing");
            report.warning("no_enricher", node.span, message, Some("name one with `enrich: [NAME]`"));
        }
        return;
    }
    for spec in criteria.iter().filter(|spec| spec.path.split('#').next() == Some(label::CLASS)) {
        if let Some(text) = spec.equal_text() {
            report.refer(Refers::Label(asked.to_vec(), text.to_owned()), node.span);
        }
    }
    if floor.is_none() && matches!(action, Action::Run { .. }) {
        let message = "the rule runs a job by a label, however unsure that is";
        let hint = "add `min_confidence: {at_least: 0.9, below: notify}` to its `guard`";
        report.error("no_confidence_floor", node.span, message, Some(hint));
    }
}
