//! The one place where given values are checked against a job's options.

use std::collections::BTreeMap;

use super::kinds::{self, Fault};
use super::{CheckContext, Checked, CheckedValues, FieldError, OptionKind, OptionSpec, RawValue, RawValues};

/// Checks what somebody gave against what the job asks for: types, limits, patterns, defaults, required values.
///
/// An empty value counts as absent: the default then applies, and without one a required option is refused.
///
/// # Errors
/// All mistakes at once: the options' own in the job's order, then names that no option has.
pub fn validate(
    specs: &[OptionSpec],
    raw: &RawValues,
    context: &CheckContext<'_>,
) -> Result<CheckedValues, Vec<FieldError>> {
    let mut values = BTreeMap::new();
    let mut errors = Vec::new();
    for spec in specs {
        match check_one(spec, raw.get(spec.name.as_str()), context) {
            Ok(Some(value)) => {
                values.insert(spec.name.clone(), value);
            }
            Ok(None) => {}
            Err(fault) => errors.push(fault.at(spec.name.as_str())),
        }
    }
    for name in raw.keys().filter(|name| !specs.iter().any(|s| s.name.as_str() == name.as_str())) {
        errors.push(unknown(name, specs));
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

/// Checks an option's default by the option's own rules, when the job is defined.
///
/// # Errors
/// The mistake, under the option's name.
pub fn check_default(spec: &OptionSpec) -> Result<(), FieldError> {
    let Some(default) = &spec.default else { return Ok(()) };
    let field = spec.name.as_str();
    let result = match &spec.kind {
        OptionKind::Secret { .. } => Err(Fault::new(
            "default_for_secret",
            "a secret cannot have a default, as it would stand in the job's file; name a `storage` instead",
        )),
        OptionKind::File { .. } => Err(Fault::new("default_for_file", "a file option cannot have a default")),
        // Which nodes there are is known only when somebody runs the job.
        OptionKind::Node { .. } => Ok(()),
        _ if default.is_empty() => Ok(()),
        _ => kinds::check(spec, &RawValue::Text(default.clone()), &[]).map(drop),
    };
    result.map_err(|fault| fault.at(field))
}

fn check_one(
    spec: &OptionSpec,
    given: Option<&RawValue>,
    context: &CheckContext<'_>,
) -> Result<Option<Checked>, Fault> {
    let given = given.filter(|value| !is_empty(value));
    if let OptionKind::Secret { storage: Some(path) } = &spec.kind {
        return match given {
            None => Ok(Some(Checked::StoredSecret(path.clone()))),
            Some(_) => Err(Fault::new(
                "secret_from_store",
                format!("this secret comes from the key store ({path}); leave the field empty"),
            )),
        };
    }
    let nodes = context.nodes.get(&spec.name).map(Vec::as_slice).unwrap_or_default();
    match (given, &spec.default) {
        (Some(value), _) => kinds::check(spec, value, nodes).map(Some),
        (None, Some(default)) if !default.is_empty() => {
            kinds::check(spec, &RawValue::Text(default.clone()), nodes).map(Some)
        }
        (None, _) if spec.required => Err(Fault::new("required", required_sentence(&spec.kind))),
        (None, _) => Ok(None),
    }
}

/// What a form sends for a field that nobody filled in.
fn is_empty(value: &RawValue) -> bool {
    match value {
        RawValue::Text(text) => text.is_empty(),
        RawValue::List(list) => list.iter().all(String::is_empty),
        RawValue::File { name, bytes } => name.is_empty() && bytes.is_empty(),
    }
}

fn required_sentence(kind: &OptionKind) -> &'static str {
    match kind {
        OptionKind::Enum { .. } | OptionKind::Boolean | OptionKind::Node { .. } => "choose a value",
        OptionKind::Multi { .. } => "choose at least one value",
        OptionKind::File { .. } => "choose a file",
        OptionKind::Secret { .. } => "type the secret",
        _ => "a value is needed here",
    }
}

fn unknown(name: &str, specs: &[OptionSpec]) -> FieldError {
    let names = specs.iter().map(|s| s.name.as_str());
    let hint = match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if specs.is_empty() => "this job has no options".to_owned(),
        None => {
            let all: Vec<&str> = specs.iter().map(|s| s.name.as_str()).take(20).collect();
            format!("its options are {}", all.join(", "))
        }
    };
    let shown: String = name.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    FieldError {
        field: name.to_owned(),
        code: "unknown_option".to_owned(),
        message: format!("the job has no option `{shown}`; {hint}"),
    }
}

/// The candidate that somebody most likely meant.
pub(crate) fn nearest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&given, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
