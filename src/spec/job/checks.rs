//! What can only be checked once a job's parts are read: defaults, names of variables, placeholders in commands.

use super::options::Options;
use crate::domain::command::{self, CommandError};
use crate::domain::option::{OptionKind, OptionSpec, check_default};
use crate::domain::template::Template;
use crate::spec::diagnostic::Span;
use crate::spec::fields::suggest;
use crate::spec::report::Report;
use crate::spec::yaml::Node;

/// Holds an option's default against its own rules.
pub(super) fn option(spec: &OptionSpec, default: Option<&Node>, report: &mut Report<'_>) {
    let Some(node) = default else { return };
    if matches!(spec.kind, OptionKind::Secret { .. }) {
        let message = format!("the secret `{}` has a default, which would stand in this file in clear", spec.name);
        report.error(
            "secret_default",
            node.span,
            message,
            Some("put it into the key store and write `storage: keys/…`"),
        );
        return;
    }
    let Some(default) = &spec.default else { return };
    if let OptionKind::Enum { values } = &spec.kind
        && !values.contains(default)
    {
        let message = format!("the default `{}` of `{}` is not among its values", shown(default), spec.name);
        let hint = suggest(default, values.iter().map(String::as_str));
        report.error("bad_default", node.span, message, hint);
        return;
    }
    if let Some(pattern) = spec.pattern.as_ref().filter(|p| !p.matches(default) && !default.is_empty())
        && !matches!(spec.kind, OptionKind::Multi { .. })
    {
        let message = format!("the default `{}` of `{}` does not match its pattern", shown(default), spec.name);
        report.error(
            "bad_default",
            node.span,
            message,
            Some(format!("the whole text has to match {}", pattern.source())),
        );
        return;
    }
    if let Err(error) = check_default(spec) {
        report.error(
            "bad_default",
            node.span,
            format!("the default of `{}` is refused: {}", spec.name, error.message),
            None::<&str>,
        );
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Two options that would become one variable.
pub(super) fn colliding_names(specs: &[OptionSpec], places: &[Span], report: &mut Report<'_>) {
    for (first, second) in command::colliding_variables(specs) {
        let at = specs.iter().position(|s| s.name == second).and_then(|i| places.get(i)).copied().unwrap_or_default();
        let variable = command::option_variable(&second);
        let message = format!("the options `{first}` and `{second}` would both become ${variable}");
        report.error("colliding_options", at, message, Some("rename one of the two"));
    }
}

/// Marks a bad regular expression at its own place. The compiler's message shows the expression with carets below.
pub(super) fn bad_pattern(node: &Node, message: &str, report: &mut Report<'_>) {
    let lines: Vec<&str> = message.lines().collect();
    let caret = lines.iter().position(|l| l.trim_start().starts_with('^') && l.trim().bytes().all(|b| b == b'^'));
    // The expression is shown on the line above the carets, both indented alike.
    let offset = caret.and_then(|i| {
        let column = lines.get(i)?.find('^')?;
        let shown = lines.get(i.checked_sub(1)?)?;
        let indent = shown.len() - shown.trim_start().len();
        let characters = column.checked_sub(indent)?;
        let text = &node.scalar()?.text;
        text.char_indices().nth(characters).map(|(at, _)| at)
    });
    let why = lines.iter().rev().find_map(|l| l.strip_prefix("error: ")).or(lines.first().copied()).unwrap_or_default();
    let why = if message.contains("size limit") { "it is too large once its repetitions are written out" } else { why };
    let span = offset.map_or(node.span, |at| node.inside(at, report.text()));
    let hint = match why {
        w if w.contains("look-around") || w.contains("backreference") => {
            Some("such expressions can take forever and are not supported")
        }
        _ => None,
    };
    report.error("bad_pattern", span, format!("`pattern` is not a regular expression: {why}"), hint);
}

/// Compiles a `run:` text against the options and marks each mistake inside it.
pub(super) fn command(node: &Node, text: &str, options: &Options, report: &mut Report<'_>) {
    let unknown = unknown_options(text, options);
    for (offset, name) in &unknown {
        let span = node.inside(*offset, report.text());
        let message = format!("the command names the option `{name}`, which the job does not have");
        report.unknown_name("unknown_option", span, message, name, options.names());
    }
    let Err(errors) = command::compile(text, options.specs()) else { return };
    for error in errors {
        // Options that are there but broken have been told at their own place, and unknown ones just now.
        let told = options.broken() || unknown.iter().any(|(at, _)| *at == error.offset);
        if !(error.code == "unknown_option" && told) {
            command_error(node, &error, report);
        }
    }
}

/// Looks for what a script cannot have. What a conversion has told already is not told again.
pub(super) fn script(node: &Node, body: &str, report: &mut Report<'_>) {
    for error in command::script_hint(body) {
        if !report.has_error_at(node.inside(error.offset, report.text())) {
            command_error(node, &error, report);
        }
    }
}

fn command_error(node: &Node, error: &CommandError, report: &mut Report<'_>) {
    let span = node.inside(error.offset, report.text());
    report.error(error.code, span, error.message.clone(), error.hint.clone());
}

/// `${option.NAME}` in a text, for names that no option has. Offsets are those of the `$`.
fn unknown_options(text: &str, options: &Options) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    if options.unnamed() {
        return out;
    }
    for (at, _) in text.match_indices("${option.") {
        // The shell reads an escaped dollar as itself.
        if text.get(..at).is_some_and(|before| before.ends_with('\\')) {
            continue;
        }
        let rest = text.get(at + "${option.".len()..).unwrap_or_default();
        let Some((name, _)) = rest.split_once('}') else { continue };
        if !options.names().any(|n| n == name) {
            out.push((at, name.chars().take(64).collect()));
        }
    }
    out
}

/// The key that runs are counted by may name options only.
pub(super) fn concurrency_key(node: &Node, key: &str, options: &Options, report: &mut Report<'_>) {
    let template = match Template::parse(key) {
        Ok(template) => template,
        Err(error) => {
            let span = node.inside(error.offset, report.text());
            report.error("bad_template", span, error.message, None::<&str>);
            return;
        }
    };
    for (offset, name) in unknown_options(key, options) {
        let span = node.inside(offset, report.text());
        let message = format!("`key` names the option `{name}`, which the job does not have");
        report.unknown_name("unknown_option", span, message, &name, options.names());
    }
    for field in template.fields().into_iter().filter(|f| !f.starts_with("option.")) {
        let at = key.find(&format!("${{{field}")).unwrap_or(0);
        let span = node.inside(at, report.text());
        report.error(
            "unknown_field",
            span,
            format!("`key` names `{field}`, but it can hold options only"),
            Some("write `${option.NAME}`"),
        );
    }
}
