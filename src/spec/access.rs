//! Reads `access.yaml`: roles with their grants, and who holds them.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Span;
use super::fields::{Fields, nearest};
use super::report::{Refers, Report};
use super::yaml::Node;
use crate::domain::access::{AccessRules, Grant, GrantEffect, Member, Permission};
use crate::domain::ids::{Environment, GroupName, RoleName, UserName};

/// The kinds of things that a grant's `on` can start with.
const KINDS: [&str; 11] =
    ["job", "node", "key", "webhook", "rule", "source", "enricher", "alias", "event", "project", "system"];
/// Those of them that are one thing, without a name below.
const SINGLE: [&str; 3] = ["event", "project", "system"];

/// Reads one document as access rules.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<AccessRules> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the file", report)?;
    let roles = fields.required("roles", report).map(|n| read_roles(n, report)).unwrap_or_default();
    let lacks_roles = report.errors() > before;
    let members = fields.optional("members").map(|n| read_members(n, &roles, lacks_roles, report)).unwrap_or_default();
    let nodes_need_run = fields.optional("nodes_need").is_some_and(|n| read_nodes_need(n, report));
    fields.finish(report);
    (report.errors() == before).then_some(AccessRules { roles, members, nodes_need_run })
}

/// There is one word for it. `view` is not one: a line that denies `run` on a node would then be read and not heard.
fn read_nodes_need(node: &Node, report: &mut Report<'_>) -> bool {
    let Some(word) = report.read_text(node, "nodes_need") else { return false };
    if word != "run" {
        let message = format!("`nodes_need` can only be `run`, not `{word}`");
        report.error("bad_nodes_need", node.span, message, Some("leave the key out to go by the lines about nodes"));
    }
    true
}

fn read_roles(node: &Node, report: &mut Report<'_>) -> BTreeMap<RoleName, Vec<Grant>> {
    let mut out = BTreeMap::new();
    for entry in report.read_map(node, "roles").unwrap_or_default() {
        let Some(role) = report.accept(RoleName::parse(&entry.key), entry.key_span, "roles") else { continue };
        let items = report.read_list(&entry.node, &entry.key).unwrap_or_default();
        out.insert(role, items.iter().filter_map(|item| read_grant(item, report)).collect());
    }
    out
}

fn read_grant(item: &Node, report: &mut Report<'_>) -> Option<Grant> {
    let mut fields = Fields::open(item, "the grant", report)?;
    let (allow, deny) = (fields.optional("allow"), fields.optional("deny"));
    let on = fields.required("on", report).and_then(|n| read_glob(n, report));
    let environment_node = fields.optional("environment");
    let environment = environment_node.and_then(|n| report.read_name(n, "environment", Environment::parse));
    if let (Some(environment), Some(node)) = (&environment, environment_node) {
        report.refer(Refers::Environment(environment.clone()), node.span);
    }
    let start = fields.start();
    let (effect, node) = match (allow, deny) {
        (Some(node), None) => (GrantEffect::Allow, Some(node)),
        (None, Some(node)) => (GrantEffect::Deny, Some(node)),
        (Some(_), Some(second)) => {
            report.error(
                "contradiction",
                second.span,
                "the grant has both `allow` and `deny`",
                Some("make two grants of them"),
            );
            (GrantEffect::Deny, None)
        }
        // `permissions: [run]` and the like are told as unknown keys, with what to write.
        (None, None) if fields.has_near("allow") || fields.has_near("deny") => (GrantEffect::Deny, None),
        (None, None) => {
            report.error(
                "missing_key",
                start,
                "the grant neither allows nor denies anything",
                Some("write `allow: [view, run]` or `deny: [run]`"),
            );
            (GrantEffect::Deny, None)
        }
    };
    fields.finish(report);
    let permissions = read_permissions(node?, report);
    let bad_environment = environment_node.is_some() && environment.is_none();
    if bad_environment {
        return None;
    }
    Some(Grant { effect, permissions: permissions?, on: on?, environment, line: report.line(start) })
}

