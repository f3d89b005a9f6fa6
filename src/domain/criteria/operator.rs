//! The operators and what each accepts as its pattern.

use serde_json::Value;

use super::path::Path;
use super::{CriteriaError, CriterionSpec, Part};

/// Every operator's name.
pub const OPERATORS: &[&str] = &[
    "equals",
    "eq",
    "nequals",
    "neq",
    "iequals",
    "ieq",
    "contains",
    "ncontains",
    "icontains",
    "incontains",
    "startswith",
    "endswith",
    "istartswith",
    "iendswith",
    "lessthan",
    "lt",
    "greaterthan",
    "gt",
    "matchwildcard",
    "regex",
    "iregex",
    "matchregex",
    "timediff_lt",
    "td_lt",
    "timediff_gt",
    "td_gt",
    "exists",
    "nexists",
    "inside",
    "in",
    "ninside",
    "nin",
    "search",
];

const MAX_REGEX: usize = 1 << 20;

/// A compiled condition.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Equals { pattern: Value, negated: bool },
    EqualsIgnoringCase(String),
    Contains { pattern: Value, negated: bool },
    ContainsIgnoringCase { pattern: String, negated: bool },
    Starts { pattern: String, fold: bool },
    Ends { pattern: String, fold: bool },
    Order { pattern: Value, less: bool },
    Wildcard(regex::Regex),
    Regex(regex::Regex),
    RegexAtStart(regex::Regex),
    Age { seconds: f64, less: bool },
    Exists { negated: bool },
    Inside { list: Vec<Value>, negated: bool },
    Search { condition: Condition, parts: Vec<(String, Path, Self)> },
}

/// How many items and how many patterns of a `search` have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Every item meets every pattern.
    All,
    /// Some item meets every pattern.
    Any,
    /// Every item meets some pattern.
    AllToAny,
    /// Some item meets some pattern.
    AnyToAny,
}

fn bad(part: Part, message: impl Into<String>, hint: impl Into<String>) -> CriteriaError {
    CriteriaError { index: 0, part, message: message.into(), hint: Some(hint.into()) }
}

impl Test {
    /// Compiles one condition, without its path.
    pub(super) fn compile(spec: &CriterionSpec) -> Result<Self, CriteriaError> {
        let name = spec.operator.to_lowercase();
        if spec.condition.is_some() && name != "search" {
            return Err(bad(
                Part::Condition,
                format!("`{name}` takes no `condition`"),
                "only `search` has one; remove it",
            ));
        }
        let negated = name.starts_with('n') && name != "n";
        match name.as_str() {
            "exists" | "nexists" => return Ok(Self::Exists { negated }),
            "search" => return search(spec),
            known if !OPERATORS.contains(&known) => {
                let near = OPERATORS.iter().min_by_key(|o| strsim::damerau_levenshtein(o, known));
                let near = near.filter(|o| strsim::damerau_levenshtein(o, known) <= 2);
                let hint = near.map_or_else(
                    || format!("use one of: {}", OPERATORS.join(", ")),
                    |o| format!("did you mean `{o}`?"),
                );
                return Err(bad(Part::Operator, format!("there is no operator `{}`", spec.operator), hint));
            }
            _ => {}
        }
        let Some(pattern) = spec.pattern.as_ref().filter(|p| !p.is_null()) else {
            return Err(bad(
                Part::Pattern,
                format!("`{name}` needs a `pattern`"),
                "write what the field is held against",
            ));
        };
        let is_regex = matches!(name.as_str(), "regex" | "iregex" | "matchregex");
        if !is_regex && pattern.as_str().is_some_and(|p| p.contains("{{")) {
            return Err(bad(
                Part::Pattern,
                "a pattern is a fixed value; `{{ … }}` is not filled in here",
                "write the value itself",
            ));
        }
        Ok(match name.as_str() {
            "equals" | "eq" | "nequals" | "neq" => Self::Equals { pattern: pattern.clone(), negated },
            "iequals" | "ieq" => Self::EqualsIgnoringCase(text(&name, pattern)?.to_lowercase()),
            "contains" | "ncontains" => Self::Contains { pattern: pattern.clone(), negated },
            "icontains" | "incontains" => {
                let negated = name == "incontains";
                Self::ContainsIgnoringCase { pattern: text(&name, pattern)?.to_lowercase(), negated }
            }
            "startswith" => Self::Starts { pattern: text(&name, pattern)?, fold: false },
            "istartswith" => Self::Starts { pattern: text(&name, pattern)?.to_lowercase(), fold: true },
            "endswith" => Self::Ends { pattern: text(&name, pattern)?, fold: false },
            "iendswith" => Self::Ends { pattern: text(&name, pattern)?.to_lowercase(), fold: true },
            "lessthan" | "lt" | "greaterthan" | "gt" => {
                if !(pattern.is_number() || pattern.is_string()) {
                    return Err(bad(
                        Part::Pattern,
                        format!("`{name}` compares numbers or texts, not {}", word(pattern)),
                        "write a number, or a text in quotes",
                    ));
                }
                Self::Order { pattern: pattern.clone(), less: name.starts_with('l') }
            }
            "matchwildcard" => Self::Wildcard(wildcard(&text(&name, pattern)?)?),
            "regex" => Self::Regex(compile(&text(&name, pattern)?, false, false)?),
            "iregex" => Self::Regex(compile(&text(&name, pattern)?, true, false)?),
            "matchregex" => Self::RegexAtStart(compile(&text(&name, pattern)?, false, true)?),
            "timediff_lt" | "td_lt" | "timediff_gt" | "td_gt" => {
                let number = pattern.as_f64().or_else(|| pattern.as_str().and_then(|p| p.trim().parse().ok()));
                let seconds = number.filter(|n: &f64| n.is_finite()).ok_or_else(|| {
                    bad(Part::Pattern, format!("`{name}` needs a number of seconds"), "write it as `pattern: 600`")
                })?;
                Self::Age { seconds, less: name.ends_with("lt") }
            }
            // The remaining names are the four for membership.
            _ => match pattern {
                Value::Array(list) => Self::Inside { list: list.clone(), negated },
                other => {
                    return Err(bad(
                        Part::Pattern,
                        format!("`{name}` needs a list of values, not {}", word(other)),
                        "write `pattern: [a, b]`; inside a text, a part of a name would match as well",
                    ));
                }
            },
        })
    }
}

