//! Paths to a field of an event: `trigger.labels.env`, `trigger.list[0].x`, `trigger.headers['X-A']`.

use serde_json::Value;

use super::{CriteriaError, Part};

/// A path, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

fn bad(message: String) -> CriteriaError {
    let hint = "write it as `trigger.labels.env`, `trigger.list[0].x` or `trigger.headers['X-Name']`".to_owned();
    CriteriaError { index: 0, part: Part::Path, message, hint: Some(hint) }
}

impl Path {
    /// Reads a path. A `#` and what follows it are left out, unless it stands in quotes.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence, with a hint.
    pub fn parse(text: &str) -> Result<Self, CriteriaError> {
        let mut segments = Vec::new();
        let mut rest = text.trim();
        let mut expect_key = true;
        while !rest.is_empty() && !rest.starts_with('#') {
            if let Some(inner) = rest.strip_prefix('[') {
                if segments.is_empty() {
                    return Err(bad(format!("the path `{text}` starts with a bracket")));
                }
                let (segment, after) = bracket(inner, text)?;
                segments.push(segment);
                rest = after;
                expect_key = false;
                continue;
            }
            if !expect_key {
                rest = rest.strip_prefix('.').ok_or_else(|| bad(format!("a dot is missing in the path `{text}`")))?;
            }
            let end = rest.find(['.', '[', ']', '#', '\'', '"']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() || key.trim() != key || after.starts_with([']', '\'', '"']) {
                return Err(bad(format!("the path `{text}` has an empty or broken part")));
            }
            segments.push(Segment::Key(key.to_owned()));
            rest = after;
            expect_key = false;
            if rest == "." {
                return Err(bad(format!("the path `{text}` ends with a dot")));
            }
        }
        if segments.is_empty() { Err(bad("the path is empty".to_owned())) } else { Ok(Self(segments)) }
    }

    /// The value at this path.
    #[must_use]
    pub fn find<'v>(&self, scope: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(scope, |value, segment| match segment {
            Segment::Key(key) => value.as_object()?.get(key),
            Segment::Index(index) => value.as_array()?.get(*index),
        })
    }
}

/// The inside of `[…]`: a number, or a key in quotes.
fn bracket<'t>(inner: &'t str, whole: &str) -> Result<(Segment, &'t str), CriteriaError> {
    if let Some(quote) = inner.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let body = inner.get(1..).unwrap_or_default();
        let closed = body.split_once(quote).and_then(|(key, after)| Some((key, after.strip_prefix(']')?)));
        return match closed {
            Some((key, after)) if !key.is_empty() => Ok((Segment::Key(key.to_owned()), after)),
            _ => Err(bad(format!("a quoted part of the path `{whole}` is empty or not closed"))),
        };
    }
    let parsed = inner.split_once(']').and_then(|(index, after)| Some((index.parse::<usize>().ok()?, after)));
    match parsed {
        Some((index, after)) => Ok((Segment::Index(index), after)),
        None => {
            Err(bad(format!("brackets in the path `{whole}` must hold a position such as `[0]` or a name in quotes")))
        }
    }
}
