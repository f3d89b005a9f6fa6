//! Text with `${…}` fields: the webhook's argString, dedupe keys, node filters.
//!
//! Parsed once and rendered in a single pass, so that a value which itself holds `${x}` or `{{ x }}` stays literal.
//! Fields are data paths only; there is no code in a template. An argString is split into tokens before anything is
//! expanded, so a payload can fill a token but never add one. Quoting rules: Rundeck's argString.

/// A text with `${…}` fields, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(String),
}

/// Why a text is not a template: what, where (byte offset in the text) and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte offset into the given text.
    pub offset: usize,
    /// One sentence.
    pub message: String,
}

/// A field that the scope does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field `{path}` is missing")]
pub struct MissingField {
    /// The field as written, without `${` and `}`.
    pub path: String,
}

/// What fields stand for.
pub trait Scope {
    /// The text of a field such as `data.service` or `data.list[0].name`; `None` when it is missing or null.
    fn field(&self, path: &str) -> Option<String>;
}

impl Template {
    /// Parses a text; only data paths are allowed in `${…}`, no code.
    ///
    /// # Errors
    /// [`TemplateError`] names the place.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = source;
        let mut offset = 0;
        while let Some((literal, after)) = rest.split_once("${") {
            let at = offset + literal.len();
            let Some((path, tail)) = after.split_once('}') else {
                return Err(TemplateError {
                    offset: at,
                    message: "`${` is never closed; write `}` after the field's path".to_owned(),
                });
            };
            if !is_path(path) {
                return Err(TemplateError {
                    offset: at,
                    message: format!(
                        "`${{{path}}}` is not a data path; write names joined by dots and list positions in brackets, \
                         such as `${{data.alerts[0].name}}`"
                    ),
                });
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Field(path.to_owned()));
            offset = at + 2 + path.len() + 1;
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// The text as the author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields that the text names, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let field = |part: &'_ Part| matches!(part, Part::Field(_));
        self.parts
            .iter()
            .filter(|part| field(part))
            .map(|part| match part {
                Part::Field(text) | Part::Literal(text) => text.as_str(),
            })
            .collect()
    }

    /// Puts the values in, once. A missing field is an error, or empty text when `missing_is_empty`.
    ///
    /// # Errors
    /// The first [`MissingField`].
    pub fn render(&self, scope: &dyn Scope, missing_is_empty: bool) -> Result<String, MissingField> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Field(path) => match scope.field(path) {
                    Some(value) => out.push_str(&value),
                    None if missing_is_empty => {}
                    None => return Err(MissingField { path: path.clone() }),
                },
            }
        }
        Ok(out)
    }
}

/// `name(.name | [digits])*`, where a name is letters, digits, `_` and `-`.
fn is_path(path: &str) -> bool {
    path.split('.').all(|segment| {
        let (name, indices) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
        let name_good = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let indices_good = indices.is_empty()
            || indices.strip_prefix('[').and_then(|t| t.strip_suffix(']')).is_some_and(|inner| {
                inner.split("][").all(|i| !i.is_empty() && i.len() <= 9 && i.bytes().all(|b| b.is_ascii_digit()))
            });
        name_good && indices_good
    })
}

/// Splits an argString by Rundeck's quoting rules and parses each token, before anything is expanded.
///
/// # Errors
/// [`TemplateError`] names the place.
pub fn arg_string(source: &str) -> Result<Vec<Template>, TemplateError> {
    tokens(source)?
        .into_iter()
        .map(|token| {
            Template::parse(&token.text).map_err(|e| TemplateError {
                offset: token.origin.get(e.offset).copied().unwrap_or(source.len()),
                message: e.message,
            })
        })
        .collect()
}

/// Splits a literal argString into its tokens: nothing in it is a field.
///
/// # Errors
/// [`TemplateError`] names the quote that is never closed.
pub fn split_arg_string(source: &str) -> Result<Vec<String>, TemplateError> {
    Ok(tokens(source)?.into_iter().map(|token| token.text).collect())
}

/// One token without its quotes, and for each of its bytes the offset that it came from.
#[derive(Default)]
struct Token {
    text: String,
    origin: Vec<usize>,
}

impl Token {
    fn push(&mut self, c: char, at: usize) {
        self.text.push(c);
        self.origin.extend(std::iter::repeat_n(at, c.len_utf8()));
    }
}

fn tokens(source: &str) -> Result<Vec<Token>, TemplateError> {
    let mut out = Vec::new();
    let mut chars = source.char_indices().peekable();
    while let Some(&(start, first)) = chars.peek() {
        if first <= ' ' {
            chars.next();
            continue;
        }
        let mut token = Token::default();
        if first == '"' || first == '\'' {
            chars.next();
            loop {
                match chars.next() {
                    None => {
                        return Err(TemplateError {
                            offset: start,
                            message: format!(
                                "the quote {first} is never closed; close it, or double it to mean itself"
                            ),
                        });
                    }
                    Some((at, c)) if c == first => {
                        if chars.next_if(|&(_, next)| next == first).is_none() {
                            break;
                        }
                        token.push(c, at);
                    }
                    Some((at, c)) => token.push(c, at),
                }
            }
        }
        // Also what follows a closing quote belongs to the token, up to the next white space.
        while let Some((at, c)) = chars.next_if(|&(_, c)| c > ' ') {
            token.push(c, at);
        }
        out.push(token);
    }
    Ok(out)
}

