//! One value against its option's type.

use super::super::secret::SecretText;
use super::super::time::Seconds;
use super::text::{at_most, carriable, lines, no_leading_dash, one_line, pattern};
use super::validate::nearest;
use super::{Checked, FieldError, OptionKind, OptionSpec, RawValue};

/// A mistake before it is put beside its field.
#[derive(Debug)]
pub(super) struct Fault {
    code: &'static str,
    message: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn at(self, field: &str) -> FieldError {
        FieldError { field: field.to_owned(), code: self.code.to_owned(), message: self.message }
    }
}

/// Checks a value that is not empty. `nodes` are the names that a `node` option may take.
pub(super) fn check(spec: &OptionSpec, value: &RawValue, nodes: &[String]) -> Result<Checked, Fault> {
    match (&spec.kind, value) {
        (OptionKind::File { max_bytes }, RawValue::File { name, bytes }) => file(name, bytes, *max_bytes),
        (OptionKind::File { .. }, _) => {
            Err(Fault::new("not_a_file", "upload a file here; the API takes {\"name\": …, \"content_base64\": …}"))
        }
        (_, RawValue::File { .. }) => Err(Fault::new("not_text", "this option takes text, not a file")),
        (OptionKind::Multi { values, delimiter }, RawValue::List(members)) => multi(spec, values, delimiter, members),
        (OptionKind::Multi { values, delimiter }, RawValue::Text(text)) => {
            let members: Vec<String> = if delimiter.is_empty() {
                vec![text.clone()]
            } else {
                text.split(delimiter.as_str()).map(str::to_owned).collect()
            };
            multi(spec, values, delimiter, &members)
        }
        (_, RawValue::List(members)) => match members.as_slice() {
            [one] => single(spec, one, nodes),
            _ => Err(Fault::new("single_value", "this option takes one value; give one, not a list")),
        },
        (_, RawValue::Text(text)) => single(spec, text, nodes),
    }
}

fn single(spec: &OptionSpec, text: &str, nodes: &[String]) -> Result<Checked, Fault> {
    carriable(text)?;
    let canonical = match &spec.kind {
        OptionKind::String { max_length } => {
            one_line(text)?;
            at_most(text, *max_length)?;
            no_leading_dash(spec, text)?;
            pattern(spec, text)?;
            text.to_owned()
        }
        OptionKind::Text { max_length } => {
            let text = lines(text)?;
            at_most(&text, *max_length)?;
            no_leading_dash(spec, &text)?;
            pattern(spec, &text)?;
            text
        }
        OptionKind::Integer { min, max } => integer(text, *min, *max)?,
        OptionKind::Number { min, max } => number(text, *min, *max)?,
        OptionKind::Boolean => boolean(text)?,
        OptionKind::Enum { values } => {
            one_of(text, values)?;
            text.to_owned()
        }
        OptionKind::Date { min, max } => date(text, min.as_deref(), max.as_deref())?,
        OptionKind::DateTime => date_time(text)?,
        OptionKind::Duration { min, max } => duration(text, *min, *max)?,
        OptionKind::Node { .. } => node(text, nodes)?,
        OptionKind::Json { max_length } => {
            let compact = super::json::compact(text)?;
            at_most(&compact, *max_length)?;
            compact
        }
        OptionKind::Url { schemes } => {
            one_line(text)?;
            url(text, schemes)?;
            pattern(spec, text)?;
            text.to_owned()
        }
        OptionKind::Secret { .. } => return Ok(Checked::TypedSecret(SecretText::new(text.to_owned()))),
        // Both have their own shapes; `check` does not let them come here.
        OptionKind::Multi { .. } | OptionKind::File { .. } => {
            return Err(Fault::new("single_value", "this option does not take a single text"));
        }
    };
    Ok(Checked::Text(canonical))
}

