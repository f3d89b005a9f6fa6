//! Text of others as HTML: terminal colours become classes, every other escape sequence goes, and what could make text
//! read differently from what it is (control and bidi characters) is made visible. Everything is escaped.

/// A line of output as HTML.
#[must_use]
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut look = Look::default();
    let mut open = false;
    let mut rest = text.strip_suffix('\r').unwrap_or(text);
    while let Some(c) = rest.chars().next() {
        if matches!(c, '\u{1b}' | '\u{9b}') {
            let (sequence, later) = escape(rest);
            rest = later;
            if let Some(parameters) = sequence {
                look.take(parameters);
                if open {
                    out.push_str("</span>");
                }
                let classes = look.classes();
                open = !classes.is_empty();
                if open {
                    out.push_str(&format!("<span class=\"{classes}\">"));
                }
            }
            continue;
        }
        push(&mut out, c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    if open {
        out.push_str("</span>");
    }
    out
}

/// Text of several lines with its control and bidi characters made visible; not escaped, for templates that escape.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c => match picture(c) {
                Some(shown) => out.push_str(&shown),
                None => out.push(c),
            },
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        '\t' => out.push('\t'),
        c => match picture(c) {
            Some(shown) => out.push_str(&format!("<b class=\"ctl\">{shown}</b>")),
            None => out.push(c),
        },
    }
}

/// What stands for a character that nobody would see.
fn picture(c: char) -> Option<String> {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).map(String::from),
        '\u{7f}' => Some("\u{2421}".to_owned()),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => Some(format!("\u{27e8}U+{:04X}\u{27e9}", u32::from(c))),
        _ => None,
    }
}

/// Takes an escape sequence off the start of a text: its parameters if it sets colours, and what comes after.
fn escape(text: &str) -> (Option<&str>, &str) {
    let after = text.strip_prefix('\u{1b}');
    let body = match (after, text.strip_prefix('\u{9b}')) {
        (Some(after), _) => match after.chars().next() {
            Some('[') => after.get(1..).unwrap_or_default(),
            // A string for the terminal (title, link, clipboard): it goes up to its end mark, or to the end of the line.
            Some(']' | 'P' | '_' | '^' | 'X') => return (None, end_of_string(after)),
            Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
                let mut chars = after.chars();
                chars.next();
                chars.next();
                return (None, chars.as_str());
            }
            Some(_) => {
                let mut chars = after.chars();
                chars.next();
                return (None, chars.as_str());
            }
            None => return (None, ""),
        },
        (None, Some(after)) => after,
        (None, None) => return (None, text),
    };
    let end = body.find(|c: char| !matches!(c, '\u{20}'..='\u{3f}'));
    let Some((parameters, tail)) = end.and_then(|at| body.split_at_checked(at)) else { return (None, "") };
    let mut chars = tail.chars();
    let last = chars.next();
    match last {
        Some('m') => (Some(parameters), chars.as_str()),
        Some('@'..='~') => (None, chars.as_str()),
        // Not a sequence after all; the character counts as text.
        _ => (None, tail),
    }
}

fn end_of_string(text: &str) -> &str {
    let bell = text.find('\u{7}').map(|at| at + 1);
    let mark = text.find("\u{1b}\\").map(|at| at + 2);
    let end = match (bell, mark) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    end.and_then(|at| text.get(at..)).unwrap_or_default()
}

#[derive(Default)]
struct Look {
    front: Option<u8>,
    back: Option<u8>,
    styles: [bool; 10],
}

