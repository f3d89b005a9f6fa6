//! Reads POSIX shell text far enough to know how each placeholder is quoted, and writes the compiled text.
//!
//! It need not understand every program: whatever it took for which context, what it writes is a quoted reference, so
//! a mistake here can split a word but never make shell text of a value. Contexts in which that would not hold are
//! refused.

mod words;

use super::super::option::OptionSpec;
use super::placeholder::{self, Found};
use super::programs::{self, Word};
use super::{CommandError, Program};

pub(super) fn compile(text: &str, options: &[OptionSpec]) -> Result<Program, Vec<CommandError>> {
    let mut scanner = Scanner {
        text,
        pos: 0,
        out: String::with_capacity(text.len() + 32),
        options,
        errors: Vec::new(),
        variables: Vec::new(),
        refusing: None,
    };
    scanner.commands(false);
    let Scanner { out, variables, mut errors, .. } = scanner;
    if errors.is_empty() {
        Ok(Program { text: out, variables })
    } else {
        errors.sort_by_key(|e| e.offset);
        errors.dedup();
        Err(errors)
    }
}

/// How a placeholder is quoted by what stands around it.
#[derive(Clone, Copy)]
enum Quoting {
    None,
    Double,
    Single,
}

/// A place where placeholders are refused: code and the words for it.
type Refusing = (&'static str, &'static str);

const SUBSTITUTION: Refusing = ("placeholder_in_substitution", "inside a command substitution");
const ARITHMETIC: Refusing = ("placeholder_in_arithmetic", "inside arithmetic");
const EXPANSION: Refusing = ("placeholder_in_expansion", "inside another `${…}`");
const ANSI_QUOTE: Refusing = ("placeholder_in_ansi_quote", "inside `$'…'`");
const HERE_DOCUMENT: Refusing = ("placeholder_in_here_document", "inside a here-document");
const COMMENT: Refusing = ("placeholder_in_comment", "inside a comment");

struct HereDocument {
    delimiter: String,
    strip_tabs: bool,
}

