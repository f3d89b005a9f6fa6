//! Reads what holds a rule back.

use super::action::read_text;
use crate::domain::change_freeze::Day;
use crate::domain::criteria::is_path;
use crate::domain::enricher::label;
use crate::domain::guard::{Below, BlastRadius, Breaker, ConfidenceFloor, Dedupe, Guards, Maintenance, Rate};
use crate::domain::ids::{Environment, RoleName};
use crate::domain::notice::Audience;
use crate::domain::rule::conditions::Conditions;
use crate::domain::time::Seconds;
use crate::domain::zone::Zone;
use crate::spec::fields::Fields;
use crate::spec::report::{Refers, Report};
use crate::spec::yaml::{Node, Value};

/// Reads the value of `guard`.
pub(super) fn read(node: &Node, conditions: Option<&Conditions>, report: &mut Report<'_>) -> Option<Guards> {
    let before = report.errors();
    let mut fields = Fields::open(node, "`guard`", report)?;
    let mut guards = Guards::default();
    if let Some(node) = either(&mut fields, "environment", "environments", report) {
        guards.environments = environments(node, report).unwrap_or_default();
    }
    guards.confidence = either(&mut fields, "min_confidence", "confidence", report).and_then(|n| confidence(n, report));
    guards.strict = fields.optional("strict").and_then(|n| strict(n, conditions, report)).unwrap_or_default();
    guards.dedupe = fields.optional("dedupe").and_then(|n| dedupe(n, report));
    guards.rate = fields.optional("rate").and_then(|n| rate(n, report));
    guards.breaker = fields.optional("breaker").and_then(|n| breaker(n, report));
    guards.maintenance = fields.optional("maintenance").and_then(|n| maintenance(n, report)).unwrap_or_default();
    guards.blast_radius = fields.optional("blast_radius").and_then(|n| blast_radius(n, report));
    fields.finish(report);
    (report.errors() == before).then_some(guards)
}

/// One value under either of two names.
fn either<'t>(
    fields: &mut Fields<'t>,
    first: &'static str,
    second: &'static str,
    report: &mut Report<'_>,
) -> Option<&'t Node> {
    let (one, two) = (fields.optional(first), fields.optional(second));
    if let (Some(_), Some(other)) = (one, two) {
        let message = format!("`{first}` and `{second}` are the same");
        report.error("contradiction", other.span, message, Some("keep one of the two"));
    }
    one.or(two)
}

/// As [`either`], where one of the two must be there.
fn one_of<'t>(
    fields: &mut Fields<'t>,
    first: &'static str,
    second: &'static str,
    report: &mut Report<'_>,
) -> Option<&'t Node> {
    let found = either(fields, first, second, report);
    if found.is_none() && !fields.has_near(first) && !fields.has_near(second) {
        report.error("missing_key", fields.start(), format!("{} lacks the key `{first}`", fields.what()), None::<&str>);
    }
    found
}

fn environments(node: &Node, report: &mut Report<'_>) -> Option<Vec<Environment>> {
    let texts = match &node.value {
        Value::Scalar(_) => vec![(report.read_text(node, "environment")?, node.span)],
        _ => report.read_texts(node, "environment")?,
    };
    if texts.is_empty() {
        let hint = "name the environments that the rule may reach, or remove the line";
        report.error("empty_list", node.span, "`environment` is empty", Some(hint));
    }
    let mut out = Vec::with_capacity(texts.len());
    for (text, span) in texts {
        if let Some(environment) = report.accept(Environment::parse(&text), span, "environment") {
            report.refer(Refers::Environment(environment.clone()), span);
            out.push(environment);
        }
    }
    Some(out)
}

fn confidence(node: &Node, report: &mut Report<'_>) -> Option<ConfidenceFloor> {
    let mut fields = Fields::open(node, "`min_confidence`", report)?;
    let field = match fields.optional("field") {
        Some(node) => report.read_text(node, "field").and_then(|text| field_path(&text, node, report)),
        None => Some(label::CONFIDENCE.to_owned()),
    };
    let floor_node = fields.required("at_least", report);
    let at_least = floor_node.and_then(|n| report.read_number(n, "at_least"));
    let words = [("notify", Below::Notify), ("approval", Below::Approval), ("drop", Below::Drop)];
    let below = match fields.optional("below") {
        Some(node) => report.read_word(node, "below", &words),
        None => Some(Below::Notify),
    };
    let notify_node = fields.optional("notify");
    let notify = notify_node.and_then(|n| {
        let channel = report.read_text(n, "min_confidence.notify")?;
        report.refer(Refers::Channel(channel.clone()), n.span);
        Some(channel)
    });
    fields.finish(report);
    if let (Some(node), Some(Below::Approval | Below::Drop)) = (notify_node, below) {
        let hint = "write `below: notify`, or remove `notify`";
        report.error("contradiction", node.span, "only `below: notify` tells a channel", Some(hint));
        return None;
    }
    let at_least = at_least?;
    if !(at_least > 0.0 && at_least <= 1.0) {
        let message = format!("`at_least` is {at_least}, which is no floor for a confidence");
        report.error("out_of_range", floor_node?.span, message, Some("use a number above 0 and up to 1, such as 0.9"));
        return None;
    }
    Some(ConfidenceFloor { field: field?, at_least, below: below?, notify })
}

