//! A run's log on its page: the lines drawn by the server, with places to link to.

use std::fmt::Write as _;

use super::run::number_of;
use super::words;
use crate::app::approvals::ApprovalDetail;
use crate::app::error::{AppError, AppResult};
use crate::app::log::{Entry, From, Stream, Wanted};
use crate::app::runs::RunDetail;
use crate::domain::ids::NodeName;
use crate::web::ansi;
use crate::web::call::Call;
use crate::web::error::Answer;

/// Lines on a page.
const LINES: u64 = 2_000;

/// How far back a filter looks when it shows the end.
const LOOKED_BACK: u64 = 20_000;

/// The log of a page.
pub struct LogView {
    /// The lines.
    pub html: String,
    /// Where the stream goes on.
    pub src: String,
    /// Whether new lines come to it.
    pub live: bool,
    /// A word on its state.
    pub state: &'static str,
    /// The nodes to choose among.
    pub nodes: Vec<NodeLink>,
    /// What is left out before it.
    pub before: Option<String>,
    /// The address that shows the log from its beginning.
    pub start_href: String,
    /// The address of the next lines.
    pub after: Option<String>,
    /// Why it is empty, if it is.
    pub empty: Option<&'static str>,
}

/// A node whose lines can be looked at alone.
pub struct NodeLink {
    /// Where to.
    pub href: String,
    /// Its name.
    pub label: String,
    /// Whether it is chosen.
    pub on: bool,
}

/// The log as the address asks for it: `node`, `from` (an offset), `line`.
pub async fn view(call: &Call, detail: &RunDetail) -> AppResult<LogView> {
    let number = detail.run.number;
    let node = call.query("node").and_then(|n| NodeName::parse(&n).ok());
    let filter = node.as_ref().map(|n| format!("&node={}", words::in_query(n.as_str()))).unwrap_or_default();
    let wanted = Wanted { node: node.clone(), ..Wanted::default() };
    let from = match (call.query("from").and_then(|f| f.parse().ok()), call.query("line").and_then(|l| l.parse().ok()))
    {
        (Some(offset), _) => From::Offset(offset),
        (None, Some(line)) => From::Line(line),
        (None, None) if node.is_some() => From::Tail(LOOKED_BACK),
        (None, None) => From::Tail(LINES),
    };
    let tail = matches!(from, From::Tail(_));
    let most = if tail { LOOKED_BACK } else { LINES };
    let (began, page) =
        call.app.log(call.actor()?, number, from, usize::try_from(most).unwrap_or(usize::MAX), wanted).await?;
    let cut = if tail { page.entries.len().saturating_sub(usize::try_from(LINES).unwrap_or(usize::MAX)) } else { 0 };
    let shown = page.entries.get(cut..).unwrap_or_default();
    let more = !tail && page.entries.len() as u64 == most;
    let running = !detail.run.state.is_terminal();
    let all = NodeLink { href: format!("/runs/{number}"), label: "All nodes".to_owned(), on: node.is_none() };
    let each = detail.plan.nodes.iter().take(40).map(|n| NodeLink {
        href: format!("/runs/{number}?node={}", words::in_query(n.name.as_str())),
        label: n.name.to_string(),
        on: node.as_ref() == Some(&n.name),
    });
    Ok(LogView {
        html: lines(shown),
        src: format!("/runs/{number}/stream?offset={}{filter}", page.next),
        live: running && !more,
        state: match (running, detail.run.log_truncated) {
            (_, true) => "incomplete: some of it could not be kept",
            (true, false) => "",
            (false, false) => "complete",
        },
        nodes: std::iter::once(all).chain(each).collect(),
        before: (began > 0 || cut > 0).then(|| match shown.first() {
            Some(first) => format!("Earlier lines are not shown; this begins at line {}.", first.number),
            None => "Earlier lines are not shown.".to_owned(),
        }),
        start_href: format!("/runs/{number}?from=0{filter}"),
        after: more.then(|| format!("/runs/{number}?from={}{filter}", page.next)),
        empty: shown.is_empty().then_some(match (running, node.is_some()) {
            (true, _) => "No output yet.",
            (false, true) => "This node wrote nothing.",
            (false, false) => "It wrote nothing.",
        }),
    })
}

/// Lines as HTML, one element each.
#[must_use]
pub fn lines(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        let class = match entry.line.stream {
            Stream::Stdout => "ln",
            Stream::Stderr => "ln err",
            Stream::System => "ln sys",
        };
        let n = entry.number;
        let text = ansi::line(&String::from_utf8_lossy(&entry.line.bytes));
        let (node, step) = (&entry.line.node, &entry.line.step);
        // A name of a node or step holds no character that means something in HTML.
        let _ = writeln!(
            out,
            "<div class=\"{class}\" id=\"L{n}\"><b class=\"n\">{n}</b><i title=\"{node}, {step}\">{node}</i><span>{text}</span></div>"
        );
    }
    out
}

/// The run's request, if it has one.
pub async fn approval_of(call: &Call, detail: &RunDetail) -> AppResult<Option<ApprovalDetail>> {
    match detail.run.approval {
        Some(id) => call.app.approval(call.actor()?, id).await.map(Some),
        None => Ok(None),
    }
}

/// `GET /runs/{number}/log.txt`: what the nodes wrote, byte for byte.
pub async fn raw(call: Call) -> Answer {
    let number = number_of(&call)?;
    let wanted = Wanted { node: call.query("node").and_then(|n| NodeName::parse(&n).ok()), ..Wanted::default() };
    // The right to see it is held before the answer begins, and again for every piece.
    call.app.run_state(call.actor()?, number).await?;
    let (app, actor) = (std::sync::Arc::clone(&call.app), call.actor()?.clone());
    let pieces = futures_util::stream::unfold(Some(0), move |offset: Option<u64>| {
        let (app, actor, wanted) = (std::sync::Arc::clone(&app), actor.clone(), wanted.clone());
        async move {
            let offset = offset?;
            match app.log(&actor, number, From::Offset(offset), 4_096, wanted).await {
                Ok((_, page)) if page.next == offset => None,
                Ok((_, page)) => {
                    let mut bytes = Vec::new();
                    for entry in &page.entries {
                        bytes.extend_from_slice(&entry.line.bytes);
                        if entry.line.ended {
                            bytes.push(b'\n');
                        }
                    }
                    Some((Ok::<_, AppError>(actix_web::web::Bytes::from(bytes)), Some(page.next)))
                }
                Err(error) => {
                    tracing::warn!(run.id = number.get(), error.cause = %error, "a download of a log broke off");
                    None
                }
            }
        }
    });
    Ok(actix_web::HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Content-Disposition", format!("attachment; filename=\"run-{number}.log\"")))
        .streaming(futures_util::StreamExt::map(pieces, |piece| {
            piece.map_err(|e| std::io::Error::other(e.to_string()))
        })))
}