/// What kind of value it is, in words.
pub(super) fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn text(name: &str, pattern: &Value) -> Result<String, CriteriaError> {
    pattern.as_str().map(str::to_owned).ok_or_else(|| {
        bad(Part::Pattern, format!("`{name}` needs text as its pattern, not {}", word(pattern)), "put it in quotes")
    })
}

fn compile(source: &str, fold: bool, dot_all: bool) -> Result<regex::Regex, CriteriaError> {
    regex::RegexBuilder::new(source)
        .case_insensitive(fold)
        .dot_matches_new_line(dot_all)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|e| {
            let why = regex_problem(&e);
            let hint = "look-around and back-references are not supported, as they can take forever";
            bad(Part::Pattern, format!("the pattern is not a regular expression: {why}"), hint)
        })
}

/// The one line of the compiler's message that says what is wrong.
fn regex_problem(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines()
        .rev()
        .find_map(|l| l.strip_prefix("error: "))
        .unwrap_or_else(|| text.lines().next().unwrap_or(""))
        .to_owned()
}

/// A shell glob over the whole text, case-sensitive: `*`, `?`, `[abc]`, `[!abc]`, `[a-z]`.
fn wildcard(glob: &str) -> Result<regex::Regex, CriteriaError> {
    let mut out = String::from("(?s)\\A");
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => match class(&mut chars) {
                Some(class) => out.push_str(&class),
                None => out.push_str("\\["),
            },
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str("\\z");
    regex::RegexBuilder::new(&out)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|_| bad(Part::Pattern, format!("`{glob}` is not a wildcard pattern"), "use `*`, `?` and `[a-z]`"))
}

/// A bracket class after its `[`; `None`, with nothing consumed, when it is never closed.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut ahead = chars.clone();
    let mut out = String::from("[");
    if ahead.peek() == Some(&'!') {
        ahead.next();
        out.push('^');
    }
    let mut first = true;
    loop {
        match ahead.next()? {
            ']' if !first => break,
            '-' => out.push('-'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        first = false;
    }
    *chars = ahead;
    out.push(']');
    Some(out)
}

fn search(spec: &CriterionSpec) -> Result<Test, CriteriaError> {
    let condition = match spec.condition.as_deref() {
        Some("all") => Condition::All,
        Some("any") => Condition::Any,
        Some("all2any") => Condition::AllToAny,
        Some("any2any") => Condition::AnyToAny,
        Some(other) => {
            return Err(bad(
                Part::Condition,
                format!("a search has no condition `{other}`"),
                "use all, any, all2any or any2any",
            ));
        }
        None => {
            return Err(bad(
                Part::Condition,
                "`search` needs a `condition`",
                "write `condition: any` (or all, all2any, any2any)",
            ));
        }
    };
    let shape = || {
        bad(
            Part::Pattern,
            "`search` needs a map of `item.FIELD: {type, pattern}` as its pattern",
            "write for example `pattern: {item.name: {type: equals, pattern: x}}`",
        )
    };
    let Some(Value::Object(map)) = &spec.pattern else { return Err(shape()) };
    if map.is_empty() {
        return Err(shape());
    }
    let mut parts = Vec::with_capacity(map.len());
    for (field, inner) in map {
        let inner = inner.as_object().ok_or_else(shape)?;
        if let Some(key) = inner.keys().find(|k| !matches!(k.as_str(), "type" | "pattern")) {
            return Err(bad(
                Part::Pattern,
                format!("unknown key `{key}` for `{field}` in the search"),
                "write `type` and `pattern`",
            ));
        }
        let operator = inner.get("type").and_then(Value::as_str).ok_or_else(shape)?.to_owned();
        if operator.eq_ignore_ascii_case("search") {
            return Err(bad(Part::Pattern, "a search cannot hold another search", "test a field of the item directly"));
        }
        if field != "item" && !field.starts_with("item.") && !field.starts_with("item[") {
            return Err(bad(
                Part::Pattern,
                format!("`{field}` does not start with `item.`"),
                format!("write `item.{field}`"),
            ));
        }
        let one =
            CriterionSpec { path: field.clone(), operator, pattern: inner.get("pattern").cloned(), condition: None };
        let in_pattern =
            |e: CriteriaError| CriteriaError { part: Part::Pattern, message: format!("`{field}`: {}", e.message), ..e };
        let path = Path::parse(field).map_err(in_pattern)?;
        parts.push((field.clone(), path, Test::compile(&one).map_err(in_pattern)?));
    }
    Ok(Test::Search { condition, parts })
}
