//! One way of saying it: words and `{{ parameters }}`, compiled once to an expression that holds the whole text.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

/// The longest phrase, in bytes.
pub const LONGEST: usize = 500;
/// The most that a compiled phrase may take, in bytes.
const SIZE: usize = 256 * 1024;
/// What stands for a parameter: one word, or several in quotes.
const VALUE: &str = r#"("[^"]*"|'[^']*'|\S+)"#;
/// Characters that mean something in StackStorm's expressions.
const EXPRESSION: [char; 10] = ['^', '$', '\\', '(', ')', '[', ']', '|', '*', '+'];

/// A phrase.
#[derive(Debug, Clone)]
pub struct Phrase {
    source: String,
    whole: Regex,
    /// The parameter of each group, with its default.
    parameters: Vec<(String, Option<String>)>,
}

impl PartialEq for Phrase {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// Why a phrase cannot be used, in a sentence part, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadPhrase {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: &'static str,
}

enum Piece {
    Words(String),
    Space,
    Parameter { name: String, default: Option<String> },
}

impl Phrase {
    /// Compiles a phrase.
    ///
    /// # Errors
    /// [`BadPhrase`] for one that is empty, too long, an expression, names a parameter twice, or begins with nothing but a
    /// parameter, so that it would take every text.
    pub fn compile(source: &str) -> Result<Self, BadPhrase> {
        let bad = |message: String, hint: &'static str| Err(BadPhrase { message, hint });
        if source.len() > LONGEST {
            return bad(format!("it is longer than {LONGEST} bytes"), "say it in fewer words");
        }
        let pieces = pieces(source)?;
        let mut parameters: Vec<(String, Option<String>)> = Vec::new();
        let mut words = false;
        let mut pattern = String::from(r"^\s*");
        let mut space = false;
        let mut begun = false;
        for piece in pieces {
            let gap = if space && begun { r"\s+" } else { "" };
            match piece {
                Piece::Space => {
                    space = true;
                    continue;
                }
                Piece::Words(text) => {
                    words = true;
                    pattern.push_str(&format!("{gap}(?i:{})", regex::escape(&text)));
                }
                Piece::Parameter { name, default } => {
                    if parameters.iter().any(|(other, _)| *other == name) {
                        return bad(format!("the parameter `{name}` stands twice in it"), "name each parameter once");
                    }
                    match (&default, gap.is_empty()) {
                        (None, _) => pattern.push_str(&format!("{gap}{VALUE}")),
                        (Some(_), false) => pattern.push_str(&format!(r"(?:\s+{VALUE})?")),
                        (Some(_), true) => {
                            let hint = "put it behind a word and a space, or leave the default out";
                            return bad(
                                format!("the parameter `{name}` has a default, but no word stands before it"),
                                hint,
                            );
                        }
                    }
                    parameters.push((name, default));
                }
            }
            space = false;
            begun = true;
        }
        if !words {
            return bad(
                "no word tells it from any other text".to_owned(),
                "begin with a word, such as `restart {{service}}`",
            );
        }
        pattern.push_str(r"\s*$");
        let whole = RegexBuilder::new(&pattern)
            .size_limit(SIZE)
            .build()
            .map_err(|_| BadPhrase { message: "it becomes too large".to_owned(), hint: "say it in fewer words" })?;
        Ok(Self { source: source.to_owned(), whole, parameters })
    }

    /// The phrase as its author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The parameters, with the default of each.
    #[must_use]
    pub fn parameters(&self) -> &[(String, Option<String>)] {
        &self.parameters
    }

    /// What each parameter is, where the whole text is this phrase.
    pub(super) fn understand(&self, text: &str) -> Option<BTreeMap<String, String>> {
        let found = self.whole.captures(text)?;
        let mut out = BTreeMap::new();
        for (index, (name, default)) in self.parameters.iter().enumerate() {
            let said = found.get(index + 1).map(|group| unquoted(group.as_str()).to_owned());
            if let Some(value) = said.or_else(|| default.clone()) {
                out.insert(name.clone(), value);
            }
        }
        Some(out)
    }
}

/// The text without quotes around it.
fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

fn pieces(source: &str) -> Result<Vec<Piece>, BadPhrase> {
    let mut out = Vec::new();
    let mut rest = source.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("{{") {
            let Some((inside, later)) = after.split_once("}}") else {
                return Err(BadPhrase {
                    message: "a `{{` is never closed".to_owned(),
                    hint: "write `{{ parameter }}`",
                });
            };
            out.push(parameter(inside)?);
            rest = later;
            continue;
        }
        let end = rest.find("{{").unwrap_or(rest.len());
        let (text, later) = rest.split_at(end);
        words(text, &mut out)?;
        rest = later;
    }
    Ok(out)
}

