//! The keys of a poll.

use crate::domain::criteria::Path;
use crate::domain::ids::KeyPath;
use crate::domain::source::poll::{FieldPath, First, HeaderValue, Poll};
use crate::domain::time::Seconds;
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::{Node, Value};

/// The longest patience.
const LONGEST_TIMEOUT: u64 = 60;

/// Headers that carry secrets by their nature.
const SECRET_HEADERS: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"];

/// Headers that the connection itself sets.
const OWN_HEADERS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "if-none-match", "if-modified-since"];

/// Reads what a poll has beside the keys of every source.
pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Poll> {
    let url = fields.required("url", report).and_then(|n| read_url(n, "headers", report));
    let every = fields.required("every", report).and_then(|n| report.read_some_time(n, "every"));
    let timeout = match fields.optional("timeout") {
        Some(node) => read_timeout(node, report),
        None => Some(Seconds::new(10)),
    };
    let items = fields.optional("items").map(|n| read_path(n, "items", report));
    let key = fields.optional("key").map(|n| read_path(n, "key", report));
    let headers = match fields.optional("headers") {
        Some(node) => read_headers(node, report),
        None => Some(Vec::new()),
    };
    let ca = fields.optional("ca").map(|n| read_ca(n, report));
    let first = fields.optional("first").and_then(|n| report.read_word(n, "first", &First::WORDS));
    Some(Poll {
        url: url?,
        every: every?,
        timeout: timeout?,
        items: flat(items)?,
        key: flat(key)?,
        headers: headers?,
        ca: flat(ca)?,
        first: first.unwrap_or(First::Seen),
    })
}

/// What was left out is fine; what was wrong is not.
pub(super) fn flat<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
        None => Some(None),
    }
}

/// An address without credentials; `secrets` is the key where those are named instead.
pub(in crate::spec) fn read_url(node: &Node, secrets: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "url")?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) && text.len() <= 2_000;
    match host {
        Some(host) if host.contains('@') => {
            let hint = format!("put the credentials into the key store and name them in `{secrets}`");
            report.error("secret_in_clear", node.span, "`url` holds a name or a password", Some(hint));
            None
        }
        Some(host) if clean && !host.is_empty() => Some(text),
        _ => {
            let hint = "write it as `https://host/path`, with special characters percent-encoded";
            report.error("bad_value", node.span, "`url` is not an address", Some(hint));
            None
        }
    }
}

fn read_timeout(node: &Node, report: &mut Report<'_>) -> Option<Seconds> {
    let timeout = report.read_some_time(node, "timeout")?;
    if timeout.get() <= LONGEST_TIMEOUT {
        return Some(timeout);
    }
    let hint = format!("use at most {LONGEST_TIMEOUT}s");
    report.error("out_of_range", node.span, format!("`timeout` is {timeout}, which is too long"), Some(hint));
    None
}

fn read_path(node: &Node, key: &str, report: &mut Report<'_>) -> Option<FieldPath> {
    let text = report.read_text(node, key)?;
    match Path::parse(&text) {
        Ok(path) => Some(FieldPath { text, path }),
        Err(error) => {
            let hint = format!("write `{key}` as `data.list` or `labels['a b']`");
            report.error("bad_value", node.span, error.message, Some(hint));
            None
        }
    }
}

fn read_headers(node: &Node, report: &mut Report<'_>) -> Option<Vec<(String, HeaderValue)>> {
    let before = report.errors();
    let mut out = Vec::new();
    for entry in report.read_map(node, "headers")? {
        let name = entry.key.to_ascii_lowercase();
        let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !good || name.len() > 100 || OWN_HEADERS.contains(&name.as_str()) {
            let message = format!("`{}` cannot be sent as a header", entry.key);
            let hint = "use letters, digits and `-`; headers of the connection itself are Interlock's to set";
            report.error("bad_value", entry.key_span, message, Some(hint));
            continue;
        }
        if let Some(value) = read_header(&entry.node, &entry.key, &name, report) {
            out.push((entry.key.clone(), value));
        }
    }
    (report.errors() == before).then_some(out)
}

fn read_header(node: &Node, key: &str, name: &str, report: &mut Report<'_>) -> Option<HeaderValue> {
    let sendable = |text: &str| text.bytes().all(|b| (0x20..0x7f).contains(&b)) && text.len() <= 1_000;
    let not_sendable = |node: &Node, report: &mut Report<'_>| {
        let message = format!("the value of `{key}` has characters that a header cannot have");
        report.error("bad_value", node.span, message, Some("use plain letters, digits and signs on one line"));
    };
    if let Value::Map(_) = node.value {
        let mut fields = Fields::open(node, format!("the header `{key}`"), report)?;
        let path = fields.required("secret", report).and_then(|n| report.read_name(n, "secret", KeyPath::parse));
        let prefix = fields.optional("prefix").map(|n| (n, report.read_text(n, "prefix")));
        fields.finish(report);
        if let Some((node, Some(prefix))) = &prefix
            && !sendable(prefix)
        {
            not_sendable(node, report);
        }
        return Some(HeaderValue::Secret { path: path?, prefix: prefix.and_then(|(_, p)| p).unwrap_or_default() });
    }
    let text = report.read_text(node, key)?;
    if SECRET_HEADERS.contains(&name) {
        let message = format!("`{key}` would hold a secret in clear");
        let hint = "put it into the key store and write `{secret: keys/NAME, prefix: 'Bearer '}`";
        report.error("secret_in_clear", node.span, message, Some(hint));
        return None;
    }
    if !sendable(&text) {
        not_sendable(node, report);
        return None;
    }
    Some(HeaderValue::Plain(text))
}

/// Certificates in PEM.
pub(super) fn read_ca(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "ca")?;
    if text.contains("PRIVATE KEY") {
        let hint = "take the key away from here and give only the certificate";
        report.error("secret_in_clear", node.span, "`ca` holds a private key", Some(hint));
        return None;
    }
    if !text.trim_start().starts_with("-----BEGIN CERTIFICATE-----") || text.len() > 100_000 {
        let hint = "write `ca: |` and below it the lines from `-----BEGIN CERTIFICATE-----` on";
        report.error("bad_value", node.span, "`ca` is not a certificate in PEM", Some(hint));
        return None;
    }
    Some(text)
}
