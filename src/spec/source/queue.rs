//! The keys of a message queue.

use crate::domain::ids::KeyPath;
use crate::domain::source::queue::{Deliver, Login, Queue, Server};
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::Node;

use super::poll::{flat, read_ca};

/// Reads what a message queue has beside the keys of every source.
pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Queue> {
    let server = fields.required("url", report).and_then(|n| read_server(n, report));
    let stream = fields.required("stream", report).and_then(|n| read_word(n, "stream", report));
    let subject = fields.optional("subject").map(|n| read_subject(n, report));
    let consumer = fields.optional("consumer").map(|n| read_word(n, "consumer", report));
    let deliver = fields.optional("deliver").and_then(|n| report.read_word(n, "deliver", &Deliver::WORDS));
    let login = read_login(fields, report);
    let ca = fields.optional("ca").map(|n| read_ca(n, report));
    Some(Queue {
        server: server?,
        stream: stream?,
        subject: flat(subject)?,
        consumer: flat(consumer)?,
        deliver: deliver.unwrap_or(Deliver::New),
        login: login?,
        ca: flat(ca)?,
    })
}

fn read_server(node: &Node, report: &mut Report<'_>) -> Option<Server> {
    let text = report.read_text(node, "url")?;
    if let Some(server) = Server::parse(&text) {
        return Some(server);
    }
    if text.contains('@') {
        let hint = "put the credentials into the key store and name them with `token`, `password` or `credentials`";
        report.error("secret_in_clear", node.span, "`url` holds a name or a password", Some(hint));
        return None;
    }
    let hint = "write it as `tls://host:4222` or `nats://host:4222`, with one server";
    report.error("bad_value", node.span, "`url` is not the address of a NATS server", Some(hint));
    None
}

/// The name of a stream or consumer.
fn read_word(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, key)?;
    let good = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if good && !text.is_empty() && text.len() <= 200 {
        return Some(text);
    }
    let hint = "use letters, digits, `_` and `-`";
    report.error("bad_value", node.span, format!("`{key}` is not the name of a {key}"), Some(hint));
    None
}

fn read_subject(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "subject")?;
    let parts: Vec<&str> = text.split('.').collect();
    let good = |(place, part): (usize, &&str)| match *part {
        "" => false,
        "*" => true,
        ">" => place + 1 == parts.len(),
        part => part.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>'),
    };
    if text.len() <= 500 && parts.iter().enumerate().all(good) {
        return Some(text);
    }
    let hint = "write it as `alerts.disk`, `alerts.*` or `alerts.>`";
    report.error("bad_value", node.span, "`subject` is not a subject", Some(hint));
    None
}

fn read_login(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Login> {
    let before = report.errors();
    let mut key = |name: &'static str, report: &mut Report<'_>| {
        let node = fields.optional(name)?;
        Some((node, report.read_name(node, name, KeyPath::parse)))
    };
    let token = key("token", report);
    let password = key("password", report);
    let credentials = key("credentials", report);
    let user = fields.optional("user").map(|n| (n, read_user(n, report)));
    let ways = [token.as_ref().map(|w| w.0), password.as_ref().map(|w| w.0), credentials.as_ref().map(|w| w.0)];
    if let Some(second) = ways.into_iter().flatten().nth(1) {
        let message = "the source has more than one of `token`, `password` and `credentials`";
        report.error("contradiction", second.span, message, Some("keep the one that the server asks for"));
    } else if let (Some((node, _)), None) = (&user, &password) {
        let hint = "add `password: keys/…`, the place of the password in the key store";
        report.error("missing_key", node.span, "`user` stands without a `password`", Some(hint));
    } else if let (None, Some((node, _))) = (&user, &password) {
        let hint = "add `user`, or use `token` where the server asks for no name";
        report.error("missing_key", node.span, "`password` stands without a `user`", Some(hint));
    }
    if report.errors() > before {
        return None;
    }
    let path = |way: Option<(&Node, Option<KeyPath>)>| way.and_then(|(_, path)| path);
    Some(match (path(token), user.and_then(|(_, u)| u).zip(path(password)), path(credentials)) {
        (Some(token), ..) => Login::Token(token),
        (_, Some((user, password)), _) => Login::Password(user, password),
        (_, _, Some(credentials)) => Login::Credentials(credentials),
        (None, None, None) => Login::Nobody,
    })
}

fn read_user(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "user")?;
    if !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control) {
        return Some(text);
    }
    report.error("bad_value", node.span, "`user` is not the name of a user", Some("write it on one line"));
    None
}