fn words(text: &str, out: &mut Vec<Piece>) -> Result<(), BadPhrase> {
    if let Some(odd) = text.chars().find(|c| EXPRESSION.contains(c)) {
        let message = format!("`{odd}` makes it a regular expression, which is not read here");
        return Err(BadPhrase {
            message,
            hint: "write the words and `{{ parameters }}`; several ways of saying it are several formats",
        });
    }
    if text.contains(['{', '}']) || text.chars().any(char::is_control) {
        let message = "a brace or a control character stands in it".to_owned();
        return Err(BadPhrase { message, hint: "write `{{ parameter }}`" });
    }
    let mut word = String::new();
    for c in text.chars() {
        if c.is_whitespace() {
            if !word.is_empty() {
                out.push(Piece::Words(std::mem::take(&mut word)));
            }
            out.push(Piece::Space);
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        out.push(Piece::Words(word));
    }
    Ok(())
}

fn parameter(inside: &str) -> Result<Piece, BadPhrase> {
    let (name, default) = match inside.split_once('=') {
        Some((name, default)) => (name.trim(), Some(unquoted(default.trim()).to_owned())),
        None => (inside.trim(), None),
    };
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if good {
        return Ok(Piece::Parameter { name: name.to_owned(), default });
    }
    let shown: String = name.chars().take(40).collect();
    let message = format!("`{shown}` is not the name of a parameter");
    Err(BadPhrase {
        message,
        hint: "write `{{ name }}` or `{{ name=default }}`, with the name of an option of the job",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(phrase: &str, text: &str) -> Option<Vec<String>> {
        let found = Phrase::compile(phrase).unwrap().understand(text)?;
        Some(found.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    fn all(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn words_and_parameters_hold_the_whole_text() {
        let phrase = "restart {{service}} on {{ host }}";
        assert_eq!(said(phrase, "restart nginx on web1"), all(&["host=web1", "service=nginx"]));
        assert_eq!(said(phrase, "  Restart  nginx ON web1 "), all(&["host=web1", "service=nginx"]));
        assert_eq!(said(phrase, "restart \"a b\" on 'web 1'"), all(&["host=web 1", "service=a b"]));
        for other in
            ["restart nginx on", "please restart nginx on web1", "restart nginx on web1 now", "restartnginx on web1"]
        {
            assert_eq!(said(phrase, other), None, "{other}");
        }
    }

    #[test]
    fn a_value_is_a_value_whatever_it_looks_like() {
        let phrase = "restart {{service}}";
        for value in ["$(id)", "a;b", "{{host}}", ".*", "-rf", "`id`"] {
            assert_eq!(said(phrase, &format!("restart {value}")), all(&[&format!("service={value}")]));
        }
    }

    #[test]
    fn a_parameter_with_a_default_may_be_left_out() {
        let phrase = "deploy {{version}} to {{ place = staging }} {{count=\"2\"}}";
        assert_eq!(said(phrase, "deploy 1.2 to"), all(&["count=2", "place=staging", "version=1.2"]));
        assert_eq!(said(phrase, "deploy 1.2 to production 9"), all(&["count=9", "place=production", "version=1.2"]));
        assert_eq!(said("deploy-{{version}}", "deploy-7"), all(&["version=7"]));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        for (phrase, says) in [
            ("^restart (?P<x>.+)$", "regular expression"),
            ("restart {{a}} {{a}}", "twice"),
            ("{{ anything }}", "no word"),
            ("", "no word"),
            ("restart {{ a b }}", "not the name"),
            ("restart {{ a", "never closed"),
            ("restart {a}", "brace"),
            ("{{a=1}} restart", "no word stands before it"),
        ] {
            let told = Phrase::compile(phrase).unwrap_err();
            assert!(told.message.contains(says), "{phrase}: {told}");
        }
        assert!(Phrase::compile(&"long ".repeat(101)).is_err());
    }

    #[test]
    fn a_long_text_takes_no_longer_than_it_is_long() {
        let phrase = Phrase::compile("a {{b}} {{c=x}} {{d=y}} e").unwrap();
        assert!(phrase.understand(&format!("a {}", "b ".repeat(50_000))).is_none());
    }
}