fn read_permissions(node: &Node, report: &mut Report<'_>) -> Option<BTreeSet<Permission>> {
    let texts = report.read_texts(node, "allow")?;
    if texts.is_empty() {
        report.error("empty_list", node.span, "the grant lists no permission", Some("write for example `[view, run]`"));
    }
    let mut out = BTreeSet::new();
    for (text, span) in texts {
        match Permission::parse(&text) {
            Some(permission) => {
                out.insert(permission);
            }
            None => {
                let known: Vec<&str> = Permission::ALL.iter().map(|p| p.as_str()).collect();
                let hint = match nearest(&text, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("use one of: {}", known.join(", ")),
                };
                report.error("unknown_permission", span, format!("there is no permission `{text}`"), Some(hint));
            }
        }
    }
    Some(out)
}

/// A glob that can match something: its first part has to name a kind of thing.
fn read_glob(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "on")?;
    let glob = globset::GlobBuilder::new(&text).literal_separator(true).build();
    if let Err(error) = glob {
        report.error(
            "bad_glob",
            node.span,
            format!("`on`: {}", error.kind()),
            Some("use `*` within one part and `**` across `/`"),
        );
        return None;
    }
    let (kind, rest) = text.split_once('/').map_or((text.as_str(), None), |(kind, rest)| (kind, Some(rest)));
    let part = globset::GlobBuilder::new(kind).literal_separator(true).build().ok()?.compile_matcher();
    let fitting: Vec<&str> = KINDS.into_iter().filter(|k| part.is_match(k)).collect();
    let crosses = kind.contains("**");
    if fitting.is_empty() && !crosses {
        let hint = match nearest(kind, &KINDS) {
            Some(near) => format!("did you mean `{near}/{}`?", rest.unwrap_or("**")),
            None => "start with job/, node/, key/, webhook/ or rule/, or write event, project or system".to_owned(),
        };
        report.error("glob_matches_nothing", node.span, format!("`on: {text}` can match nothing"), Some(hint));
        return None;
    }
    let named = fitting.iter().any(|k| !SINGLE.contains(k));
    if !crosses && ((rest.is_none() && !fitting.iter().any(|k| SINGLE.contains(k))) || (rest.is_some() && !named)) {
        let hint =
            if rest.is_none() { format!("write `{kind}/**` for all of them") } else { format!("write `{kind}` alone") };
        report.error("glob_matches_nothing", node.span, format!("`on: {text}` can match nothing"), Some(hint));
        return None;
    }
    Some(text)
}

fn read_members(
    node: &Node,
    roles: &BTreeMap<RoleName, Vec<Grant>>,
    lacks_roles: bool,
    report: &mut Report<'_>,
) -> BTreeMap<RoleName, BTreeSet<Member>> {
    let mut out = BTreeMap::new();
    for entry in report.read_map(node, "members").unwrap_or_default() {
        let Some(role) = report.accept(RoleName::parse(&entry.key), entry.key_span, "members") else { continue };
        if !lacks_roles && !roles.contains_key(&role) {
            let message = format!("the role `{role}` has members but no grants");
            let hint = super::fields::suggest(role.as_str(), roles.keys().map(RoleName::as_str));
            report.warning("role_without_grants", entry.key_span, message, hint);
        }
        let texts = report.read_texts(&entry.node, &entry.key).unwrap_or_default();
        let members = texts.iter().filter_map(|(text, span)| read_member(text, *span, report)).collect();
        out.insert(role, members);
    }
    out
}

fn read_member(text: &str, span: Span, report: &mut Report<'_>) -> Option<Member> {
    match text.split_once(':') {
        Some(("user", name)) => report.accept(UserName::parse(name), span, "members").map(Member::User),
        Some(("group", name)) => report.accept(GroupName::parse(name), span, "members").map(Member::Group),
        Some(("service", name)) => report.accept(UserName::parse(name), span, "members").map(Member::Service),
        _ => {
            let message = format!("`{text}` does not say what it is");
            report.error("bad_member", span, message, Some("write `user:NAME`, `group:NAME` or `service:NAME`"));
            None
        }
    }
}
