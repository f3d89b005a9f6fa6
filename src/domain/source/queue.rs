//! Message queues: which messages of a stream are events, what they say, and what tells them apart.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::digest::{Digest, canonical_json};
use crate::domain::ids::{KeyPath, ProjectName, SourceName};
use crate::domain::json::parse_strict;
use crate::domain::time::Timestamp;
use crate::domain::webhook::redact::redact;

/// The most messages that are taken at once.
pub const MOST_MESSAGES: usize = 200;
/// What is taken at once, in bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// The largest message whose content is kept, in bytes.
pub const LARGEST_MESSAGE: usize = 1 << 20;
/// The most headers of a message that are kept.
const MOST_HEADERS: usize = 50;
/// The longest header that is kept, in bytes.
const LONGEST_HEADER: usize = 2_000;

/// A stream of a NATS server whose messages are events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The server.
    pub server: Server,
    /// The stream.
    pub stream: String,
    /// Which of its subjects; all without it.
    pub subject: Option<String>,
    /// The durable consumer; one of its own without it.
    pub consumer: Option<String>,
    /// Which messages count at first.
    pub deliver: Deliver,
    /// Who it is towards the server.
    pub login: Login,
    /// Certificates that are trusted instead of the usual ones, as PEM.
    pub ca: Option<String>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Whether the connection has to be encrypted.
    pub tls: bool,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Who a source is towards the server; secrets by their place in the key store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    Nobody,
    /// Whoever has this token.
    Token(KeyPath),
    /// This user, by a password.
    Password(String, KeyPath),
    /// Whoever has these credentials, which are the text of a `.creds` file.
    Credentials(KeyPath),
}

/// Which messages count when a consumer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliver {
    /// Those that come from then on.
    New,
    /// All that the stream holds.
    All,
}

impl Deliver {
    /// The words.
    pub const WORDS: [(&'static str, Self); 2] = [("new", Self::New), ("all", Self::All)];
}

impl Server {
    /// The port of a server that names none.
    pub const PORT: u16 = 4222;

    /// Reads `nats://host:port` or `tls://host:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            "nats" => false,
            "tls" => true,
            _ => return None,
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => rest.find(':').map_or((rest, ""), |at| rest.split_at(at)),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None if port.is_empty() => Self::PORT,
            None => return None,
        };
        let letters = |extra: &[u8]| host.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
        let good = if rest.starts_with('[') {
            host.parse::<core::net::Ipv6Addr>().is_ok()
        } else {
            letters(b".-_") && !host.starts_with(['.', '-'])
        };
        (good && !host.is_empty() && host.len() <= 253).then(|| Self { tls, host: host.to_owned(), port })
    }

    /// The address as it is written.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "tls" } else { "nats" };
        if self.host.contains(':') {
            return format!("{scheme}://[{}]:{}", self.host, self.port);
        }
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

impl Queue {
    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        let login = match &self.login {
            Login::Nobody => Value::Null,
            Login::Token(path) => json!({ "token": path }),
            Login::Password(user, path) => json!({ "user": user, "password": path }),
            Login::Credentials(path) => json!({ "credentials": path }),
        };
        json!({
            "url": self.server.url(),
            "stream": self.stream,
            "subject": self.subject,
            "consumer": self.consumer,
            "deliver": match self.deliver { Deliver::New => "new", Deliver::All => "all" },
            "login": login,
            "ca": self.ca,
        })
    }

    /// The secret that it shows the server.
    #[must_use]
    pub fn secret(&self) -> Option<&KeyPath> {
        match &self.login {
            Login::Nobody => None,
            Login::Token(path) | Login::Password(_, path) | Login::Credentials(path) => Some(path),
        }
    }

    /// How far it has read says nothing any more once one of these is another one.
    pub(super) fn position_of(&self) -> Value {
        json!([self.server.url(), self.stream, self.subject, self.consumer])
    }