impl Look {
    fn take(&mut self, parameters: &str) {
        let mut numbers = parameters.split([';', ':']).map(|p| p.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1..=4 | 7 | 9 => self.style(number, true),
                22 => {
                    self.style(1, false);
                    self.style(2, false);
                }
                23 | 24 | 27 | 29 => self.style(number - 20, false),
                30..=37 => self.front = u8::try_from(number - 30).ok(),
                39 => self.front = None,
                40..=47 => self.back = u8::try_from(number - 40).ok(),
                49 => self.back = None,
                90..=97 => self.front = u8::try_from(number - 90).ok(),
                100..=107 => self.back = u8::try_from(number - 100).ok(),
                38 => self.front = wide(&mut numbers),
                48 => self.back = wide(&mut numbers),
                // Hidden text stays readable; blinking text stays still.
                _ => {}
            }
        }
    }

    fn style(&mut self, number: u16, on: bool) {
        if let Some(slot) = self.styles.get_mut(usize::from(number)) {
            *slot = on;
        }
    }

    fn classes(&self) -> String {
        let styles = self.styles.iter().enumerate().filter(|(_, on)| **on).map(|(n, _)| format!("a{n}"));
        let front = self.front.map(|n| format!("f{n}"));
        let back = self.back.map(|n| format!("b{n}"));
        styles.chain(front).chain(back).collect::<Vec<_>>().join(" ")
    }
}

/// A colour of the large palettes, as the nearest of the eight.
fn wide(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    let nearest = |r: u16, g: u16, b: u16| u8::from(r > 127) | u8::from(g > 127) << 1 | u8::from(b > 127) << 2;
    match numbers.next()? {
        5 => {
            let n = numbers.next()?;
            match n {
                0..=15 => u8::try_from(n % 8).ok(),
                16..=231 => {
                    let n = n - 16;
                    let level = |step: u16| step * 51;
                    Some(nearest(level(n / 36), level(n / 6 % 6), level(n % 6)))
                }
                _ => Some(if n > 243 { 7 } else { 0 }),
            }
        }
        2 => {
            let (r, g, b) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some(nearest(r, g, b))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{line, visible};

    #[test]
    fn markup_is_escaped() {
        assert_eq!(line("<script>\"&'</script>"), "&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;");
    }

    #[test]
    fn colours_become_classes_and_always_close() {
        assert_eq!(line("a\u{1b}[1;31mb\u{1b}[0mc"), "a<span class=\"a1 f1\">b</span>c");
        assert_eq!(line("\u{1b}[38;5;196;4mx"), "<span class=\"a4 f1\">x</span>");
        assert_eq!(line("\u{1b}[48;2;0;0;255mx\u{1b}[49my"), "<span class=\"b4\">x</span>y");
        assert_eq!(line("\u{1b}[mplain"), "plain");
    }

    #[test]
    fn other_sequences_go_away_whole() {
        assert_eq!(line("a\u{1b}[2K\u{1b}[1Gb"), "ab");
        assert_eq!(line("\u{1b}]0;title\u{7}x"), "x");
        assert_eq!(line("\u{1b}]8;;https://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(line("\u{1b}(Bx\u{1b}=y"), "xy");
        assert_eq!(line("broken \u{1b}[12"), "broken ");
    }

    #[test]
    fn hidden_text_stays_readable() {
        assert_eq!(line("\u{1b}[8msecretly"), "secretly");
    }

    #[test]
    fn characters_that_nobody_sees_are_shown() {
        assert_eq!(line("a\u{0}b"), "a<b class=\"ctl\">\u{2400}</b>b");
        assert_eq!(line("10%\r20%\r"), "10%<b class=\"ctl\">\u{240d}</b>20%");
        assert_eq!(line("x\u{202e}y"), "x<b class=\"ctl\">\u{27e8}U+202E\u{27e9}</b>y");
        assert_eq!(line("tab\tstays"), "tab\tstays");
        assert_eq!(visible("a\u{202e}b\nc\u{1b}[1m"), "a\u{27e8}U+202E\u{27e9}b\nc\u{241b}[1m");
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_in_opens_a_tag(text in "[\\u{1b}\\u{9b}\\[\\]()<>&\"'0-9;:mKa-z\\u{7}\\u{202e}\\\\]{0,60}") {
            let html = line(&text);
            let without = html.replace("</span>", "").replace("</b>", "").replace("<b class=\"ctl\">", "");
            let opens = regex::Regex::new("<span class=\"[abf0-9 ]+\">").unwrap();
            proptest::prop_assert!(!opens.replace_all(&without, "").contains('<'), "{html}");
            proptest::prop_assert_eq!(html.matches("<span").count(), html.matches("</span>").count());
        }
    }
}
