//! Where a person is reached: a mail address, an account of Slack.

use crate::domain::ids::BadId;

/// A mail address that is safe to stand in a header: `maria@example.com`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailAddress(String);

impl MailAddress {
    /// Reads an address without a display name.
    ///
    /// # Errors
    /// [`BadId`] for anything but one plain address.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let bad = || BadId::new("mail address", text, "write it as maria@example.com");
        let (local, domain) = text.split_once('@').ok_or_else(bad)?;
        let in_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
        let local_is_good = (1..=64).contains(&local.len())
            && local.chars().all(in_local)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let domain_is_good = domain.len() <= 253 && domain.contains('.') && domain.split('.').all(label);
        if local_is_good && domain_is_good { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody's account of Slack: the ids of workspace and member, `T024BE7LD/U2147483697`. Names are no proof of anybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlackAccount(String);

impl SlackAccount {
    /// Reads the written form.
    ///
    /// # Errors
    /// [`BadId`] unless it is two ids with a slash between them.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let id = |id: &str, first: &[char]| {
            id.starts_with(first)
                && (3..=24).contains(&id.len())
                && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        };
        match text.split_once('/') {
            Some((team, member)) if id(team, &['T']) && id(member, &['U', 'W']) => Ok(Self(text.to_owned())),
            _ => Err(BadId::new(
                "Slack account",
                text,
                "write the ids of the workspace and of the member with a slash between them, as T024BE7LD/U2147483697",
            )),
        }
    }

    /// The written form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The member's id.
    #[must_use]
    pub fn member(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, member)| member)
    }
}

impl std::fmt::Display for SlackAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_nothing_that_ends_a_header() {
        for good in ["maria@example.com", "m.o+x@mail.example.org", "a@b.c"] {
            assert_eq!(MailAddress::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "maria",
            "@example.com",
            "maria@",
            "maria@localhost",
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c\n",
            "Maria <a@b.c>",
            "a@b.c, d@e.f",
            "a b@c.d",
            "a@b..c",
            ".a@b.c",
            "a@-b.c",
            "a@b@c.d",
            "\"a b\"@c.d",
            "ä@b.c",
        ] {
            assert!(MailAddress::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_account_of_slack_is_two_ids() {
        assert_eq!(SlackAccount::parse("T024BE7LD/U2147483697").unwrap().member(), "U2147483697");
        for bad in ["", "U2147483697", "maria", "T1/", "T024/<!channel>", "t024be7ld/u21", "X024BE/U2147"] {
            assert!(SlackAccount::parse(bad).is_err(), "{bad:?}");
        }
    }
}
