//! Words, with their quotes and expansions.

use super::{ANSI_QUOTE, ARITHMETIC, EXPANSION, Quoting, SUBSTITUTION, Scanner};
use crate::domain::command::CommandError;
use crate::domain::command::programs::Word;

impl Scanner<'_> {
    /// Reads one word with all its quotes and expansions.
    pub(super) fn word(&mut self) -> Word {
        let mut word = Word::at(self.pos);
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' if self.rest().starts_with("\\\n") => self.copy(2),
                '\\' => {
                    word.quoted = true;
                    word.text.extend(self.copy_escaped().filter(|c| *c != '\n'));
                }
                '\'' => {
                    word.quoted = true;
                    self.single_quotes(&mut word);
                }
                '"' => {
                    word.quoted = true;
                    self.double_quotes(&mut word);
                }
                '$' | '`' => self.dollar(&mut word, Quoting::None),
                c => {
                    word.text.push(c);
                    self.copy_char();
                }
            }
        }
        word.end = self.pos;
        word
    }

    pub(super) fn single_quotes(&mut self, word: &mut Word) {
        let start = self.pos;
        self.copy(1);
        while let Some(c) = self.peek() {
            let at = self.pos;
            if c == '\'' {
                return self.copy(1);
            }
            if self.placeholder(Quoting::Single) {
                word.mark_placeholder(at);
            } else {
                word.text.push(c);
                self.copy_char();
            }
        }
        self.unterminated(start, "single quote");
    }

    pub(super) fn double_quotes(&mut self, word: &mut Word) {
        let start = self.pos;
        self.copy(1);
        while let Some(c) = self.peek() {
            match c {
                '"' => return self.copy(1),
                '\\' => word.text.extend(self.copy_escaped().filter(|c| *c != '\n')),
                '$' | '`' => self.dollar(word, Quoting::Double),
                c => {
                    word.text.push(c);
                    self.copy_char();
                }
            }
        }
        self.unterminated(start, "double quote");
    }

    /// Everything that `$` or a backquote can begin.
    pub(super) fn dollar(&mut self, word: &mut Word, quoting: Quoting) {
        let start = self.pos;
        if self.placeholder(quoting) {
            return word.mark_placeholder(start);
        }
        let rest = self.rest();
        if rest.starts_with('`') {
            word.mark_dynamic();
            self.refused(SUBSTITUTION, |s| s.backquotes(start));
        } else if rest.starts_with("$((") {
            word.mark_dynamic();
            self.copy(1);
            self.refused(ARITHMETIC, |s| s.parentheses(start));
        } else if rest.starts_with("$(") {
            word.mark_dynamic();
            self.copy(2);
            if self.refused(SUBSTITUTION, |s| s.commands(true)) {
                self.copy(1);
            } else {
                self.unterminated(start, "`$(`");
            }
        } else if rest.starts_with("$[") {
            word.mark_dynamic();
            self.refused(ARITHMETIC, |s| {
                let length = s.rest().find(']').map_or(s.rest().len(), |i| i + 1);
                s.plain(length);
            });
        } else if rest.starts_with("${") {
            word.mark_dynamic();
            self.refused(EXPANSION, |s| s.braces(start, matches!(quoting, Quoting::Double)));
        } else if rest.starts_with("$'") && matches!(quoting, Quoting::None) {
            word.quoted = true;
            self.copy(1);
            self.refused(ANSI_QUOTE, |s| s.ansi_quotes(start, word));
        } else if rest.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
            word.mark_dynamic();
            let name = rest.bytes().skip(1).take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            self.copy(1 + name);
            self.no_continuation();
        } else if rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit() || "@*#?-$!".contains(c)) {
            word.mark_dynamic();
            self.copy(2);
        } else {
            word.text.push('$');
            self.copy(1);
            self.no_continuation();
        }
    }

    /// Shells disagree whether `\'` ends it, so it may hold neither.
    pub(super) fn ansi_quotes(&mut self, start: usize, word: &mut Word) {
        self.copy(1);
        while let Some(c) = self.peek() {
            if c == '\'' {
                return self.copy(1);
            }
            if self.rest().starts_with("\\'") {
                self.errors.push(CommandError {
                    offset: self.pos,
                    code: "ambiguous_quote",
                    message: "`\\'` inside `$'…'` ends the quote in some shells and not in others".to_owned(),
                    hint: Some("write the quote in a `script:` with its own interpreter".to_owned()),
                });
                self.copy(2);
            } else if !self.placeholder(Quoting::Single) {
                word.text.push(c);
                self.copy_char();
            }
        }
        self.unterminated(start, "quote");
    }

    pub(super) fn backquotes(&mut self, start: usize) {
        self.copy(1);
        while let Some(c) = self.peek() {
            match c {
                '`' => return self.copy(1),
                '\\' => {
                    self.copy_escaped();
                }
                _ if self.placeholder(Quoting::None) => {}
                _ => self.copy_char(),
            }
        }
        self.unterminated(start, "backquote");
    }

    /// From `((` to the parenthesis that closes it.
    pub(super) fn parentheses(&mut self, start: usize) {
        let mut open = 0usize;
        let mut ignored = Word::at(self.pos);
        while let Some(c) = self.peek() {
            match c {
                '(' => {
                    open += 1;
                    self.copy(1);
                }
                ')' => {
                    open = open.saturating_sub(1);
                    self.copy(1);
                    if open == 0 {
                        return;
                    }
                }
                '\\' => {
                    self.copy_escaped();
                }
                '\'' => self.single_quotes(&mut ignored),
                '"' => self.double_quotes(&mut ignored),
                '$' | '`' => self.dollar(&mut ignored, Quoting::None),
                _ => self.copy_char(),
            }
        }
        self.unterminated(start, "parenthesis");
    }

    /// From `${` to its `}`. Between double quotes, a single quote in it means itself.
    pub(super) fn braces(&mut self, start: usize, in_double: bool) {
        let mut ignored = Word::at(self.pos);
        self.copy(2);
        while let Some(c) = self.peek() {
            match c {
                '}' => return self.copy(1),
                '\\' => {
                    self.copy_escaped();
                }
                '\'' if !in_double => self.single_quotes(&mut ignored),
                '"' => self.double_quotes(&mut ignored),
                '$' | '`' => self.dollar(&mut ignored, if in_double { Quoting::Double } else { Quoting::None }),
                _ => self.copy_char(),
            }
        }
        self.unterminated(start, "`${`");
    }
}
