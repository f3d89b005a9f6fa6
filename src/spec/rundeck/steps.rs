//! Rundeck's commands.

use std::collections::HashSet;

use super::{Made, as_text, is_empty, left_out, others, refused, text_of};
use crate::domain::command::option_variable;
use crate::domain::ids::{OptionName, StepName};
use crate::spec::report::Report;
use crate::spec::yaml::{Node, Value};

/// Converts `commands`.
pub(super) fn convert(node: &Node, report: &mut Report<'_>) -> Option<Node> {
    let Value::List(items) = &node.value else {
        report.wrong_type(node, "`commands`", "a list", None);
        return None;
    };
    let mut taken = HashSet::new();
    let list = items.iter().filter_map(|item| convert_one(item, &mut taken, report)).collect();
    Some(Node { span: node.span, value: Value::List(list) })
}

fn convert_one(item: &Node, taken: &mut HashSet<String>, report: &mut Report<'_>) -> Option<Node> {
    let mut out = Made::at(item.span);
    let known = [
        "description",
        "errorhandler",
        "plugins",
        "conditionGroups",
        "jobref",
        "scriptfile",
        "scripturl",
        "type",
        "exec",
        "script",
        "args",
        "scriptInterpreter",
        "nodeStep",
        "configuration",
        "subSteps",
    ];
    others(item, &known, report);
    let present = |key: &str| item.get(key).filter(|n| !is_empty(n));
    if let Some(name) = present("description").and_then(|n| name_from(text_of(n)?, taken).map(|name| (name, n.span))) {
        out.text("name", &name.0, name.1);
    }
    if let Some(handler) = present("errorhandler") {
        refused("an error handler", handler.span, "write the handling into the step, with `||` or in a script", report);
    }
    if let Some(plugins) = present("plugins") {
        left_out("the log filter of a step", plugins.span, "log filters are not supported", report);
    }
    for (key, what) in [
        ("conditionGroups", "a conditional step"),
        ("jobref", "a step that calls another job"),
        ("scriptfile", "a step with a script file"),
        ("scripturl", "a step with a script from an address"),
        ("type", "a plugin's step"),
    ] {
        if let Some(found) = item.get(key) {
            let hint = match key {
                "scriptfile" | "scripturl" => "write the script into the job with `script: |`",
                _ => "write it as `exec` or `script`",
            };
            refused(what, found.span, hint, report);
            return None;
        }
    }
    if let Some(exec) = item.get("exec") {
        out.put("run", as_text(exec));
    } else if let Some(script) = item.get("script") {
        convert_script(&mut out, item, script, report);
    } else {
        refused("a step without a command", item.span, "write it as `exec` or `script`", report);
        return None;
    }
    Some(out.done())
}

fn convert_script(out: &mut Made, item: &Node, script: &Node, report: &mut Report<'_>) {
    let body = text_of(script).unwrap_or_default();
    for (offset, token) in tokens(body) {
        let hint = match token.strip_prefix("option.").and_then(|name| OptionName::parse(name).ok()) {
            Some(name) => format!("write \"${}\", which no shell takes apart", option_variable(&name)),
            None => "scripts have values as variables only, such as \"$OPTION_NAME\"".to_owned(),
        };
        let message = format!("`@{token}@` in a script would paste the value into the code");
        report.error("not_converted", script.inside(offset, report.text()), message, Some(hint));
    }
    if let Some(args) = item.get("args").filter(|n| !is_empty(n)) {
        refused(
            "the arguments of a script",
            args.span,
            "read the values from variables such as \"$OPTION_NAME\"",
            report,
        );
    }
    out.put("script", as_text(script));
    let interpreter = item.get("scriptInterpreter").filter(|n| !is_empty(n));
    let shebang = body.lines().next().and_then(|l| l.strip_prefix("#!")).map(str::trim).filter(|l| l.starts_with('/'));
    match (interpreter.and_then(text_of), shebang) {
        // Rundeck looks the program up in the node's PATH.
        (Some(text), _) if !text.starts_with('/') => {
            out.text("interpreter", &format!("/usr/bin/env {text}"), interpreter.map_or(script.span, |n| n.span));
        }
        (Some(text), _) => out.text("interpreter", text, interpreter.map_or(script.span, |n| n.span)),
        (None, Some(line)) => out.text("interpreter", line, script.span),
        (None, None) => {}
    }
}

/// `@group.key@` tokens, which Rundeck replaces in the text of a script.
fn tokens(body: &str) -> Vec<(usize, &str)> {
    const GROUPS: [&str; 8] =
        ["option.", "unquotedoption.", "node.", "job.", "globals.", "data.", "file.", "execution."];
    let mut out = Vec::new();
    for (at, _) in body.match_indices('@') {
        let rest = body.get(at + 1..).unwrap_or_default();
        let Some((token, _)) = rest.split_once('@') else { continue };
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | ':' | '/');
        if token.len() <= 128 && token.chars().all(word) && GROUPS.iter().any(|g| token.starts_with(g)) {
            out.push((at, token));
        }
    }
    out
}

/// A step's name from its description: "Restart nginx" becomes `restart-nginx`.
fn name_from(description: &str, taken: &mut HashSet<String>) -> Option<String> {
    let mut name = String::new();
    for c in description.trim().chars().take(48) {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-').to_owned();
    (StepName::parse(&name).is_ok() && !name.starts_with("step-") && taken.insert(name.clone())).then_some(name)
}