fn file(name: &str, bytes: &[u8], max: usize) -> Result<Checked, Fault> {
    if bytes.len() > max {
        return Err(Fault::new("too_large", format!("the file has {} bytes; at most {max} are allowed", bytes.len())));
    }
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if name.is_empty() || name.len() > 200 || name.starts_with(['.', '-']) || name.contains(bad) {
        return Err(Fault::new(
            "file_name",
            "rename the file: 1 to 200 bytes, no `/`, `\\` or control character, and no `.` or `-` at the start",
        ));
    }
    Ok(Checked::File { name: name.to_owned(), bytes: bytes.to_vec() })
}

fn multi(spec: &OptionSpec, allowed: &[String], delimiter: &str, members: &[String]) -> Result<Checked, Fault> {
    let mut kept: Vec<&str> = Vec::new();
    for member in members.iter().map(String::as_str).filter(|m| !m.is_empty()) {
        one_line(member)?;
        if allowed.is_empty() {
            no_leading_dash(spec, member)?;
        } else {
            one_of(member, allowed)?;
        }
        pattern(spec, member)?;
        if !delimiter.is_empty() && member.contains(delimiter) {
            return Err(Fault::new(
                "contains_delimiter",
                format!("`{member}` holds `{delimiter}`, which separates the values; choose values without it"),
            ));
        }
        if !kept.contains(&member) {
            kept.push(member);
        }
    }
    if kept.is_empty() {
        return Err(Fault::new("required", "choose at least one value"));
    }
    if delimiter.is_empty() && kept.len() > 1 {
        return Err(Fault::new("single_value", "this option has no delimiter, so it can take one value only"));
    }
    let joined = kept.join(delimiter);
    carriable(&joined)?;
    Ok(Checked::Text(joined))
}

fn one_of(text: &str, values: &[String]) -> Result<(), Fault> {
    if values.iter().any(|v| v == text) {
        return Ok(());
    }
    let hint = match nearest(text, values.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let some: Vec<&str> = values.iter().map(String::as_str).take(10).collect();
            let more = if values.len() > some.len() { ", …" } else { "" };
            format!("choose one of {}{more}", some.join(", "))
        }
    };
    Err(Fault::new("not_one_of", format!("this is not one of the values; {hint}")))
}

fn node(text: &str, nodes: &[String]) -> Result<String, Fault> {
    if nodes.iter().any(|n| n == text) {
        return Ok(text.to_owned());
    }
    let hint = match nearest(text, nodes.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "choose one from the list".to_owned(),
    };
    Err(Fault::new("unknown_node", format!("there is no such node here for this option; {hint}")))
}

fn integer(text: &str, min: Option<i64>, max: Option<i64>) -> Result<String, Fault> {
    let n: i64 = text
        .trim()
        .parse()
        .map_err(|_| Fault::new("not_a_number", "write a whole number, such as 42 (digits only, within 64 bits)"))?;
    if let Some(min) = min.filter(|min| n < *min) {
        return Err(Fault::new("too_small", format!("the number has to be {min} or more")));
    }
    if let Some(max) = max.filter(|max| n > *max) {
        return Err(Fault::new("too_large", format!("the number has to be {max} or less")));
    }
    Ok(n.to_string())
}

fn number(text: &str, min: Option<f64>, max: Option<f64>) -> Result<String, Fault> {
    let text = text.trim();
    let bad = || Fault::new("not_a_number", "write a decimal number, such as 2.5");
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let well_formed = mantissa.split_once('.').map_or(digits(mantissa), |(whole, part)| digits(whole) && digits(part))
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    let n: f64 = if well_formed { text.parse().map_err(|_| bad())? } else { return Err(bad()) };
    if !n.is_finite() {
        return Err(bad());
    }
    if let Some(min) = min.filter(|min| n < *min) {
        return Err(Fault::new("too_small", format!("the number has to be {min} or more")));
    }
    if let Some(max) = max.filter(|max| n > *max) {
        return Err(Fault::new("too_large", format!("the number has to be {max} or less")));
    }
    Ok(text.to_owned())
}

fn boolean(text: &str) -> Result<String, Fault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok("true".to_owned()),
        "false" | "no" | "off" | "0" => Ok("false".to_owned()),
        _ => Err(Fault::new("not_a_boolean", "write true or false")),
    }
}