struct Scanner<'a> {
    text: &'a str,
    pos: usize,
    out: String,
    options: &'a [OptionSpec],
    errors: Vec<CommandError>,
    variables: Vec<String>,
    refusing: Option<Refusing>,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Copies bytes to the result.
    fn copy(&mut self, length: usize) {
        let part = self.rest().get(..length).unwrap_or(self.rest());
        self.out.push_str(part);
        self.pos += part.len();
    }

    fn copy_char(&mut self) {
        if let Some(c) = self.peek() {
            self.copy(c.len_utf8());
        }
    }

    /// Copies a backslash and what it protects.
    fn copy_escaped(&mut self) -> Option<char> {
        let next = self.rest().chars().nth(1);
        self.copy(1 + next.map_or(0, char::len_utf8));
        next
    }

    fn unterminated(&mut self, offset: usize, what: &str) {
        self.errors.push(CommandError {
            offset,
            code: "unterminated",
            message: format!("the {what} that opens here is never closed"),
            hint: None,
        });
    }

    /// A backslash and line break vanish before a shell looks at its text, also in the middle of `$(`.
    fn no_continuation(&mut self) {
        if self.rest().starts_with("\\\n") {
            self.errors.push(CommandError {
                offset: self.pos,
                code: "continuation_in_expansion",
                message: "the line is broken by a backslash in the middle of an expansion".to_owned(),
                hint: Some("break the line at a space".to_owned()),
            });
        }
    }

    fn refused<T>(&mut self, place: Refusing, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.refusing;
        self.refusing = before.or(Some(place));
        let result = work(self);
        self.refusing = before;
        result
    }

    /// Handles a placeholder at the current place; says whether there was one.
    fn placeholder(&mut self, quoting: Quoting) -> bool {
        let Some(found) = placeholder::at_start(self.rest()) else { return false };
        let offset = self.pos;
        self.pos += found.length;
        if let Err(error) = self.reference(&found, offset, quoting) {
            self.errors.push(error);
        }
        true
    }

    fn reference(&mut self, found: &Found<'_>, offset: usize, quoting: Quoting) -> Result<(), CommandError> {
        let reference = placeholder::resolve(found, offset, self.options)?;
        let name = reference.variable();
        if let Some((code, place)) = self.refusing {
            return Err(CommandError {
                offset,
                code,
                message: format!(
                    "${{{}.{}}} stands {place}, where it cannot be filled safely",
                    found.namespace, found.field
                ),
                hint: Some(format!("use a `script:` and write \"${name}\" there")),
            });
        }
        match quoting {
            Quoting::None => self.out.push_str(&format!("\"${name}\"")),
            Quoting::Double => self.out.push_str(&format!("${{{name}}}")),
            Quoting::Single => self.out.push_str(&format!("'\"${name}\"'")),
        }
        if !self.variables.contains(&name) {
            self.variables.push(name);
        }
        Ok(())
    }

    /// Reads commands to the end of the text, or to the `)` that closes a substitution; says whether it was found.
    fn commands(&mut self, in_substitution: bool) -> bool {
        let mut words: Vec<Word> = Vec::new();
        let mut here_documents: Vec<HereDocument> = Vec::new();
        let mut redirected = false;
        let mut piped: Option<usize> = None;
        // One entry for each open parenthesis: how many `case` are open in it.
        let mut cases: Vec<usize> = vec![0];
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.copy(1),
                '\\' if self.rest().starts_with("\\\n") => self.copy(2),
                '\n' => {
                    self.end_command(&mut words, &mut piped, false);
                    self.copy(1);
                    for document in here_documents.drain(..) {
                        self.here_document(&document);
                    }
                }
                '|' if !self.rest().starts_with("||") => {
                    self.end_command(&mut words, &mut piped, true);
                    self.copy(1);
                }
                ';' | '&' | '|' => {
                    self.end_command(&mut words, &mut piped, false);
                    self.copy(1);
                }
                '(' if self.rest().starts_with("((") && words.is_empty() => {
                    let start = self.pos;
                    self.refused(ARITHMETIC, |s| s.parentheses(start));
                }
                '(' => {
                    self.end_command(&mut words, &mut piped, false);
                    cases.push(0);
                    self.copy(1);
                    self.no_continuation();
                }
                ')' => {
                    self.end_command(&mut words, &mut piped, false);
                    let pattern = cases.last().is_some_and(|open| *open > 0);
                    if !pattern && cases.len() == 1 && in_substitution {
                        return true;
                    }
                    if !pattern && cases.len() > 1 {
                        cases.pop();
                    }
                    self.copy(1);
                }
                '#' => {
                    let length = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.refused(COMMENT, |s| s.plain(length));
                }
                '<' | '>' => redirected = self.redirection(&mut words, &mut here_documents),
                _ => {
                    let word = self.word();
                    if let Some(open) = cases.last_mut() {
                        match word.plain() {
                            Some("case") if programs::only_reserved(&words) => *open += 1,
                            Some("esac") if programs::only_reserved(&words) => *open = open.saturating_sub(1),
                            _ => {}
                        }
                    }
                    if !std::mem::take(&mut redirected) {
                        words.push(word);
                    }
                }
            }
        }
        self.end_command(&mut words, &mut piped, false);
        false
    }

    /// Looks at a complete simple command. `piped` is the first placeholder of the pipeline so far.
    fn end_command(&mut self, words: &mut Vec<Word>, piped: &mut Option<usize>, goes_on: bool) {
        if self.refusing.is_none() {
            programs::check(words, *piped, &mut self.errors);
        }
        let first = words.iter().find_map(|w| w.placeholder);
        *piped = if goes_on { piped.or(first) } else { None };
        words.clear();
    }

    /// Reads a redirection's operator; says whether the next word is its target.
    fn redirection(&mut self, words: &mut Vec<Word>, here_documents: &mut Vec<HereDocument>) -> bool {
        // The digits right before belong to the operator: `2>`.
        if words.last().is_some_and(|w| w.end == self.pos && w.text.bytes().all(|b| b.is_ascii_digit())) {
            words.pop();
        }
        let rest = self.rest();
        if rest.starts_with("<<") && !rest.starts_with("<<<") {
            let strip_tabs = rest.starts_with("<<-");
            self.copy(if strip_tabs { 3 } else { 2 });
            while matches!(self.peek(), Some(' ' | '\t')) {
                self.copy(1);
            }
            let delimiter = self.refused(HERE_DOCUMENT, Self::word);
            here_documents.push(HereDocument { delimiter: delimiter.text, strip_tabs });
            return false;
        }
        let operator = ["<<<", "<>", "<&", ">>", ">&", ">|"].into_iter().find(|o| rest.starts_with(o));
        self.copy(operator.map_or(1, str::len));
        // `<(` and `>(` open a process substitution, not a target.
        self.peek() != Some('(')
    }

    fn here_document(&mut self, document: &HereDocument) {
        while !self.rest().is_empty() {
            let length = self.rest().find('\n').map_or(self.rest().len(), |i| i + 1);
            let line = self.rest().get(..length).unwrap_or_default().trim_end_matches('\n');
            let line = if document.strip_tabs { line.trim_start_matches('\t') } else { line };
            let last = line == document.delimiter;
            self.refused(HERE_DOCUMENT, |s| s.plain(length));
            if last {
                break;
            }
        }
    }

    /// Copies bytes in which nothing but placeholders matters.
    fn plain(&mut self, length: usize) {
        let end = self.pos + length;
        while self.pos < end {
            if !self.placeholder(Quoting::None) {
                self.copy_char();
            }
        }
    }
}
