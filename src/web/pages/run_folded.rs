//! A run's output by what was written: nodes that wrote the same stand together, and their lines once.

use askama::Template;

use super::run_log::{Asked, line};
use super::words;
use crate::app::error::AppResult;
use crate::app::folded::{Folded, FoldedGroup, LONGEST};
use crate::web::call::Call;
use crate::web::page::fragment;

/// Nodes whose names stand there without being asked for.
const NAMED: usize = 12;

struct NodeLink {
    name: String,
    href: String,
}

struct Group {
    title: String,
    nodes: Vec<NodeLink>,
    others: Vec<NodeLink>,
    others_line: String,
    html: String,
    /// What is not shown of the lines.
    rest: Option<String>,
}

struct Step {
    name: String,
    groups: Vec<Group>,
}

#[derive(Template)]
#[template(path = "parts/run_folded.html")]
struct FoldedPart {
    back: String,
    too_long: Option<String>,
    steps: Vec<Step>,
}

/// The part as HTML, where the address asks for it: `view=output`.
pub async fn html(call: &Call, asked: &Asked) -> AppResult<Option<String>> {
    if call.query("view").is_none_or(|v| v != "output") {
        return Ok(None);
    }
    let folded = call.app.folded_log(call.actor()?, asked.number).await?;
    let (too_long, steps) = match folded {
        Folded::TooLong => {
            let most = LONGEST / 1024 / 1024;
            (
                Some(format!("The log is longer than {most} MiB, which is too much to fold. Look at it node by node.")),
                Vec::new(),
            )
        }
        Folded::Steps(steps) => (None, steps),
    };
    let steps = steps.into_iter().map(|step| Step {
        name: step.step.to_string(),
        groups: step.groups.into_iter().map(|g| group(asked, g)).collect(),
    });
    let back = format!("/runs/{}", asked.number);
    Ok(Some(fragment(&FoldedPart { back, too_long, steps: steps.collect() })))
}

fn group(asked: &Asked, group: FoldedGroup) -> Group {
    let mut html = String::new();
    for entry in &group.shown {
        let n = entry.number;
        line(&mut html, entry, None, Some(&format!("/runs/{}?line={n}#L{n}", asked.number)));
    }
    let mut nodes: Vec<NodeLink> = group
        .nodes
        .iter()
        .map(|name| NodeLink {
            href: format!("/runs/{}?node={}", asked.number, words::in_query(name.as_str())),
            name: name.to_string(),
        })
        .collect();
    let count = words::count(nodes.len(), "node");
    let others = if nodes.len() > NAMED { nodes.split_off(NAMED) } else { Vec::new() };
    Group {
        title: match group.lines {
            0 => format!("{count}, no output"),
            lines => format!("{count}, {}", words::count(lines, "line")),
        },
        others_line: format!("and {} more", others.len()),
        rest: (group.lines > group.shown.len()).then(|| match group.shown.len() {
            0 => "There are too many groups to show the lines of this one; open one of its nodes.".to_owned(),
            shown => format!("{} more; open one of the nodes to read them.", words::count(group.lines - shown, "line")),
        }),
        nodes,
        others,
        html,
    }
}
