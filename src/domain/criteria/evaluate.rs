//! Holds one value against one compiled condition and says why.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

use super::operator::{Condition, Test, word};
use super::path::Path;
use crate::domain::time::Timestamp;

/// Whether the condition holds, and why. `value` is `None` when the field is missing or null.
pub(super) fn test(test: &Test, value: Option<&Value>, now: Timestamp) -> (bool, String) {
    if let Test::Exists { negated } = test {
        return match (value, negated) {
            (Some(_), false) => (true, "the field is there".to_owned()),
            (Some(_), true) => (false, "the field is there".to_owned()),
            (None, negated) => (*negated, "the field is missing or null".to_owned()),
        };
    }
    let Some(value) = value else {
        return (false, "the field is missing or null, which never matches".to_owned());
    };
    match test {
        Test::Exists { .. } => (false, String::new()),
        Test::Equals { pattern, negated } => {
            told(equal(value, pattern) != *negated, "is equal to", "is not equal to", *negated, value, pattern)
        }
        Test::EqualsIgnoringCase(pattern) => match value.as_str() {
            Some(text) => {
                yes_no(text.to_lowercase() == *pattern, "equal but for case", "not equal, even ignoring case")
            }
            None => needs("text", value),
        },
        Test::Contains { pattern, negated } => match contains(value, pattern) {
            Ok(found) => (
                found != *negated,
                if found { "the value contains the pattern" } else { "the value does not contain the pattern" }
                    .to_owned(),
            ),
            Err(reason) => (false, reason),
        },
        Test::ContainsIgnoringCase { pattern, negated } => match value.as_str() {
            Some(text) => {
                let found = text.to_lowercase().contains(pattern.as_str());
                (
                    found != *negated,
                    if found { "the value contains the pattern" } else { "the value does not contain the pattern" }
                        .to_owned(),
                )
            }
            None => needs("text", value),
        },
        Test::Starts { pattern, fold } => edge(value, *fold, |text| text.starts_with(pattern.as_str()), "starts"),
        Test::Ends { pattern, fold } => edge(value, *fold, |text| text.ends_with(pattern.as_str()), "ends"),
        Test::Order { pattern, less } => order(value, pattern, *less),
        Test::Wildcard(regex) | Test::Regex(regex) => match value.as_str() {
            Some(text) => {
                yes_no(regex.is_match(text), "the text matches the pattern", "the text does not match the pattern")
            }
            None => needs("text", value),
        },
        // The leftmost match starts at 0 whenever any match does.
        Test::RegexAtStart(regex) => match value.as_str() {
            Some(text) => {
                let at_start = regex.find(text).is_some_and(|m| m.start() == 0);
                yes_no(
                    at_start,
                    "the start of the text matches the pattern",
                    "the start of the text does not match the pattern",
                )
            }
            None => needs("text", value),
        },
        Test::Age { seconds, less } => age(value, *seconds, *less, now),
        Test::Inside { list, negated } => {
            let found = list.iter().any(|item| equal(value, item));
            (
                found != *negated,
                if found { "the value is in the list" } else { "the value is not in the list" }.to_owned(),
            )
        }
        Test::Search { condition, parts } => search(*condition, parts, value, now),
    }
}

fn yes_no(matched: bool, yes: &str, no: &str) -> (bool, String) {
    (matched, if matched { yes } else { no }.to_owned())
}

fn needs(expected: &str, value: &Value) -> (bool, String) {
    (false, format!("the operator needs {expected}, but the value is {}", word(value)))
}

fn told(matched: bool, equal: &str, unequal: &str, negated: bool, value: &Value, pattern: &Value) -> (bool, String) {
    let relation = if matched == negated { unequal } else { equal };
    let mut reason = format!("the value {relation} the pattern");
    if relation == unequal && word(value) != word(pattern) {
        reason = format!("{reason}: it is {}, the pattern {}", word(value), word(pattern));
    }
    (matched, reason)
}

