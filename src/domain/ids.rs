//! Typed names and identifiers. They can only be made by parsing, so a value of such a type is well-formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier that it should be: what it is, what was given, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: {rule}")]
pub struct BadId {
    /// The kind of identifier, in the words of the field: "node name".
    pub what: &'static str,
    /// The text that was refused, shortened to 80 characters.
    pub given: String,
    /// The rule, as a sentence part that tells what to type.
    pub rule: &'static str,
}

impl BadId {
    pub(in crate::domain) fn new(what: &'static str, given: &str, rule: &'static str) -> Self {
        let mut short: String = given.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if given.chars().count() > 80 {
            short.push('…');
        }
        Self { what, given: short, rule }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Reads the identifier; the error says the rule.
            ///
            /// # Errors
            /// [`BadId`] when the text breaks the rule.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(BadId::new($what, text, $rule)) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Starts with a letter or digit, then letters, digits and the extra bytes, `max` bytes at most.
fn word(text: &str, max: usize, extra: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.len() <= max
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || extra.contains(b))
}

fn lower_word(text: &str, max: usize, extra: &[u8]) -> bool {
    word(text, max, extra) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

text_id!(
    /// A project: a folder of definitions with its own nodes, keys, access and approvals.
    ProjectName, "project name", "use 1 to 64 lower-case letters, digits, `_` or `-`, starting with a letter or digit",
    |t| lower_word(t, 64, b"_-")
);
text_id!(
    /// What a job is known by for good. Rundeck calls it `uuid` and lets it be any word, so do we; new jobs get a UUID.
    JobId, "job id", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A person or service account as they sign in: `alice`, `pagerduty`.
    UserName, "user name", "use 1 to 64 lower-case letters, digits, `.`, `_`, `@` or `-`, starting with a letter or digit",
    |t| lower_word(t, 64, b"._@-")
);
text_id!(
    /// A group of people: `sre`.
    GroupName, "group name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A role of `access.yaml`: `oncall`, `manager`.
    RoleName, "role name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// An approval policy of `project.yaml`: `production-change`.
    PolicyName, "approval policy name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A change freeze of `project.yaml`: `year-end`.
    FreezeName, "name of a change freeze", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// An environment of `project.yaml`: `production`.
    Environment, "environment", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A webhook as it stands in its address: `pagerduty-incident`.
    WebhookName, "webhook name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A source of events: `nightly`.
    SourceName, "source name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// An enricher, which labels events: `triage`.
    EnricherName, "enricher name", "use 1 to 64 letters, digits, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"_-")
);
text_id!(
    /// A label that an enricher can give: `disk-full`.
    LabelName, "label", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A node as the inventory names it. Never starts with `-`, holds no space, `%` or shell character.
    NodeName, "node name", "use 1 to 128 letters, digits, `.`, `_`, `:`, `@` or `-`, starting with a letter, digit or `_`",
    |t| t.strip_prefix('_').is_some_and(|r| r.is_empty() || word(&format!("a{r}"), 128, b"._:@-")) || word(t, 128, b"._:@-")
);
text_id!(
    /// The host that a node is reached at: a name, an IPv4 address or a bare IPv6 address. No port, user or space.
    HostName, "host", "use a host name or address of letters, digits, `.`, `_`, `:` or `-`, starting with a letter, digit, `_` or `:`",
    |t| {
        let t = t.strip_prefix(['_', ':']).map_or_else(|| t.to_owned(), |r| format!("a{r}"));
        word(&t, 253, b"._:-")
    }
);
text_id!(
    /// The account on the node that commands run as.
    RemoteUser, "remote user", "use 1 to 64 letters, digits, `.`, `_`, `@` or `-`, starting with a letter, digit or `_`",
    |t| t.strip_prefix('_').is_some_and(|r| r.is_empty() || word(&format!("a{r}"), 64, b"._@-")) || word(t, 64, b"._@-")
);
text_id!(
    /// A job option: `service`. Becomes `$OPTION_SERVICE` in scripts.
    OptionName, "option name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// A step of a job: `restart`.
    StepName, "step name", "use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
    |t| word(t, 64, b"._-")
);
text_id!(
    /// Where a secret lies in the key store: `keys/ops/db`.
    KeyPath, "key path", "write it as `keys/` and one or more names of letters, digits, `.`, `_` or `-`, such as `keys/ops/db`",
    |t| t.len() <= 200
        && t.strip_prefix("keys/").is_some_and(|rest| rest.split('/').all(|p| word(p, 100, b"._-") && p != "." && p != ".."))
);

/// A job's group and name: `services/restart-service`, or `restart-service` at the top.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobPath {
    group: String,
    name: String,
}

impl JobPath {
    /// Reads `group/name`, `a/b/name` or `name`.
    ///
    /// # Errors
    /// [`BadId`] when a part is empty or holds characters outside letters, digits, space, `.`, `_`, `-`, `+`, `(`, `)`.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        match text.rsplit_once('/') {
            Some((group, name)) => Self::new(group, name),
            None => Self::new("", text),
        }
    }

    /// Joins a group (may be empty) and a name.
    ///
    /// # Errors
    /// As [`JobPath::parse`].
    pub fn new(group: &str, name: &str) -> Result<Self, BadId> {
        const RULE: &str = "use letters, digits, single spaces, `.`, `_`, `-`, `+`, `(` or `)` in each part, starting with a letter or digit, and `/` between groups";
        let part = |p: &str| word(p, 128, b" ._-+()") && !p.ends_with(' ') && !p.contains("  ");
        let group_good = group.is_empty() || (group.len() <= 256 && group.split('/').all(part));
        if !group_good || !part(name) {
            let given = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
            return Err(BadId::new("job name", &given, RULE));
        }
        Ok(Self { group: group.to_owned(), name: name.to_owned() })
    }

    /// The group without the name; empty at the top.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name without its group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.group, self.name) }
    }
}

