//! Rundeck's node filter: `tags: web+prod !name: web3 os-family: unix`.
//!
//! Source of the semantics: Rundeck's documentation of node filters and what its `NodeSet` does. All keys must match;
//! nodes that match the excludes (again all keys) are left out; without includes, all others are meant.

use std::collections::BTreeMap;

use super::Node;

const MAX_LENGTH: usize = 4_096;
const MAX_REGEX: usize = 1 << 18;

/// A node filter, parsed. The empty one matches every node.
#[derive(Debug, Clone, Default)]
pub struct NodeFilter {
    include: Vec<(String, Selector)>,
    exclude: Vec<(String, Selector)>,
    include_wins: bool,
}

/// Why a text is not a node filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// Byte offset into the given text.
    pub offset: usize,
    /// One sentence.
    pub message: String,
}

#[derive(Debug, Clone)]
enum Selector {
    /// `/re/`.
    Regex(regex::Regex),
    /// The whole selector as a regular expression, as text, or one of its comma-separated items.
    Text { whole: Item, items: Vec<String> },
    /// Groups of which one must match; a group's items must all be among the tags.
    Tags(Vec<Vec<Item>>),
}

/// Text that also counts as a regular expression over the whole value, where it is one.
#[derive(Debug, Clone)]
struct Item {
    text: String,
    regex: Option<regex::Regex>,
}

struct Token {
    offset: usize,
    text: String,
    quoted: bool,
}

impl NodeFilter {
    /// Parses a filter.
    ///
    /// # Errors
    /// [`FilterError`] names the place: a key without value, an unclosed quote, a bad `/regular expression/`.
    pub fn parse(source: &str) -> Result<Self, FilterError> {
        if source.len() > MAX_LENGTH {
            return Err(FilterError {
                offset: MAX_LENGTH,
                message: "the node filter is longer than 4096 bytes".to_owned(),
            });
        }
        // Repeated keys join, so the selectors are compiled only once all tokens are known.
        let mut include: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let mut exclude: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let mut tokens = tokens(source)?.into_iter();
        while let Some(token) = tokens.next() {
            let (excluded, body, offset) = match token.text.strip_prefix('!') {
                Some(body) if !token.quoted || body.contains(':') => (true, body, token.offset + 1),
                _ => (false, token.text.as_str(), token.offset),
            };
            let (key, at, value) = if let Some(key) = body.strip_suffix(':') {
                let value = tokens.next().ok_or_else(|| FilterError {
                    offset,
                    message: format!("the key `{key}` of the node filter has no value; write `{key}: VALUE`"),
                })?;
                (key, value.offset, value.text)
            } else if let Some((key, value)) = body.split_once(':') {
                (key, offset + key.len() + 1, value.trim_start().to_owned())
            } else {
                ("name", offset, body.to_owned())
            };
            if key.is_empty() {
                let message = "a key of the node filter is empty; write for example `tags: web`".to_owned();
                return Err(FilterError { offset, message });
            }
            let side = if excluded { &mut exclude } else { &mut include };
            side.entry(canonical(key).to_owned())
                .and_modify(|(_, joined)| {
                    joined.push(',');
                    joined.push_str(&value);
                })
                .or_insert((at, value));
        }
        Ok(Self { include: compile(include)?, exclude: compile(exclude)?, include_wins: false })
    }

    /// The same filter with the say of which side wins where both match a node: the excludes, unless this is `false`.
    ///
    /// As in Rundeck, where the includes win a node is left out only when it matches the excludes *and not* the includes;
    /// so nodes that neither side speaks of are meant as well.
    #[must_use]
    pub fn with_exclude_precedence(mut self, exclude_wins: bool) -> Self {
        self.include_wins = !exclude_wins;
        self
    }

    /// Whether the filter means this node.
    #[must_use]
    pub fn matches(&self, node: &Node) -> bool {
        let all = |side: &[(String, Selector)]| side.iter().all(|(key, selector)| selector.matches(key, node));
        if self.exclude.is_empty() {
            return all(&self.include);
        }
        if self.include_wins && !self.include.is_empty() {
            return all(&self.include) || !all(&self.exclude);
        }
        all(&self.include) && !all(&self.exclude)
    }

