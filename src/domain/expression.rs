//! Conditions of approval policies, `{{ environment == 'production' }}`, and the texts of rules, `{{ trigger.host }}`.
//! Jinja, bounded in fuel and size, without access to anything but the values that it is given.

mod text;

use minijinja::{Environment, UndefinedBehavior};

pub use text::{Text, TextError};

/// The most that an expression may compute.
const FUEL: u64 = 10_000;
/// The longest expression, in bytes.
const LONGEST: usize = 4_096;

/// Whether an expression holds. It is written as `{{ … }}` or bare.
///
/// # Errors
/// A sentence part when it is not an expression, names something unknown, computes too much, or is not true or false.
/// Callers treat an error like the strict answer.
pub fn holds(expression: &str, scope: &serde_json::Value) -> Result<bool, String> {
    let inner = inner(expression)?;
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let compiled = environment.compile_expression(inner).map_err(|e| e.to_string())?;
    let value = compiled.eval(minijinja::value::Serde(scope)).map_err(|e| e.to_string())?;
    bool::try_from(value).map_err(|_| format!("`{inner}` is neither true nor false"))
}

/// Whether the text is an expression at all; for `check`.
///
/// # Errors
/// What is wrong with it.
pub fn check(expression: &str) -> Result<(), String> {
    Environment::empty().compile_expression(inner(expression)?).map(|_| ()).map_err(|e| e.to_string())
}

fn inner(expression: &str) -> Result<&str, String> {
    let text = expression.trim();
    if text.len() > LONGEST {
        return Err(format!("the expression is longer than {LONGEST} bytes"));
    }
    let inner = match text.strip_prefix("{{") {
        Some(rest) => rest.strip_suffix("}}").ok_or("the expression begins with `{{` but does not end with `}}`")?,
        None => text,
    };
    Ok(inner.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_of_policies() {
        let scope = json!({"environment": "production", "job": {"group": "db"}, "nodes": 3});
        for (expression, expected) in [
            ("{{ environment == 'production' }}", true),
            ("environment == 'staging'", false),
            ("{{ job.group == 'db' and nodes > 2 }}", true),
            ("{{ environment in ['staging', 'production'] }}", true),
        ] {
            assert_eq!(holds(expression, &scope), Ok(expected), "{expression}");
        }
        for bad in ["{{ missing == 1 }}", "{{ environment", "{{ environment }}", "{% if x %}", "1 +"] {
            assert!(holds(bad, &scope).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_expression_cannot_compute_for_ever() {
        let deep = format!("{}1{} == 1", "(".repeat(2_000), ")".repeat(2_000));
        assert!(holds(&deep, &json!({})).is_err());
        assert!(holds(&format!("'{}' == 'x'", "a".repeat(5_000)), &json!({})).is_err());
    }
}
