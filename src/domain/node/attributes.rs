//! From a listed node's attributes, as Rundeck's resource model has them, to a [`Node`].

use std::collections::{BTreeMap, BTreeSet};

use super::{Jump, Node, Transport};
use crate::domain::ids::{BadId, Environment, HostName, KeyPath, NodeName, RemoteUser};

/// A node as an inventory lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedNode {
    /// Its name.
    pub name: String,
    /// Every attribute as written, without `nodename` and `tags`.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// What is wrong with an attribute of a listed node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AttributeError {
    /// The attribute; `nodename` for the name.
    pub attribute: &'static str,
    /// One sentence.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl From<(&'static str, BadId)> for AttributeError {
    fn from((attribute, error): (&'static str, BadId)) -> Self {
        let message = format!("`{attribute}`: `{}` is not a valid {}", error.given, error.what);
        Self { attribute, message, hint: error.rule.to_owned() }
    }
}

impl Node {
    /// Checks a listed node.
    ///
    /// # Errors
    /// Every attribute that is wrong.
    pub fn from_attributes(listed: ListedNode) -> Result<Self, Vec<AttributeError>> {
        let mut errors = Vec::new();
        let attributes = &listed.attributes;
        let name = keep(NodeName::parse(&listed.name).map_err(|e| ("nodename", e).into()), &mut errors);
        let address = match attributes.get("hostname") {
            Some(text) => keep(address("hostname", text), &mut errors),
            None => {
                let message = format!("the node `{}` has no `hostname`", short(&listed.name));
                let hint =
                    "write where SSH connects to, such as `hostname: 10.0.0.5` or `hostname: web1.example.com:2222`";
                errors.push(AttributeError { attribute: "hostname", message, hint: hint.to_owned() });
                None
            }
        };
        let user = named("username", attributes, RemoteUser::parse, &mut errors);
        let environment = named("environment", attributes, Environment::parse, &mut errors);
        let key = named("ssh-key-storage-path", attributes, KeyPath::parse, &mut errors);
        let jumps = attributes.get("ssh-jump").and_then(|text| keep(jumps(text), &mut errors)).unwrap_or_default();
        let transport = match attributes.get("node-executor").map(String::as_str) {
            None | Some("" | "ssh" | "jsch-ssh" | "sshj-ssh") => Some(Transport::Ssh),
            Some("local") => Some(Transport::Local),
            Some(other) => {
                let message = format!("`node-executor` cannot be `{}`", short(other));
                let hint = "use `ssh` or `local`, or remove it".to_owned();
                errors.push(AttributeError { attribute: "node-executor", message, hint });
                None
            }
        };
        let tags: BTreeSet<String> =
            listed.tags.iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
        match (name, address, transport, errors.is_empty()) {
            (Some(name), Some((host, port)), Some(transport), true) => Ok(Self {
                name,
                host,
                port,
                user,
                tags,
                description: attributes.get("description").cloned().unwrap_or_default(),
                environment,
                key,
                jumps,
                transport,
                attributes: listed.attributes,
            }),
            _ => Err(errors),
        }
    }
}

fn keep<T>(result: Result<T, AttributeError>, errors: &mut Vec<AttributeError>) -> Option<T> {
    result.map_err(|e| errors.push(e)).ok()
}

fn named<T>(
    key: &'static str,
    attributes: &BTreeMap<String, String>,
    parse: fn(&str) -> Result<T, BadId>,
    errors: &mut Vec<AttributeError>,
) -> Option<T> {
    let text = attributes.get(key).filter(|t| !t.is_empty())?;
    keep(parse(text).map_err(|e| (key, e).into()), errors)
}

fn short(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
fn address(key: &'static str, text: &str) -> Result<(HostName, u16), AttributeError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, tail)) => (host, tail.strip_prefix(':')),
        None if text.matches(':').count() == 1 => text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p))),
        None => (text, None),
    };
    let port = match port {
        None => 22,
        Some(digits) => match digits.parse::<u16>() {
            Ok(n) if n > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => n,
            _ => {
                let message = format!("`{key}`: `{}` is not a port", short(digits));
                return Err(AttributeError {
                    attribute: key,
                    message,
                    hint: "use a number from 1 to 65535".to_owned(),
                });
            }
        },
    };
    HostName::parse(host).map(|host| (host, port)).map_err(|e| (key, e).into())
}

fn jumps(text: &str) -> Result<Vec<Jump>, AttributeError> {
    text.split(',').map(str::trim).filter(|hop| !hop.is_empty()).map(jump).collect()
}

fn jump(hop: &str) -> Result<Jump, AttributeError> {
    let (user, rest) = match hop.rsplit_once('@') {
        Some((user, rest)) => (Some(RemoteUser::parse(user).map_err(|e| ("ssh-jump", e))?), rest),
        None => (None, hop),
    };
    let (host, port) = address("ssh-jump", rest)?;
    Ok(Jump { user, host, port })
}
