//! Placeholders: how they are written, and what they may stand for.

use super::super::ids::OptionName;
use super::super::option::{OptionKind, OptionSpec};
use super::{CommandError, Reference};

const RUN_FIELDS: [&str; 5] = ["number", "user", "reason", "project", "environment"];
const JOB_FIELDS: [&str; 3] = ["name", "group", "id"];
const NAMESPACES: [&str; 4] = ["option", "node", "run", "job"];

/// A placeholder as it stands in a text.
pub(super) struct Found<'a> {
    /// What stands between `${` and the dot.
    pub namespace: &'a str,
    /// What stands between the dot and `}`.
    pub field: &'a str,
    /// Bytes from `$` to `}`, both included.
    pub length: usize,
    /// Whether there is a `}` at all.
    pub closed: bool,
}

/// Reads a placeholder at the start of the text: `${`, a word, a dot. No shell variable has a dot in its name, so the
/// shell's own expansions are never taken for one.
pub(super) fn at_start(text: &str) -> Option<Found<'_>> {
    let inner = text.strip_prefix("${")?;
    let (namespace, rest) = inner.split_once('.')?;
    if namespace.is_empty() || !namespace.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    match rest.split_once(['}', '\n']) {
        Some((field, _)) if rest.as_bytes().get(field.len()) == Some(&b'}') => {
            Some(Found { namespace, field, length: namespace.len() + field.len() + 4, closed: true })
        }
        _ => Some(Found { namespace, field: "", length: 2, closed: false }),
    }
}

/// What the placeholder stands for, held against the job's options.
pub(super) fn resolve(found: &Found<'_>, offset: usize, options: &[OptionSpec]) -> Result<Reference, CommandError> {
    let shown = format!("${{{}.{}}}", found.namespace, found.field);
    let fault = |code, message: String, hint: Option<String>| CommandError { offset, code, message, hint };
    if !found.closed {
        return Err(fault(
            "unterminated_placeholder",
            "the placeholder is never closed".to_owned(),
            Some("write `}` after the name".to_owned()),
        ));
    }
    let namespace = found.namespace;
    if !NAMESPACES.contains(&namespace) {
        let hint = near(namespace, &NAMESPACES).map_or_else(
            || "placeholders are ${option.…}, ${node.…}, ${run.…} and ${job.…}".to_owned(),
            |near| format!("did you mean ${{{near}.{}}}?", found.field),
        );
        return Err(fault("unknown_placeholder", format!("there is no placeholder {shown}"), Some(hint)));
    }
    let Ok(name) = OptionName::parse(found.field) else {
        return Err(fault(
            "bad_placeholder",
            format!("{shown} holds more than a name"),
            Some("write a name only; defaults belong to the option's `default:`".to_owned()),
        ));
    };
    let unknown_field = |fields: &[&str]| {
        let hint = near(found.field, fields).map_or_else(
            || format!("there are {}", fields.join(", ")),
            |near| format!("did you mean ${{{namespace}.{near}}}?"),
        );
        fault("unknown_placeholder", format!("there is no placeholder {shown}"), Some(hint))
    };
    match namespace {
        "node" => Ok(Reference::Node(found.field.to_owned())),
        "run" if RUN_FIELDS.contains(&found.field) => Ok(Reference::Run(found.field.to_owned())),
        "run" => Err(unknown_field(&RUN_FIELDS)),
        "job" if JOB_FIELDS.contains(&found.field) => Ok(Reference::Job(found.field.to_owned())),
        "job" => Err(unknown_field(&JOB_FIELDS)),
        _ => match options.iter().find(|o| o.name == name) {
            Some(option) if matches!(option.kind, OptionKind::Secret { .. }) => Err(fault(
                "secret_in_command",
                format!("the secret option `{name}` would stand in a command line, where other people can see it"),
                Some(format!("use a `script:` and read ${} there", super::option_variable(&name))),
            )),
            Some(_) => Ok(Reference::Option(name)),
            None => {
                let names: Vec<&str> = options.iter().map(|o| o.name.as_str()).collect();
                let hint = near(name.as_str(), &names).map_or_else(
                    || "declare it under `options:`".to_owned(),
                    |near| format!("did you mean ${{option.{near}}}?"),
                );
                Err(fault("unknown_option", format!("the job has no option `{name}`"), Some(hint)))
            }
        },
    }
}

/// All placeholders of a text, wherever they stand, each once, in order of first use.
#[must_use]
pub fn references(text: &str) -> Vec<Reference> {
    let mut out = Vec::new();
    for (offset, _) in text.match_indices("${") {
        let escaped = text.get(..offset).is_some_and(|before| before.ends_with('\\'));
        let Some(found) = text.get(offset..).and_then(at_start).filter(|found| found.closed && !escaped) else {
            continue;
        };
        let reference = match (found.namespace, OptionName::parse(found.field)) {
            ("option", Ok(name)) => Reference::Option(name),
            ("node", Ok(_)) => Reference::Node(found.field.to_owned()),
            ("run", Ok(_)) => Reference::Run(found.field.to_owned()),
            ("job", Ok(_)) => Reference::Job(found.field.to_owned()),
            _ => continue,
        };
        if !out.contains(&reference) {
            out.push(reference);
        }
    }
    out
}

/// Finds placeholders in a `script:` body. A script gets values by environment only, so `${option.x}` and Rundeck's
/// `@option.x@` are mistakes there.
#[must_use]
pub fn script_hint(body: &str) -> Vec<CommandError> {
    let mut errors = Vec::new();
    for (offset, _) in body.match_indices("${") {
        if let Some(found) = body.get(offset..).and_then(at_start)
            && found.closed
            && NAMESPACES.contains(&found.namespace)
            && OptionName::parse(found.field).is_ok()
        {
            errors.push(in_script(
                offset,
                found.namespace,
                found.field,
                &format!("${{{}.{}}}", found.namespace, found.field),
            ));
        }
    }
    for namespace in NAMESPACES {
        for (offset, opening) in body.match_indices(&format!("@{namespace}.")) {
            let rest = body.get(offset + opening.len()..).unwrap_or_default();
            if let Some((field, _)) = rest.split_once('@')
                && OptionName::parse(field).is_ok()
            {
                errors.push(in_script(offset, namespace, field, &format!("@{namespace}.{field}@")));
            }
        }
    }
    errors.sort_by_key(|e| e.offset);
    errors
}

fn in_script(offset: usize, namespace: &str, field: &str, shown: &str) -> CommandError {
    let variable = super::variable(&format!("{}_", namespace.to_ascii_uppercase()), field);
    CommandError {
        offset,
        code: "placeholder_in_script",
        message: format!("{shown} is not filled in a script; values arrive as environment variables"),
        hint: Some(format!("write \"${variable}\"")),
    }
}

fn near<'a>(given: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|c| (strsim::jaro_winkler(given, c), *c))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