/// Reads `-name value` pairs out of expanded tokens, or plain arguments of the command line. A value is taken as it
/// is, also when it starts with `-`.
///
/// # Errors
/// A sentence that names the token which is neither a name nor a value, or the name that lacks its value.
pub fn options_of(tokens: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        let Some(name) = token.strip_prefix('-').filter(|name| !name.is_empty()) else {
            return Err(format!(
                "`{}` stands where an option is expected; write `-name value`, and quote a value that holds spaces",
                shown(token)
            ));
        };
        let Some(value) = rest.next() else {
            return Err(format!("option `-{}` has no value; write one after it, or `\"\"` for empty", shown(name)));
        };
        pairs.push((name.to_owned(), value.clone()));
    }
    Ok(pairs)
}

fn shown(token: &str) -> String {
    token.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Writes pairs as one argString: the inverse of [`split_arg_string`] followed by [`options_of`].
#[must_use]
pub fn join_arg_string(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        for token in [format!("-{name}"), value.clone()] {
            if !out.is_empty() {
                out.push(' ');
            }
            if token.is_empty() || token.chars().any(|c| c <= ' ' || c == '"' || c == '\'') {
                out.push('"');
                out.push_str(&token.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(&token);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Map(&'static [(&'static str, &'static str)]);

    impl Scope for Map {
        fn field(&self, path: &str) -> Option<String> {
            self.0.iter().find(|(p, _)| *p == path).map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn fields_are_filled_once() {
        let template = Template::parse("a ${data.list[0].c} ${header.X-Name}$ $x {b}").unwrap();
        assert_eq!(template.fields(), ["data.list[0].c", "header.X-Name"]);
        let scope = Map(&[("data.list[0].c", "${header.X-Name} {{7*7}}"), ("header.X-Name", "n")]);
        assert_eq!(template.render(&scope, false).unwrap(), "a ${header.X-Name} {{7*7}} n$ $x {b}");
    }

    #[test]
    fn a_missing_field_is_refused_or_empty() {
        let template = Template::parse("x${data.a}y").unwrap();
        assert_eq!(template.render(&Map(&[]), false), Err(MissingField { path: "data.a".to_owned() }));
        assert_eq!(template.render(&Map(&[]), true).unwrap(), "xy");
    }

    #[test]
    fn code_in_a_field_is_refused_where_it_stands() {
        for (text, offset) in [
            ("ab ${upper(x)}", 3),
            ("${a b}", 0),
            ("${a + b}", 0),
            ("${}", 0),
            ("${a.}", 0),
            ("${.a}", 0),
            ("${a[b]}", 0),
            ("${a[0}", 0),
            ("${a[]}", 0),
            ("${a[0]b}", 0),
            ("${a:-b}", 0),
            ("${${x}}", 0),
            ("é ${a", 3),
        ] {
            assert_eq!(Template::parse(text).map_err(|e| e.offset), Err(offset), "{text}");
        }
        for text in ["${raw}", "${a[0][1].b}", "${a-b.c_d}", "$", "{}", "${größe}"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn tokens_follow_rundecks_rules() {
        let split = |text: &str| split_arg_string(text).unwrap();
        assert_eq!(split(r#"-a b  -c "d e" -f 'g "h"'"#), ["-a", "b", "-c", "d e", "-f", "g \"h\""]);
        assert_eq!(split(r#"-a "say ""hi""" -b it's -c x"y z"#), ["-a", "say \"hi\"", "-b", "it's", "-c", "x\"y", "z"]);
        assert_eq!(split("-a \"\"\t-b ''"), ["-a", "", "-b", ""]);
        assert_eq!(split(r#""a"b"#), ["ab"]);
        assert_eq!(split_arg_string("-a \"b").map_err(|e| e.offset), Err(3));
    }

    #[test]
    fn an_error_in_a_quoted_token_points_into_the_whole_text() {
        assert_eq!(arg_string("-a \"x \"\"${b c}\"").map_err(|e| e.offset), Err(8));
    }

    #[test]
    fn an_expanded_token_is_never_split_again() {
        let tokens = arg_string("-service ${data.s} -note \"n: ${data.s}\"").unwrap();
        let scope = Map(&[("data.s", "a b -admin \"true\"")]);
        let expanded: Vec<String> = tokens.iter().map(|t| t.render(&scope, false).unwrap()).collect();
        assert_eq!(
            options_of(&expanded).unwrap(),
            [
                ("service".to_owned(), "a b -admin \"true\"".to_owned()),
                ("note".to_owned(), "n: a b -admin \"true\"".to_owned())
            ]
        );
    }

    #[test]
    fn stray_tokens_and_missing_values_are_named() {
        let of = |t: &[&str]| options_of(&t.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert!(of(&["a"]).unwrap_err().contains("`a`"));
        assert!(of(&["-a", "1", "stray"]).unwrap_err().contains("`stray`"));
        assert!(of(&["-a", "1", "-b"]).unwrap_err().contains("`-b`"));
        assert!(of(&["-", "1"]).is_err());
        assert_eq!(of(&["-a", "-b"]).unwrap(), [("a".to_owned(), "-b".to_owned())]);
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again(
            pairs in proptest::collection::vec(("[a-z][a-z0-9-]{0,8}", any::<String>()), 0..6)
        ) {
            let tokens = split_arg_string(&join_arg_string(&pairs)).unwrap();
            prop_assert_eq!(options_of(&tokens).unwrap(), pairs);
        }

        #[test]
        fn values_never_add_tokens(value in any::<String>()) {
            struct One(String);
            impl Scope for One {
                fn field(&self, _: &str) -> Option<String> { Some(self.0.clone()) }
            }
            let tokens = arg_string("-a ${x} -b \"y ${x}\"").unwrap();
            let scope = One(value.clone());
            let expanded: Vec<String> = tokens.iter().map(|t| t.render(&scope, false).unwrap()).collect();
            prop_assert_eq!(expanded, ["-a".to_owned(), value.clone(), "-b".to_owned(), format!("y {value}")]);
        }
    }
}