    /// Whether every node is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

/// One key has several spellings in Rundeck.
fn canonical(key: &str) -> &str {
    match key {
        "nodename" => "name",
        "osName" => "os-name",
        "osFamily" => "os-family",
        "osArch" => "os-arch",
        "osVersion" => "os-version",
        other => other,
    }
}

fn compile(side: BTreeMap<String, (usize, String)>) -> Result<Vec<(String, Selector)>, FilterError> {
    side.into_iter().map(|(key, (offset, value))| Ok((key.clone(), Selector::compile(&key, &value, offset)?))).collect()
}

impl Selector {
    fn compile(key: &str, value: &str, offset: usize) -> Result<Self, FilterError> {
        if let Some(inner) = value.strip_prefix('/').and_then(|v| v.strip_suffix('/')).filter(|v| !v.is_empty()) {
            let regex = whole(inner).map_err(|e| FilterError {
                offset,
                message: format!("`{value}` is not a regular expression: {}", last_line(&e)),
            })?;
            return Ok(Self::Regex(regex));
        }
        let list = |text: &str, by: char| -> Vec<String> {
            text.split(by).map(str::trim).filter(|i| !i.is_empty()).map(str::to_owned).collect()
        };
        if key == "tags" {
            return Ok(Self::Tags(
                list(value, ',').iter().map(|g| list(g, '+').iter().map(|i| Item::new(i)).collect()).collect(),
            ));
        }
        Ok(Self::Text { whole: Item::new(value), items: list(value, ',') })
    }

    fn matches(&self, key: &str, node: &Node) -> bool {
        if key == "tags" {
            return match self {
                Self::Regex(regex) => node.tags.iter().any(|tag| regex.is_match(tag)),
                Self::Tags(groups) => {
                    groups.iter().any(|group| group.iter().all(|item| node.tags.iter().any(|t| item.matches(t))))
                }
                Self::Text { .. } => false,
            };
        }
        let Some(value) = node.attribute(key) else { return false };
        match self {
            Self::Regex(regex) => regex.is_match(&value),
            Self::Text { whole, items } => whole.matches(&value) || items.contains(&value),
            Self::Tags(_) => false,
        }
    }
}

impl Item {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), regex: whole(text).ok() }
    }

    fn matches(&self, value: &str) -> bool {
        self.text == value || self.regex.as_ref().is_some_and(|r| r.is_match(value))
    }
}

/// An expression that has to match the whole value. It is compiled by itself first, so that nothing in it can step out
/// of the group that anchors it.
fn whole(source: &str) -> Result<regex::Regex, regex::Error> {
    let build = |text: &str| regex::RegexBuilder::new(text).size_limit(MAX_REGEX).build();
    build(source)?;
    build(&format!("\\A(?:{source})\\z")).or_else(|_| build(&format!("\\A(?:{source}\n)\\z")))
}

fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().map(|l| l.trim_start_matches("error: ").to_owned()).unwrap_or_default()
}

/// Words separated by space; a quote counts at the start of a word only, doubled inside it stands for itself.
fn tokens(source: &str) -> Result<Vec<Token>, FilterError> {
    let mut out = Vec::new();
    let mut chars = source.char_indices().peekable();
    while let Some((offset, first)) = chars.next() {
        if first <= ' ' {
            continue;
        }
        let mut text = String::new();
        if matches!(first, '"' | '\'') {
            loop {
                match chars.next() {
                    Some((_, c)) if c == first => {
                        if chars.next_if(|(_, next)| *next == first).is_none() {
                            break;
                        }
                        text.push(c);
                    }
                    Some((_, c)) => text.push(c),
                    None => {
                        return Err(FilterError { offset, message: format!("the quote {first} is never closed") });
                    }
                }
            }
            out.push(Token { offset, text, quoted: true });
            continue;
        }
        text.push(first);
        while let Some((_, c)) = chars.next_if(|(_, c)| *c > ' ') {
            text.push(c);
        }
        out.push(Token { offset, text, quoted: false });
    }
    Ok(out)
}