    /// The name of its durable consumer. One that nobody named is told from those of other installations and sources, and
    /// from the one that read other subjects.
    #[must_use]
    pub fn consumer_of(&self, installation: &str, project: &ProjectName, source: &SourceName) -> String {
        if let Some(name) = &self.consumer {
            return name.clone();
        }
        let whose = json!([installation, project, source, self.stream, self.subject]);
        let digest = Digest::of(canonical_json(&whose).as_bytes()).to_string();
        let mark: String = digest.chars().filter(char::is_ascii_hexdigit).rev().take(12).collect();
        let plain: String = source.as_str().chars().map(|c| if c == '.' { '_' } else { c }).take(64).collect();
        format!("interlock-{project}-{plain}-{mark}")
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its subject.
    pub subject: String,
    /// Its number in the stream.
    pub sequence: u64,
    /// When the stream took it, in nanoseconds since 1970.
    pub published: i64,
    /// Its headers, of each name the first.
    pub headers: Vec<(String, String)>,
    /// Its content; `None` where it was larger than [`LARGEST_MESSAGE`].
    pub body: Option<Vec<u8>>,
    /// The size of its content, in bytes.
    pub size: usize,
}

impl Message {
    /// What tells it from every other message of the stream, also where a stream of the same name took its place and
    /// counts anew.
    #[must_use]
    pub fn key(&self, stream: &str) -> String {
        format!("{stream} {} {}", self.sequence, self.published)
    }

    /// What it says as an event.
    #[must_use]
    pub fn payload(&self, stream: &str) -> Value {
        let mut fields = Map::new();
        fields.insert("subject".to_owned(), json!(self.subject));
        fields.insert("stream".to_owned(), json!(stream));
        fields.insert("sequence".to_owned(), json!(self.sequence));
        fields.insert("published_at".to_owned(), json!(moment(self.published)));
        if !self.headers.is_empty() {
            let fits = |(name, value): &&(String, String)| name.len().max(value.len()) <= LONGEST_HEADER;
            let kept = self.headers.iter().filter(fits).take(MOST_HEADERS);
            let mut headers = Value::Object(kept.map(|(name, value)| (name.clone(), json!(value))).collect());
            redact(&mut headers);
            fields.insert("headers".to_owned(), headers);
        }
        match self.body.as_ref().map(|body| (body, parse_strict(body))) {
            None => {
                fields.insert("too_large".to_owned(), json!(true));
                fields.insert("size".to_owned(), json!(self.size));
            }
            Some((_, Ok(data))) => {
                fields.insert("data".to_owned(), data);
            }
            Some((body, Err(_))) => {
                fields.insert("text".to_owned(), json!(String::from_utf8_lossy(body)));
                if std::str::from_utf8(body).is_err() {
                    fields.insert("not_utf8".to_owned(), json!(true));
                }
            }
        }
        Value::Object(fields)
    }
}

fn moment(nanoseconds: i64) -> String {
    Timestamp::from_timestamp_nanos(nanoseconds).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// What is remembered of a queue: the server itself knows how far it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePosition {
    /// When the stream took the newest message that was stored, in nanoseconds since 1970.
    pub published: Option<i64>,
    /// Messages that waited when it was looked at last.
    pub waiting: u64,
}

impl QueuePosition {
    /// Reads what is remembered; nothing is where it says nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Message {
        Message {
            subject: "alerts.disk".to_owned(),
            sequence: 7,
            published: 1_790_230_470_084_404_000,
            headers: Vec::new(),
            body: Some(body.to_vec()),
            size: body.len(),
        }
    }

