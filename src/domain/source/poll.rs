//! Polling: what of an answer is an item, what tells items apart, and how long to wait.

use serde_json::{Value, json};

use crate::domain::criteria::Path;
use crate::domain::digest::{Digest, canonical_json};
use crate::domain::ids::KeyPath;
use crate::domain::time::{Seconds, Timestamp};

/// The largest answer that is read, in bytes.
pub const LARGEST_ANSWER: u64 = 4 << 20;
/// The most items that an answer may have.
pub const MOST_ITEMS: usize = 5_000;
/// The longest pause after failures, where the usual one is not longer.
const LONGEST_PAUSE: Seconds = Seconds::new(900);
/// How long an item that is no longer in the answer is remembered.
pub const REMEMBERED: Seconds = Seconds::new(7 * 86_400);
/// The most items that are remembered of one source.
pub const MOST_REMEMBERED: i64 = 50_000;

/// An address that is asked over and over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// The address.
    pub url: String,
    /// How long after an answer it is asked again.
    pub every: Seconds,
    /// How long an answer may take.
    pub timeout: Seconds,
    /// Where in the answer the list is, as its author wrote it; the answer itself is the list without it.
    pub items: Option<FieldPath>,
    /// What in an item tells it from others; without it, all of it.
    pub key: Option<FieldPath>,
    /// What is sent along.
    pub headers: Vec<(String, HeaderValue)>,
    /// Certificates that are trusted instead of the usual ones, as PEM.
    pub ca: Option<String>,
    /// What becomes of the items of the first answer.
    pub first: First,
}

/// A path with the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    /// The text.
    pub text: String,
    /// The path.
    pub path: Path,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// As it stands.
    Plain(String),
    /// A secret of the key store, after a prefix.
    Secret { path: KeyPath, prefix: String },
}

/// What becomes of the items of the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// They count as seen already.
    Seen,
    /// They are events.
    Events,
}

impl First {
    /// The words.
    pub const WORDS: [(&'static str, Self); 2] = [("seen", Self::Seen), ("events", Self::Events)];
}

impl Poll {
    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        let header = |value: &HeaderValue| match value {
            HeaderValue::Plain(text) => json!(text),
            HeaderValue::Secret { path, prefix } => json!({ "secret": path, "prefix": prefix }),
        };
        json!({
            "url": self.url,
            "every": self.every,
            "timeout": self.timeout,
            "items": self.items.as_ref().map(|p| &p.text),
            "key": self.key.as_ref().map(|p| &p.text),
            "headers": self.headers.iter().map(|(name, value)| json!([name, header(value)])).collect::<Vec<_>>(),
            "ca": self.ca,
            "first": match self.first { First::Seen => "seen", First::Events => "events" },
        })
    }

    /// The secrets that it sends.
    pub fn secrets(&self) -> impl Iterator<Item = &KeyPath> {
        self.headers.iter().filter_map(|(_, value)| match value {
            HeaderValue::Secret { path, .. } => Some(path),
            HeaderValue::Plain(_) => None,
        })
    }

    /// What was seen says nothing any more once one of these is another one.
    pub(super) fn position_of(&self) -> Value {
        json!([self.url, self.items.as_ref().map(|p| &p.text), self.key.as_ref().map(|p| &p.text)])
    }

    /// The items of an answer, each with what tells it from others, in their order. Of two with the same key the first
    /// counts.
    ///
    /// # Errors
    /// What is wrong with the answer, in a sentence.
    pub fn items(&self, answer: &Value) -> Result<Vec<(String, Value)>, String> {
        let list = match &self.items {
            None => answer,
            Some(items) => {
                items.path.find(answer).ok_or_else(|| format!("The answer has nothing at `{}`.", items.text))?
            }
        };
        let Some(list) = list.as_array() else {
            let place = self.items.as_ref().map_or("The answer".to_owned(), |i| format!("`{}`", i.text));
            return Err(format!("{place} is not a list."));
        };
        if list.len() > MOST_ITEMS {
            return Err(format!("The answer has {} items; at most {MOST_ITEMS} are looked at.", list.len()));
        }
        let mut seen = std::collections::HashSet::new();
        let mut out = Vec::with_capacity(list.len());
        for (place, item) in list.iter().enumerate() {
            let key = self.key_of(item).ok_or_else(|| {
                let key = self.key.as_ref().map(|k| k.text.as_str()).unwrap_or_default();
                format!("Item {place} of the answer has no text or number at `{key}`.")
            })?;
            if seen.insert(key.clone()) {
                out.push((key, item.clone()));
            }
        }
        Ok(out)
    }

    fn key_of(&self, item: &Value) -> Option<String> {
        let text = match &self.key {
            None => return Some(Digest::of(canonical_json(item).as_bytes()).to_string()),
            Some(key) => match key.path.find(item)? {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            },
        };
        let fits = !text.is_empty() && text.len() <= 200;
        Some(if fits { text } else { Digest::of(text.as_bytes()).to_string() })
    }

    /// When it is asked again after so many failures in a row.
    #[must_use]
    pub fn next(&self, failures: u32, now: Timestamp) -> Timestamp {
        let longest = self.every.max(LONGEST_PAUSE).get();
        let pause = self.every.get().saturating_mul(1 << failures.min(16)).min(longest);
        now + Seconds::new(pause).to_delta()
    }
}

/// What an item says as an event.
#[must_use]
pub fn payload(item: Value) -> Value {
    match item {
        Value::Object(_) => item,
        other => json!({ "value": other }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(items: Option<&str>, key: Option<&str>) -> Poll {
        let path = |text: &str| FieldPath { text: text.to_owned(), path: Path::parse(text).unwrap() };
        Poll {
            url: "https://example.com".to_owned(),
            every: Seconds::new(60),
            timeout: Seconds::new(10),
            items: items.map(path),
            key: key.map(path),
            headers: Vec::new(),
            ca: None,
            first: First::Seen,
        }
    }

    #[test]
    fn items_are_told_apart_by_their_key() {
        let answer = json!({"data": {"list": [{"id": 1}, {"id": "b"}, {"id": 1, "x": 2}]}});
        let items = poll(Some("data.list"), Some("id")).items(&answer).unwrap();
        assert_eq!(items, [("1".to_owned(), json!({"id": 1})), ("b".to_owned(), json!({"id": "b"}))]);
        let whole = poll(None, None).items(&json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}, 7])).unwrap();
        assert_eq!(whole.len(), 2, "the order of fields tells nothing apart");
    }

    #[test]
    fn what_is_not_as_expected_is_said() {
        let poll = poll(Some("data.list"), Some("id"));
        for (answer, said) in [
            (json!({}), "nothing at `data.list`"),
            (json!({"data": {"list": 7}}), "not a list"),
            (json!({"data": {"list": [{"id": null}]}}), "Item 0"),
            (json!({"data": {"list": [{"id": {"a": 1}}]}}), "Item 0"),
            (json!({"data": {"list": vec![json!({"id": 1}); MOST_ITEMS + 1]}}), "at most"),
        ] {
            let why = poll.items(&answer).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn failures_lengthen_the_pause_up_to_a_bound() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let pause = |failures| (poll(None, None).next(failures, now) - now).num_seconds();
        assert_eq!([0, 1, 2, 3, 40].map(pause), [60, 120, 240, 480, 900]);
    }
}
