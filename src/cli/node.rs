//! `interlock node …`: nodes and their host keys.

use std::io::{BufRead, IsTerminal};
use std::pin::pin;

use clap::Subcommand;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{Done, Failure, Format, Global, out, start};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::nodes::{AcceptedKey, NodeView};
use crate::domain::ids::{NodeName, ProjectName};
use crate::domain::node::{Node, NodeFilter, Transport};
use crate::exec::Target;
use crate::exec::enrol::{self, HostKey};

/// How many nodes are asked for their keys at once.
const AT_ONCE: usize = 8;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a node's host key, ask, and trust it from then on
    Enrol {
        /// The nodes
        #[arg(required_unless_present = "filter")]
        names: Vec<String>,
        /// All nodes that this filter matches, in place of names: `tags: web`, `.*`
        #[arg(long, value_name = "FILTER", conflicts_with = "names")]
        filter: Option<String>,
        /// The project
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Trust the key with this fingerprint, without asking
        #[arg(long, value_name = "SHA256:…", conflicts_with = "yes")]
        accept: Option<String>,
        /// Trust whatever the node shows, without asking
        #[arg(long)]
        yes: bool,
    },
    /// List nodes
    List {
        /// The project
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
}

pub(super) async fn run(global: &Global, command: Command) -> Done {
    let app = start::app(global, "http://127.0.0.1:4440").await?;
    let actor = start::operator();
    match command {
        Command::List { project } => {
            let project = project.as_deref().map(ProjectName::parse).transpose()?;
            let nodes = app.nodes(&actor, project.as_ref()).await?;
            if global.format == Format::Json {
                let items: Vec<_> = nodes
                    .iter()
                    .map(|n| json!({ "project": n.project, "name": n.node.name, "host": n.node.host, "port": n.node.port, "tags": n.node.tags, "environment": n.node.environment, "host_keys": n.fingerprints }))
                    .collect();
                out::json(&json!({ "items": items }));
            } else {
                for n in nodes {
                    let state = match (n.node.transport, n.fingerprints.first()) {
                        (Transport::Local, _) => "Interlock's own machine",
                        (Transport::Ssh, Some(trusted)) => trusted,
                        (Transport::Ssh, None) => "not enrolled",
                    };
                    out::line(&format!("{}\t{}\t{}:{}\t{state}", n.project, n.node.name, n.node.host, n.node.port));
                }
            }
            Ok(())
        }
        Command::Enrol { names, filter, project, accept, yes } => {
            let mut views = match filter {
                Some(filter) => matched(&app, &filter, project.as_deref()).await?,
                None => Vec::new(),
            };
            for name in names {
                views.push(find(&app, &NodeName::parse(&name)?, project.as_deref()).await?);
            }
            enrol_all(global, &app, &views, accept.as_deref(), yes).await
        }
    }
}

/// Enrols nodes in their order. Those that are reached directly are asked for their keys ahead of their turn; one behind
/// another may need that one's key to be trusted first.
async fn enrol_all(global: &Global, app: &App, views: &[NodeView], accept: Option<&str>, yes: bool) -> Done {
    let direct = views.iter().filter(|view| view.node.jumps.is_empty());
    let mut ahead = pin!(stream::iter(direct.map(|view| scan(app, &view.project, &view.node))).buffered(AT_ONCE));
    let mut failed = false;
    let mut done = Vec::new();
    for view in views {
        let (project, node) = (&view.project, &view.node);
        let asked = if node.jumps.is_empty() { ahead.next().await } else { None };
        let shown = match asked {
            Some(shown) => shown,
            None => scan(app, project, node).await,
        };
        let trusted = match shown {
            Ok(keys) => one(global, app, view, keys, accept, yes).await,
            Err(why) => Err(Failure::Broken(format!("{}: {why}", node.name))),
        };
        match trusted {
            Ok(keys) => done.push(json!({ "node": node.name, "trusted": keys })),
            Err(Failure::Broken(message)) => {
                out::error(&message);
                done.push(json!({ "node": node.name, "trusted": [], "error": message }));
                failed = true;
            }
            Err(other) => return Err(other),
        }
    }
    if global.format == Format::Json {
        out::json(&json!({ "items": done }));
    }
    if failed { Err(Failure::Failed) } else { Ok(()) }
}