    #[test]
    fn servers_are_read_from_their_addresses() {
        let read = |text: &str| Server::parse(text).map(|server| server.url());
        for (text, url) in [
            ("nats://queue.example.com", "nats://queue.example.com:4222"),
            ("tls://10.0.0.1:4333", "tls://10.0.0.1:4333"),
            ("tls://[2001:db8::1]", "tls://[2001:db8::1]:4222"),
            ("nats://[::1]:9", "nats://[::1]:9"),
        ] {
            assert_eq!(read(text).as_deref(), Some(url));
        }
        for text in [
            "queue",
            "http://a",
            "nats://",
            "nats://a:0",
            "nats://a:99999",
            "nats://a/b",
            "nats://u@a",
            "nats://::1",
            "nats://[a]",
            "nats://[::1]x",
            "tls://a b",
            "nats://-a",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_message_becomes_data_or_text() {
        let payload = message(br#"{"disk": "sda"}"#).payload("ALERTS");
        let known = json!({"subject": "alerts.disk", "stream": "ALERTS", "sequence": 7,
            "published_at": "2026-09-24T06:14:30.084404Z", "data": {"disk": "sda"}});
        assert_eq!(payload, known);
        for (body, text, not_utf8) in [
            (&b"disk full"[..], "disk full", false),
            (br#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#, false),
            (b"a\xff", "a\u{fffd}", true),
        ] {
            let payload = message(body).payload("ALERTS");
            assert_eq!(payload["text"], text);
            assert_eq!((payload.get("data"), payload.get("not_utf8").is_some()), (None, not_utf8));
        }
        let large = Message { body: None, size: 5 << 20, ..message(b"") }.payload("ALERTS");
        assert_eq!((&large["too_large"], &large["size"], large.get("text")), (&json!(true), &json!(5 << 20), None));
    }

    #[test]
    fn headers_are_bounded_and_secrets_among_them_redacted() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers =
            vec![header("ce-type", "disk"), header("Authorization", "hush"), header("long", &"x".repeat(3_000))];
        headers.extend((0..100).map(|n| header(&format!("h{n}"), "v")));
        let payload = Message { headers, ..message(b"1") }.payload("ALERTS");
        let kept = payload["headers"].as_object().unwrap();
        assert_eq!(
            (kept.len(), &kept["ce-type"], &kept["Authorization"]),
            (MOST_HEADERS, &json!("disk"), &json!("[redacted]"))
        );
        assert!(!kept.contains_key("long"));
    }

    #[test]
    fn what_makes_a_message_another_one_is_in_its_key() {
        let one = message(b"1");
        let again = Message { body: Some(b"2".to_vec()), ..one.clone() };
        assert_eq!(one.key("S"), again.key("S"));
        for other in [Message { sequence: 8, ..one.clone() }, Message { published: 5, ..one.clone() }] {
            assert_ne!(one.key("S"), other.key("S"));
        }
        assert_ne!(one.key("S"), one.key("T"));
    }

    #[test]
    fn each_source_has_a_consumer_of_its_own() {
        let queue = |subject: Option<&str>| Queue {
            server: Server::parse("nats://a").unwrap(),
            stream: "S".to_owned(),
            subject: subject.map(str::to_owned),
            consumer: None,
            deliver: Deliver::New,
            login: Login::Nobody,
            ca: None,
        };
        let project = ProjectName::parse("ops").unwrap();
        let name = |queue: &Queue, installation: &str, source: &str| {
            queue.consumer_of(installation, &project, &SourceName::parse(source).unwrap())
        };
        let first = name(&queue(None), "i", "disk.full");
        assert!(first.starts_with("interlock-ops-disk_full-") && !first.contains('.'), "{first}");
        assert_eq!(first, name(&queue(None), "i", "disk.full"));
        for other in [
            name(&queue(None), "j", "disk.full"),
            name(&queue(None), "i", "disk_full"),
            name(&queue(Some("a.>")), "i", "disk.full"),
        ] {
            assert_ne!(first, other);
        }
        let named = Queue { consumer: Some("mine".to_owned()), ..queue(None) };
        assert_eq!(name(&named, "i", "disk.full"), "mine");
    }
}