impl fmt::Debug for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for JobPath {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::parse(text)
    }
}

impl Serialize for JobPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// How somebody points at a job: by id or by group and name. Resolved inside one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRef(String);

impl JobRef {
    /// Keeps the text if it could be a [`JobId`] or a [`JobPath`].
    ///
    /// # Errors
    /// [`BadId`] when it can be neither.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        if JobId::parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            JobPath::parse(text).map(|p| Self(p.to_string()))
        }
    }

    /// The reference as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a run that people say aloud: `#1234`. Counts up over the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunNumber(i64);

impl RunNumber {
    /// Wraps a number that the database handed out.
    #[must_use]
    pub fn new(number: i64) -> Self {
        Self(number)
    }

    /// Reads `1234` or `#1234`.
    ///
    /// # Errors
    /// [`BadId`] unless it is a positive whole number.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        match digits.parse::<i64>() {
            Ok(n) if n > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Self(n)),
            _ => Err(BadId::new("run number", text, "write a whole number such as 1234")),
        }
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

text_id!(
    /// Names a step's files on its node. Drawn before the step is started and used for one start only, so that a
    /// start can be sent again without harm.
    Ticket, "ticket", "32 hexadecimal digits",
    |text| text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// Wraps a UUID that the caller drew.
            #[must_use]
            pub fn new(id: uuid::Uuid) -> Self {
                Self(id)
            }

            /// Reads the hyphenated form.
            ///
            /// # Errors
            /// [`BadId`] when it is not a UUID.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                uuid::Uuid::try_parse(text).map(Self).map_err(|_| BadId::new($what, text, "copy the whole id"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }
    };
}

uuid_id!(
    /// An approval request.
    ApprovalId, "approval id"
);
uuid_id!(
    /// A stored event: one delivery of a sender, or one post to the API.
    EventId, "event id"
);
uuid_id!(
    /// Somebody who lets another person sign for them for a while.
    DelegationId, "delegation id"
);
uuid_id!(
    /// Something that people are to be told.
    NoticeId, "notice id"
);