/// The nodes over SSH that a filter matches; those that others may be reached through come first.
async fn matched(app: &App, filter: &str, project: Option<&str>) -> Result<Vec<NodeView>, Failure> {
    let filter = NodeFilter::parse(filter).map_err(|e| Failure::Usage(e.to_string()))?;
    let project = project.map(ProjectName::parse).transpose()?;
    let mut all = app.nodes(&start::operator(), project.as_ref()).await?;
    all.retain(|n| n.node.transport == Transport::Ssh && filter.matches(&n.node));
    all.sort_by_key(|n| n.node.jumps.len());
    if all.is_empty() {
        return Err(Failure::Usage("no node over SSH matches; `interlock node list` shows those there are".to_owned()));
    }
    Ok(all)
}

async fn find(app: &App, name: &NodeName, project: Option<&str>) -> Result<NodeView, Failure> {
    let project = project.map(ProjectName::parse).transpose()?;
    let all = app.nodes(&start::operator(), project.as_ref()).await?;
    let mut named: Vec<NodeView> = all.into_iter().filter(|n| n.node.name == *name).collect();
    match (named.pop(), named.len()) {
        (Some(one), 0) => Ok(one),
        (Some(_), _) => {
            Err(Failure::Usage(format!("several projects have a node {name}; say which with `--project P`")))
        }
        (None, _) => {
            Err(Failure::Usage(format!("no project has a node {name}; `interlock node list` shows those there are")))
        }
    }
}

/// Enrols one node that shows these keys; the fingerprints that are trusted now.
async fn one(
    global: &Global,
    app: &App,
    view: &NodeView,
    keys: Vec<HostKey>,
    accept: Option<&str>,
    yes: bool,
) -> Result<Vec<String>, Failure> {
    let say = |text: &str| if global.format == Format::Text { out::line(text) } else { out::note(text) };
    let node = &view.node;
    say(&format!("{} ({}:{})", node.name, node.host, node.port));
    for key in &keys {
        let known = if view.fingerprints.contains(&key.fingerprint) { "  (trusted already)" } else { "" };
        say(&format!("  {} {}{known}", key.kind, key.fingerprint));
    }
    if !view.fingerprints.is_empty() && !keys.iter().any(|k| view.fingerprints.contains(&k.fingerprint)) {
        out::warn(&format!(
            "{} shows another key than the one that is trusted ({}). Somebody may be in between: find out why before you go on",
            node.name,
            view.fingerprints.join(", ")
        ));
    }
    let chosen: Vec<HostKey> = match accept {
        Some(wanted) => keys.into_iter().filter(|k| k.fingerprint == wanted).collect(),
        None => keys,
    };
    if chosen.is_empty() {
        return Err(Failure::Broken(format!("{} does not show the key {}", node.name, accept.unwrap_or_default())));
    }
    if accept.is_none() && !yes && !agreed()? {
        say("  not trusted");
        return Ok(Vec::new());
    }
    let trusted = chosen.iter().map(|k| k.fingerprint.clone()).collect();
    let keys = chosen
        .into_iter()
        .map(|k| AcceptedKey { kind: k.kind, base64: k.base64, fingerprint: k.fingerprint })
        .collect();
    app.enrol(&start::operator(), &view.project, &node.name, keys, "cli").await?;
    say("  trusted");
    Ok(trusted)
}

/// The keys that a node shows; a sentence that says why there are none.
pub(super) async fn scan(app: &App, project: &ProjectName, node: &Node) -> Result<Vec<HostKey>, String> {
    if node.transport == Transport::Local {
        return Err("this is Interlock's own machine, which needs no key".to_owned());
    }
    let mut target = Target {
        node: node.name.clone(),
        host: node.host.clone(),
        port: node.port,
        user: node.user.clone(),
        jumps: node.jumps.clone(),
        known_hosts: String::new(),
        key: None,
        key_id: node.key.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    // A node that is reached directly is asked without signing in anywhere.
    if !node.jumps.is_empty() {
        let refused = |e: AppError| e.to_string();
        for record in app.trusted_keys(project).await.map_err(refused)? {
            let (Ok(key), Ok(port)) = (HostKey::new(&record.kind, &record.key_base64), u16::try_from(record.port))
            else {
                continue;
            };
            target.known_hosts.push_str(&key.known_hosts_line(&record.host, port));
            target.known_hosts.push('\n');
        }
        if let Some(path) = &node.key {
            target.key = Some(app.key_value(project, path, None).await.map_err(refused)?);
        }
    }
    enrol::scan(&target).await.map_err(|e| e.to_string())
}

fn agreed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "nobody is here to ask; compare the fingerprint and use `--accept SHA256:…`, or `--yes`".to_owned(),
        ));
    }
    out::note(
        "Is this the fingerprint that the node itself shows (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)? Type yes to trust it:",
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| Failure::Broken(e.to_string()))?;
    Ok(line.trim().eq_ignore_ascii_case("yes"))
}
