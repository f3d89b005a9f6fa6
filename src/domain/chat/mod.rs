//! Words typed in a chat: what somebody asks for, read without knowing what there is. What may come of it is decided elsewhere.

mod command;
mod slash;

pub use command::{Command, HELP, parse, with_reason};
pub use slash::Slash;

/// Text as Slack's own markup shows it literally: the three characters that mean something there.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A line of output for people: no colours, no control characters, nothing that turns the reading direction, and no longer
/// than so many characters.
#[must_use]
pub fn plain_line(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut count = 0;
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_escape(&mut chars);
            continue;
        }
        if count == most {
            out.push('…');
            break;
        }
        count += 1;
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let breaks = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        out.push(if turns || breaks { ' ' } else { c });
    }
    out.trim_end().to_owned()
}

/// Takes what follows an escape character: up to the letter that ends it, or the next character alone.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if chars.next_if_eq(&'[').is_none() {
        chars.next();
        return;
    }
    for c in chars.by_ref() {
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_shown_without_what_a_terminal_would_do() {
        assert_eq!(plain_line(b"\x1b[1;31mred\x1b[0m  two\tthree\r", 99), "red  two three");
        assert_eq!(plain_line("a\u{202e}b\u{2028}c".as_bytes(), 99), "a b c");
        assert_eq!(plain_line("äöü".as_bytes(), 2), "äö…");
        assert_eq!(plain_line(b"\xff\x1b[", 9), "\u{fffd}");
        assert_eq!(escape("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
    }
}