/// A path that starts at `trigger`, whether written so or not, or leads to a label.
fn field_path(text: &str, node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = label::path(text);
    let full =
        if label::is_label(text) || text == "trigger" || text.starts_with("trigger.") || text.starts_with("trigger[") {
            text.to_owned()
        } else {
            format!("trigger.{text}")
        };
    if is_path(&full) {
        return Some(full);
    }
    let shown: String = text.chars().take(60).collect();
    let hint = "write it as `trigger.labels.env`";
    report.error("bad_value", node.span, format!("`{shown}` is not the path of a field"), Some(hint));
    None
}

fn strict(node: &Node, conditions: Option<&Conditions>, report: &mut Report<'_>) -> Option<Vec<String>> {
    let texts = report.read_texts(node, "strict")?;
    let mut out = Vec::with_capacity(texts.len());
    for (text, span) in texts {
        let at = Node { span, value: node.value.clone() };
        let Some(path) = field_path(&text, &at, report) else { continue };
        let narrows = |operator: &str| {
            let operator = operator.to_lowercase();
            operator != "exists" && !operator.starts_with('n') && !operator.starts_with("inc")
        };
        let tested = conditions.is_none_or(|c| {
            c.always().iter().any(|s| s.path.split('#').next() == Some(path.as_str()) && narrows(&s.operator))
        });
        if !tested {
            let message = format!("no criterion says what `{path}` must be, although it is `strict`");
            let hint = format!("add `{path}: {{type: equals, pattern: …}}` to the criteria");
            report.error("not_strict", span, message, Some(hint));
        }
        out.push(path);
    }
    Some(out)
}

fn dedupe(node: &Node, report: &mut Report<'_>) -> Option<Dedupe> {
    let mut fields = Fields::open(node, "`dedupe`", report)?;
    let key = fields.required("key", report).and_then(|n| read_text(n, "dedupe.key", report));
    let window = one_of(&mut fields, "window", "per", report).and_then(|n| report.read_some_time(n, "window"));
    fields.finish(report);
    Some(Dedupe { key: key?, window: window? })
}

fn rate(node: &Node, report: &mut Report<'_>) -> Option<Rate> {
    let mut fields = Fields::open(node, "`rate`", report)?;
    let limit = one_of(&mut fields, "limit", "count", report).and_then(|n| report.read_count(n, "limit", 1, 1_000_000));
    let window = one_of(&mut fields, "window", "per", report).and_then(|n| report.read_some_time(n, "window"));
    let before = report.errors();
    let key = fields.optional("key").and_then(|n| read_text(n, "rate.key", report));
    let words = [("hold", false), ("open_and_escalate", true)];
    let opens = fields.optional("on_trip").and_then(|n| report.read_word(n, "on_trip", &words));
    fields.finish(report);
    if report.errors() > before {
        return None;
    }
    Some(Rate { limit: limit?, window: window?, key, opens_breaker: opens.unwrap_or(false) })
}

fn breaker(node: &Node, report: &mut Report<'_>) -> Option<Breaker> {
    let before = report.errors();
    let mut fields = Fields::open(node, "`breaker`", report)?;
    let mut count = |key: &'static str, most: u32, report: &mut Report<'_>| {
        fields.optional(key).and_then(|n| report.read_count(n, key, 1, most))
    };
    let in_all = count("count", 1_000_000, report);
    let by_key = count("count_by_key", 1_000_000, report);
    let failures = count("failures_percent", 100, report);
    let by_node = fields.optional("by");
    let by = by_node.and_then(|n| read_text(n, "breaker.by", report));
    let window = one_of(&mut fields, "window", "per", report).and_then(|n| report.read_some_time(n, "window"));
    let cool_down = fields.optional("cool_down").and_then(|n| report.read_some_time(n, "cool_down"));
    let escalate = fields.optional("escalate").and_then(|n| escalate(n, report));
    let demote = fields.optional("demote").and_then(|n| report.read_boolean(n, "demote"));
    fields.finish(report);
    if in_all.is_none() && by_key.is_none() && failures.is_none() && report.errors() == before {
        let hint = "name `count`, `count_by_key` with `by`, or `failures_percent`";
        report.error("missing_key", node.span, "nothing opens this breaker", Some(hint));
    }
    match (by_key, by_node) {
        (Some(_), None) => {
            let hint = "add for example `by: '{{ trigger.labels.instance }}'`";
            report.error("missing_key", node.span, "`count_by_key` needs `by`", Some(hint));
        }
        (None, Some(by)) => {
            let hint = "add `count_by_key`, or remove `by`";
            report.error("missing_key", by.span, "`by` says what `count_by_key` counts by", Some(hint));
        }
        _ => {}
    }
    if report.errors() > before {
        return None;
    }
    Some(Breaker {
        count: in_all,
        count_by_key: by_key,
        by,
        failures_percent: failures,
        window: window?,
        cool_down,
        escalate,
        demote: demote.unwrap_or(false),
    })
}

