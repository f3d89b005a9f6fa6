//! A slash command of Slack, read from Slack's own form. Who it was, Slack vouches for.

use crate::domain::notice::address::SlackAccount;
use crate::domain::secret::SecretText;

/// A slash command.
#[derive(Debug, Clone)]
pub struct Slash {
    /// Whose account it was.
    pub account: SlackAccount,
    /// The command's own name in this workspace, as in `/interlock`.
    pub name: String,
    /// What was typed behind it. It may hold what nobody else is to read, so it is never logged.
    pub text: String,
    /// Where later answers go; whoever knows it can write there, so it is a secret.
    pub answer_to: Option<SecretText>,
}

impl Slash {
    /// Reads the fields of the form; `None` where it is no slash command, or a field that matters stands twice.
    #[must_use]
    pub fn read(fields: &[(String, String)]) -> Option<Self> {
        let field = |name: &str| {
            let mut all = fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
            match (all.next(), all.next()) {
                (Some(value), None) => Some(value),
                _ => None,
            }
        };
        let account = SlackAccount::parse(&format!("{}/{}", field("team_id")?, field("user_id")?)).ok()?;
        let name = field("command")?;
        let good = name.strip_prefix('/').is_some_and(|n| {
            (1..=32).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        });
        let answer_to = field("response_url").filter(|url| !url.is_empty()).map(|url| SecretText::new(url.to_owned()));
        Some(Self {
            account,
            name: if good { name } else { "/interlock" }.to_owned(),
            text: as_typed(field("text").unwrap_or_default()),
            answer_to,
        })
    }
}

/// The text as it was typed: Slack writes three characters as entities, and phones write quotes as typographers do.
fn as_typed(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let quote = |c: char| match c {
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' => '"',
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => '\'',
        '\u{a0}' => ' ',
        other => other,
    };
    plain.chars().map(quote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            pair("team_id", "T0001"),
            pair("user_id", "U0002"),
            pair("user_name", "maria"),
            pair("command", "/interlock"),
            pair("text", text),
            pair("response_url", "https://hooks.slack.com/commands/x"),
        ]
    }

    #[test]
    fn a_command_is_read_by_ids_and_never_by_names() {
        let slash = Slash::read(&fields("status #12")).unwrap();
        assert_eq!((slash.account.as_str(), slash.text.as_str()), ("T0001/U0002", "status #12"));
        assert!(slash.answer_to.is_some());
        for (place, value) in [(0, "../T1"), (1, "maria"), (1, "")] {
            let mut other = fields("x");
            value.clone_into(&mut other[place].1);
            assert!(Slash::read(&other).is_none(), "{value}");
        }
        let mut twice = fields("x");
        twice.push(("user_id".to_owned(), "U0009".to_owned()));
        assert!(Slash::read(&twice).is_none());
        assert!(Slash::read(&[]).is_none());
    }

    #[test]
    fn the_text_is_what_somebody_typed() {
        assert_eq!(Slash::read(&fields("run a -b \u{201c}x y\u{201d}")).unwrap().text, "run a -b \"x y\"");
        assert_eq!(Slash::read(&fields("a &lt;b&gt; &amp;lt;")).unwrap().text, "a <b> &lt;");
        let mut odd = fields("x");
        "/x <!channel>".clone_into(&mut odd[3].1);
        assert_eq!(Slash::read(&odd).unwrap().name, "/interlock");
    }
}
