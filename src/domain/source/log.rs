//! Log streams: which lines are events, and what they say.

use regex::Regex;
use serde_json::{Map, Value, json};

/// The longest line that is read whole, in bytes.
pub const LONGEST_LINE: usize = 16 << 10;

/// A file whose new lines are looked at.
#[derive(Debug, Clone)]
pub struct LogFile {
    /// The file.
    pub file: String,
    /// Which lines are events; its named groups are their fields.
    pub pattern: Regex,
    /// Whether the lines count that are there at first.
    pub from_start: bool,
}

impl PartialEq for LogFile {
    fn eq(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }
}

impl Eq for LogFile {}

impl LogFile {
    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        let from = if self.from_start { "start" } else { "end" };
        json!({ "file": self.file, "pattern": self.pattern.as_str(), "from": from })
    }

    /// What a line says as an event; `None` for a line that the pattern leaves out.
    #[must_use]
    pub fn payload(&self, line: &Line, machine: &str) -> Option<Value> {
        let mut fields = found(&self.pattern, line)?;
        fields.insert("file".to_owned(), json!(self.file));
        fields.insert("host".to_owned(), json!(machine));
        Some(Value::Object(fields))
    }
}

/// What a pattern finds in a line, by the names of its groups, with the line; `None` where it finds nothing.
pub(super) fn found(pattern: &Regex, line: &Line) -> Option<Map<String, Value>> {
    let found = pattern.captures(&line.text)?;
    let group = |name: &str| Some((name.to_owned(), json!(found.name(name)?.as_str())));
    let mut fields: Map<String, Value> = pattern.capture_names().flatten().filter_map(group).collect();
    fields.insert("line".to_owned(), json!(line.text));
    if line.cut {
        fields.insert("cut".to_owned(), json!(true));
    }
    if line.not_utf8 {
        fields.insert("not_utf8".to_owned(), json!(true));
    }
    Some(fields)
}

/// Fields that every event of a log has; no group may be called so.
pub const OWN_FIELDS: [&str; 5] = ["line", "file", "host", "cut", "not_utf8"];

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What tells it from every other line of this source.
    pub key: String,
    /// The text without its end.
    pub text: String,
    /// Whether it was longer than [`LONGEST_LINE`] and its rest is left out.
    pub cut: bool,
    /// Whether it had bytes that are no UTF-8, which are replaced.
    pub not_utf8: bool,
}

impl Line {
    /// A line of these bytes, without its end.
    #[must_use]
    pub fn new(key: String, bytes: &[u8]) -> Self {
        let cut = bytes.len() > LONGEST_LINE;
        let bytes = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes);
        // A letter that the cut divides is no mistake of the writer's.
        let not_utf8 = match std::str::from_utf8(bytes) {
            Ok(_) => false,
            Err(error) => !(cut && error.error_len().is_none()),
        };
        Self { key, text: text.into_owned(), cut, not_utf8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogFile {
        let pattern = Regex::new(r"ERROR (?P<code>\d+)(?: on (?P<disk>\w+))?").unwrap();
        LogFile { file: "/var/log/app.log".to_owned(), pattern, from_start: false }
    }

    #[test]
    fn groups_become_fields() {
        let line = |text: &[u8]| log().payload(&Line::new("k".to_owned(), text), "web1");
        assert_eq!(
            line(b"12:00 ERROR 42\r"),
            Some(json!({"code": "42", "line": "12:00 ERROR 42", "file": "/var/log/app.log", "host": "web1"}))
        );
        assert_eq!(line(b"ERROR 7 on sda").unwrap()["disk"], "sda");
        assert_eq!(line(b"INFO 42"), None);
    }

    #[test]
    fn long_and_broken_lines_are_said_to_be_so() {
        let long = Line::new(String::new(), &vec![b'a'; LONGEST_LINE + 1]);
        assert_eq!((long.text.len(), long.cut, long.not_utf8), (LONGEST_LINE, true, false));
        let broken = Line::new(String::new(), b"ERROR 1 \xff\xfe");
        assert_eq!((broken.text.as_str(), broken.cut, broken.not_utf8), ("ERROR 1 \u{fffd}\u{fffd}", false, true));
    }
}