/// StackStorm's equality: numbers by value whatever their form, `true` as 1, text never as a number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64(), x.as_u64(), y.as_u64()) {
            (Some(x), Some(y), ..) => x == y,
            (.., Some(x), Some(y)) => x == y,
            _ => x.as_f64() == y.as_f64(),
        },
        (Value::Number(n), Value::Bool(b)) | (Value::Bool(b), Value::Number(n)) => {
            n.as_f64() == Some(if *b { 1.0 } else { 0.0 })
        }
        _ => a == b,
    }
}

fn contains(value: &Value, pattern: &Value) -> Result<bool, String> {
    match (value, pattern) {
        (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str())),
        (Value::String(_), other) => {
            Err(format!("the value is text, so the pattern must be text too, not {}", word(other)))
        }
        (Value::Array(items), pattern) => Ok(items.iter().any(|item| equal(item, pattern))),
        (Value::Object(map), Value::String(key)) => Ok(map.contains_key(key)),
        (Value::Object(_), other) => {
            Err(format!("the value is a map, so the pattern must be a key, not {}", word(other)))
        }
        (other, _) => Err(format!("the operator needs text, a list or a map, but the value is {}", word(other))),
    }
}

fn edge(value: &Value, fold: bool, holds: impl Fn(&str) -> bool, verb: &str) -> (bool, String) {
    let Some(text) = value.as_str() else { return needs("text", value) };
    let matched = if fold { holds(&text.to_lowercase()) } else { holds(text) };
    (
        matched,
        if matched {
            format!("the text {verb} with the pattern")
        } else {
            format!("the text {} with the pattern", if verb == "starts" { "does not start" } else { "does not end" })
        },
    )
}

fn order(value: &Value, pattern: &Value, less: bool) -> (bool, String) {
    let ordering = match (value, pattern) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => {
            return (
                false,
                format!("the value is {}, the pattern {}: they cannot be compared", word(value), word(pattern)),
            );
        }
    };
    let relation = match ordering {
        Some(std::cmp::Ordering::Less) => "less than",
        Some(std::cmp::Ordering::Equal) => "equal to",
        Some(std::cmp::Ordering::Greater) => "greater than",
        None => return (false, "the numbers cannot be compared".to_owned()),
    };
    (relation == if less { "less than" } else { "greater than" }, format!("the value is {relation} the pattern"))
}

fn age(value: &Value, seconds: f64, less: bool, now: Timestamp) -> (bool, String) {
    let Some(at) = value.as_str().and_then(date) else {
        return (false, "the value is not a date such as 2026-11-30T12:00:00Z".to_owned());
    };
    let age = (now - at).as_seconds_f64();
    let matched = if less { age < seconds } else { age > seconds };
    (matched, format!("the value is {age:.0} seconds ago"))
}

/// RFC 3339, or the same without an offset, which counts as UTC; or a bare date.
fn date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(at) =
        DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
    {
        return Some(at.with_timezone(&Utc));
    }
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .ok()
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(naive.and_utc())
}

fn search(condition: Condition, parts: &[(String, Path, Test)], value: &Value, now: Timestamp) -> (bool, String) {
    let items: &[Value] = match value {
        Value::Array(items) => items,
        Value::Object(_) => std::slice::from_ref(value),
        other => return needs("a list or a map", other),
    };
    if items.is_empty() {
        return (false, "the list is empty, which never matches".to_owned());
    }
    let meets = |item: &Value, (_, path, inner): &(String, Path, Test)| {
        let scope = serde_json::json!({ "item": item });
        test(inner, path.find(&scope).filter(|v| !v.is_null()), now).0
    };
    let good = |item: &&Value| match condition {
        Condition::All | Condition::Any => parts.iter().all(|part| meets(item, part)),
        Condition::AllToAny | Condition::AnyToAny => parts.iter().any(|part| meets(item, part)),
    };
    let count = items.iter().filter(good).count();
    let matched = match condition {
        Condition::All | Condition::AllToAny => count == items.len(),
        Condition::Any | Condition::AnyToAny => count > 0,
    };
    let what = match condition {
        Condition::All | Condition::Any => "every pattern",
        Condition::AllToAny | Condition::AnyToAny => "some pattern",
    };
    (matched, format!("{count} of {} items meet {what}", items.len()))
}