/// A channel, or `role:NAME`.
fn escalate(node: &Node, report: &mut Report<'_>) -> Option<Audience> {
    let text = report.read_text(node, "escalate")?;
    if let Some(role) = text.strip_prefix("role:") {
        let role = report.accept(RoleName::parse(role), node.span, "escalate")?;
        report.refer(Refers::Role(role.clone()), node.span);
        return Some(Audience::Role(role));
    }
    report.refer(Refers::Channel(text.clone()), node.span);
    Some(Audience::Channel(text))
}

fn maintenance(node: &Node, report: &mut Report<'_>) -> Option<Vec<Maintenance>> {
    let windows: Vec<Option<Maintenance>> =
        report.read_list(node, "maintenance")?.iter().map(|item| one_maintenance(item, report)).collect();
    windows.into_iter().collect()
}

fn one_maintenance(node: &Node, report: &mut Report<'_>) -> Option<Maintenance> {
    let mut fields = Fields::open(node, "a maintenance window", report)?;
    let words: Vec<(&'static str, Day)> = Day::ALL.iter().map(|day| (day.as_str(), *day)).collect();
    let days = match fields.optional("days") {
        Some(node) => report
            .read_list(node, "days")
            .map(|items| items.iter().map(|item| report.read_word(item, "days", &words)).collect::<Option<Vec<_>>>()),
        None => Some(Some(Vec::new())),
    };
    let from_node = fields.required("from", report);
    let from = from_node.and_then(|n| report.read_scalar(n, "from"));
    let lasts_node = fields.required("for", report);
    let lasts = lasts_node.and_then(|n| report.read_some_time(n, "for"));
    let time_zone = match fields.optional("time_zone") {
        Some(node) => report.read_name(node, "time_zone", Zone::parse),
        None => Some(Zone::UTC),
    };
    fields.finish(report);
    let minute = from.as_deref().and_then(minute_of_day);
    if let (Some(from), None, Some(node)) = (&from, minute, from_node) {
        let shown: String = from.chars().take(20).collect();
        let message = format!("`from`: `{shown}` is not a time of the day");
        report.error(
            "bad_value",
            node.span,
            message,
            Some("write it as '22:30'; it is UTC unless `time_zone` names another clock"),
        );
    }
    let lasts = lasts?;
    if lasts > Seconds::new(7 * 86_400) {
        report.error("out_of_range", lasts_node?.span, "a maintenance window lasts at most 7d", None::<&str>);
        return None;
    }
    Some(Maintenance { days: days??, from_minute: minute?, lasts, time_zone: time_zone? })
}

fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |t: &str, most: u32| (t.len() == 2).then(|| t.parse::<u32>().ok()).flatten().filter(|n| *n <= most);
    Some(digits(hours, 23)? * 60 + digits(minutes, 59)?)
}

fn blast_radius(node: &Node, report: &mut Report<'_>) -> Option<BlastRadius> {
    let mut fields = Fields::open(node, "`blast_radius`", report)?;
    let before = report.errors();
    let nodes = fields.optional("nodes").and_then(|n| report.read_count(n, "nodes", 1, 1_000_000));
    let percent = fields.optional("percent").and_then(|n| report.read_count(n, "percent", 1, 100));
    let window = one_of(&mut fields, "window", "per", report).and_then(|n| report.read_some_time(n, "window"));
    fields.finish(report);
    if nodes.is_none() && percent.is_none() && report.errors() == before {
        let hint = "name `nodes`, `percent` (of the inventory), or both";
        report.error("missing_key", node.span, "nothing bounds the blast radius", Some(hint));
    }
    if report.errors() > before {
        return None;
    }
    Some(BlastRadius { nodes, percent, window: window? })
}
