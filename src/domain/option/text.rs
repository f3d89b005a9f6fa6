//! Checks that every text value goes through, whatever its type.

use super::OptionSpec;
use super::kinds::Fault;

/// No value may be larger, in bytes: a node's kernel takes at most 128 KiB in one environment string.
pub(super) const LARGEST: usize = 64 * 1024;

/// NUL and the overall size: what no transport can carry.
pub(super) fn carriable(text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::new("nul", "the value holds a NUL character, which no command can take; remove it"));
    }
    if text.len() > LARGEST {
        return Err(Fault::new(
            "too_long",
            format!("the value has {} bytes; at most {LARGEST} (64 KiB) can be handed to a command", text.len()),
        ));
    }
    Ok(())
}

/// At most so many characters.
pub(super) fn at_most(text: &str, max: usize) -> Result<(), Fault> {
    let count = text.chars().count();
    if count > max {
        return Err(Fault::new("too_long", format!("the value has {count} characters; at most {max} are allowed")));
    }
    Ok(())
}

/// One line: no control characters, no line separators, nothing that turns the reading direction round.
pub(super) fn one_line(text: &str) -> Result<(), Fault> {
    carriable(text)?;
    if let Some(c) = text.chars().find(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(control(c, "write one line without line breaks, tabs or other control characters"));
    }
    if let Some(c) = text.chars().find(|c| is_bidi(*c)) {
        return Err(Fault::new(
            "bidi_character",
            format!(
                "the value holds the invisible character U+{:04X}, which makes text read differently from what it is; \
                 remove it",
                u32::from(c)
            ),
        ));
    }
    Ok(())
}

/// Several lines: line breaks and tabs are the only control characters. Line ends come out as `\n`.
pub(super) fn lines(text: &str) -> Result<String, Fault> {
    carriable(text)?;
    let text = text.replace("\r\n", "\n");
    if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(control(c, "only line breaks and tabs are allowed"));
    }
    Ok(text)
}

/// A leading `-` would be read as a flag by most programs.
pub(super) fn no_leading_dash(spec: &OptionSpec, text: &str) -> Result<(), Fault> {
    if text.starts_with('-') && !spec.allow_leading_dash {
        return Err(Fault::new(
            "leading_dash",
            "the value starts with `-`, which programs read as a flag; start it with something else, or let the job's \
             author set `allow_leading_dash: true`",
        ));
    }
    Ok(())
}

/// The author's expression, over the whole text.
pub(super) fn pattern(spec: &OptionSpec, text: &str) -> Result<(), Fault> {
    match &spec.pattern {
        Some(pattern) if !pattern.matches(text) => {
            Err(Fault::new("pattern", format!("the value has to match `{}` as a whole", pattern.source())))
        }
        _ => Ok(()),
    }
}

fn control(c: char, what_to_do: &str) -> Fault {
    Fault::new(
        "control_character",
        format!("the value holds the control character U+{:04X}; {what_to_do}", u32::from(c)),
    )
}

const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
