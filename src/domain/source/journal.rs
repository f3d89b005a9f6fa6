//! systemd's journal: which entries are events, and what they say.

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::log::{LONGEST_LINE, Line};
use crate::domain::time::Timestamp;

/// The most entries that are read at once.
pub const MOST_ENTRIES: usize = 1_000;

/// A journal whose new entries are looked at.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Which entries are read at all.
    pub filter: Filter,
    /// Which of their messages are events; its named groups are their fields.
    pub pattern: Regex,
    /// Whether the entries count that are there at first.
    pub from_start: bool,
}

/// Which entries are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of processes of one of these units; of all without one.
    pub units: Vec<String>,
    /// Those by one of these names of a program; by all without one.
    pub identifiers: Vec<String>,
    /// Those that are at least as grave.
    pub priority: Option<Priority>,
}

/// How grave an entry is; a smaller one is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The words.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("emerg", Self(0)),
        ("alert", Self(1)),
        ("crit", Self(2)),
        ("err", Self(3)),
        ("warning", Self(4)),
        ("notice", Self(5)),
        ("info", Self(6)),
        ("debug", Self(7)),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, other)| *other == self).map_or("debug", |(word, _)| word)
    }

    /// The word of a number as journals have it.
    #[must_use]
    pub fn word_of(number: &str) -> Option<&'static str> {
        let number: u8 = number.parse().ok()?;
        Self::WORDS.iter().find(|(_, other)| other.0 == number).map(|(word, _)| *word)
    }
}

impl PartialEq for Journal {
    fn eq(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }
}

impl Eq for Journal {}

impl Journal {
    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({
            "unit": self.filter.units,
            "identifier": self.filter.identifiers,
            "priority": self.filter.priority.map(Priority::as_str),
            "pattern": self.pattern.as_str(),
            "from": if self.from_start { "start" } else { "end" },
        })
    }

    /// How far it has read says nothing any more once other entries are read.
    pub(super) fn position_of(&self) -> Value {
        json!([self.filter.units, self.filter.identifiers, self.filter.priority.map(Priority::as_str)])
    }

    /// What an entry says as an event; `None` for one that the pattern leaves out.
    #[must_use]
    pub fn payload(&self, entry: &Entry, machine: &str) -> Option<Value> {
        let mut fields = super::log::found(&self.pattern, &entry.line)?;
        let mut own = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        };
        own("host", Some(entry.host.as_deref().unwrap_or(machine)));
        own("unit", entry.unit.as_deref());
        own("identifier", entry.identifier.as_deref());
        own("priority", entry.priority);
        own("at", entry.at.map(moment).as_deref());
        Some(Value::Object(fields))
    }
}

fn moment(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Fields that an event of a journal has; no group may be called so.
pub const OWN_FIELDS: [&str; 8] = ["line", "host", "unit", "identifier", "priority", "at", "cut", "not_utf8"];

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place of it, by which it is found again.
    pub cursor: String,
    /// Its message.
    pub line: Line,
    /// The machine that it is of.
    pub host: Option<String>,
    /// The unit of its process.
    pub unit: Option<String>,
    /// The name of the program.
    pub identifier: Option<String>,
    /// How grave it is.
    pub priority: Option<&'static str>,
    /// When it was taken.
    pub at: Option<Timestamp>,
}

impl Entry {
    /// An entry of these fields; `None` without what tells it from others.
    pub fn read<'f>(field: impl Fn(&str) -> Option<&'f [u8]>) -> Option<Self> {
        let text = |name: &str| field(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned);
        let cursor = text("__CURSOR")?;
        let micros = text("__REALTIME_TIMESTAMP").and_then(|at| at.parse().ok());
        Some(Self {
            line: Line::new(mark(&cursor), field("MESSAGE").unwrap_or_default()),
            host: text("_HOSTNAME"),
            unit: text("_SYSTEMD_UNIT"),
            identifier: text("SYSLOG_IDENTIFIER"),
            priority: text("PRIORITY").and_then(|number| Priority::word_of(&number)),
            at: micros.and_then(Timestamp::from_timestamp_micros),
            cursor,
        })
    }
}

/// What of a cursor tells the entry from every other one, also after it was written to another file.
#[must_use]
pub fn mark(cursor: &str) -> String {
    let of_file = |part: &&str| !part.starts_with("s=") && !part.starts_with("i=");
    cursor.split(';').filter(of_file).collect::<Vec<_>>().join(";")
}

/// The longest value of a field that is kept: one letter more than a line may have, so that it is seen to be cut.
pub const LONGEST_FIELD: usize = LONGEST_LINE + 1;

/// How far a journal was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPosition {
    /// The last entry that was read; `None` where there was none.
    pub cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_becomes_an_event() {
        let fields = |name: &str| -> Option<&'static [u8]> {
            Some(match name {
                "__CURSOR" => b"s=a;i=1;b=c;m=d;t=e;x=f",
                "__REALTIME_TIMESTAMP" => b"1764300001000000",
                "MESSAGE" => b"ERROR 42\nmore",
                "_SYSTEMD_UNIT" => b"app.service",
                "PRIORITY" => b"3",
                _ => return None,
            })
        };
        let entry = Entry::read(fields).unwrap();
        assert_eq!(entry.line.key, "b=c;m=d;t=e;x=f");
        let pattern = Regex::new(r"ERROR (?P<code>\d+)").unwrap();
        let journal = Journal { filter: Filter::default(), pattern, from_start: false };
        let payload = journal.payload(&entry, "web1").unwrap();
        let known = json!({"code": "42", "line": "ERROR 42\nmore", "host": "web1", "unit": "app.service", "priority": "err",
            "at": "2025-11-28T03:20:01Z"});
        assert_eq!(payload, known);
        assert_eq!(Entry::read(|name| fields(name).filter(|_| name != "__CURSOR")), None);
    }
}