fn date(text: &str, min: Option<&str>, max: Option<&str>) -> Result<String, Fault> {
    let text = text.trim();
    // Ten characters and a true calendar day; then the order of the texts is the order of the days.
    if text.len() != 10 || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_err() {
        return Err(Fault::new("not_a_date", "write a day of the calendar as YYYY-MM-DD, such as 2026-11-30"));
    }
    if let Some(min) = min.filter(|min| text < *min) {
        return Err(Fault::new("too_small", format!("the day has to be {min} or later")));
    }
    if let Some(max) = max.filter(|max| text > *max) {
        return Err(Fault::new("too_large", format!("the day has to be {max} or earlier")));
    }
    Ok(text.to_owned())
}

fn date_time(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let bad = || {
        Fault::new("not_a_date_time", "write date, time and offset, such as 2026-11-30T10:00:00+01:00 or …T09:00:00Z")
    };
    // Browsers leave the seconds out.
    let with_seconds = match (text.get(..16), text.get(16..)) {
        (Some(start), Some(rest)) if !rest.starts_with(':') => format!("{start}:00{rest}"),
        _ => text.to_owned(),
    };
    match chrono::DateTime::parse_from_rfc3339(&with_seconds) {
        Ok(at) => Ok(at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        Err(_) if chrono::NaiveDateTime::parse_from_str(&with_seconds, "%Y-%m-%dT%H:%M:%S%.f").is_ok() => {
            Err(Fault::new(
                "offset_missing",
                "the time zone is missing; add the offset from UTC, such as 2026-11-30T10:00+01:00, or Z for UTC",
            ))
        }
        Err(_) => Err(bad()),
    }
}

fn duration(text: &str, min: Option<Seconds>, max: Option<Seconds>) -> Result<String, Fault> {
    let n = Seconds::parse(text).map_err(|e| Fault::new("not_a_duration", e.rule))?;
    if let Some(min) = min.filter(|min| n < *min) {
        return Err(Fault::new("too_small", format!("the duration has to be {min} or more")));
    }
    if let Some(max) = max.filter(|max| n > *max) {
        return Err(Fault::new("too_large", format!("the duration has to be {max} or less")));
    }
    Ok(n.get().to_string())
}

fn url(text: &str, schemes: &[String]) -> Result<(), Fault> {
    let bad = |why: &str| Fault::new("not_a_url", format!("{why}; write an address such as https://example.org/path"));
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')) {
        return Err(bad("an address holds no spaces, quotes, backslashes or braces"));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("this is not an absolute address"))?;
    let scheme_good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !scheme_good {
        return Err(bad("the part before `://` is not a scheme"));
    }
    let allowed: Vec<&str> =
        if schemes.is_empty() { vec!["https", "http"] } else { schemes.iter().map(String::as_str).collect() };
    if !allowed.iter().any(|a| a.eq_ignore_ascii_case(scheme)) {
        return Err(Fault::new("scheme", format!("the address has to start with {}", allowed.join(":// or ") + "://")));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Fault::new("user_in_url", "an address with a user or password in it is not accepted; remove it"));
    }
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (address, after) = inner.split_once(']').ok_or_else(|| bad("the `[` of the host is never closed"))?;
        if address.parse::<core::net::Ipv6Addr>().is_err() {
            return Err(bad("the host in brackets is not an IPv6 address"));
        }
        match after.strip_prefix(':') {
            Some(port) => ("ip", Some(port)),
            None if after.is_empty() => ("ip", None),
            None => return Err(bad("something stands between the host and the path")),
        }
    } else {
        authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
    };
    let host_good = host.starts_with(char::is_alphanumeric)
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if !host_good {
        return Err(bad("the host is missing or has characters that no host has"));
    }
    match port {
        Some(p) if !p.bytes().all(|b| b.is_ascii_digit()) || p.parse::<u16>().is_err() => {
            Err(bad("the port is not a number up to 65535"))
        }
        _ => Ok(()),
    }
}
