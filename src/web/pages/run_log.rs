//! A run's log on its page: the lines drawn by the server, with places to link to. Everything that is looked at can be
//! sent to somebody: node, line and search live in the address.

use std::fmt::Write as _;

use super::run::number_of;
use super::{run_search, words};
use crate::app::approvals::ApprovalDetail;
use crate::app::error::{AppError, AppResult};
use crate::app::log::{Entry, From, Page, Stream, Wanted};
use crate::app::runs::RunDetail;
use crate::domain::ids::{NodeName, RunNumber};
use crate::web::ansi;
use crate::web::call::Call;
use crate::web::error::Answer;

/// Lines on a page: what a browser's own search still goes through at once.
const LINES: u64 = 20_000;

/// Bytes of output on a page; lines of a common length are far less.
const BYTES: usize = 4 * 1024 * 1024;

/// Lines that the browser lays out together, once they are in sight.
const TOGETHER: usize = 250;

/// The log of a page.
pub struct LogView {
    /// The lines.
    pub html: String,
    /// Where the stream goes on.
    pub src: String,
    /// Whether new lines come to it.
    pub live: bool,
    /// A word on its state.
    pub state: String,
    /// The nodes to choose among.
    pub nodes: Vec<NodeLink>,
    /// The one that is chosen.
    pub node: Option<String>,
    /// What is looked for.
    pub text: String,
    /// What came of looking for something.
    pub note: Option<Note>,
    /// The address of the next line of trouble.
    pub next_error: String,
    /// The address of the next line with what is looked for.
    pub next_hit: Option<String>,
    /// The address of the raw output.
    pub raw: String,
    /// What is left out before it.
    pub before: Option<String>,
    /// The address that shows the log from its beginning.
    pub start_href: String,
    /// The address of the next lines.
    pub after: Option<String>,
    /// Why it is empty, if it is.
    pub empty: Option<&'static str>,
}

impl LogView {
    /// With a sentence on why there are no lines, and the address to try again at.
    pub fn unread(self, why: String, again: String) -> Self {
        Self { note: Some(Note { words: why, on: Some((again, "Try again")) }), ..self }
    }
}

/// A sentence about a search, with a way on.
pub struct Note {
    /// The sentence.
    pub words: String,
    /// Where to go on, and what that is called.
    pub on: Option<(String, &'static str)>,
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

/// What the address asks of the log.
pub struct Asked {
    /// The run.
    pub number: RunNumber,
    /// Only this node.
    pub node: Option<NodeName>,
    /// What is looked for.
    pub text: Option<String>,
    /// The line to be shown.
    pub line: Option<u64>,
    /// The offset to begin at.
    pub from: Option<u64>,
}

impl Asked {
    /// As the address says: `node`, `text`, `line`, `from`.
    pub fn read(call: &Call) -> AppResult<Self> {
        Ok(Self {
            number: number_of(call)?,
            node: call.query("node").and_then(|n| NodeName::parse(&n).ok()),
            text: call.query("text").filter(|t| !t.trim().is_empty()),
            line: call.query("line").and_then(|l| l.parse().ok()),
            from: call.query("from").and_then(|f| f.parse().ok()),
        })
    }

    /// An address of this run with the node that is chosen.
    pub fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(node) = &self.node {
            query.append_pair("node", node.as_str());
        }
        query.extend_pairs(more);
        let query = query.finish();
        let number = self.number;
        if query.is_empty() { format!("/runs/{number}{path}") } else { format!("/runs/{number}{path}?{query}") }
    }

    /// The line that whoever presses "next" has seen.
    fn seen(&self) -> String {
        self.line.unwrap_or(0).to_string()
    }

    /// The view of an address, without its lines.
    pub fn frame(&self, detail: &RunDetail) -> LogView {
        let all =
            NodeLink { href: format!("/runs/{}", self.number), label: "All nodes".to_owned(), on: self.node.is_none() };
        let each = detail.plan.nodes.iter().take(40).map(|n| NodeLink {
            href: format!("/runs/{}?node={}", self.number, words::in_query(n.name.as_str())),
            label: n.name.to_string(),
            on: self.node.as_ref() == Some(&n.name),
        });
        let seen = self.seen();
        LogView {
            html: String::new(),
            src: String::new(),
            live: false,
            state: String::new(),
            nodes: std::iter::once(all).chain(each).collect(),
            node: self.node.as_ref().map(ToString::to_string),
            text: self.text.clone().unwrap_or_default(),
            note: None,
            next_error: self.address("/next", &[("after", &seen)]),
            next_hit: self.text.as_deref().map(|t| self.address("/next", &[("text", t), ("after", &seen)])),
            raw: self.address("/log.txt", &[]),
            before: None,
            start_href: self.address("", &[("from", "0")]),
            after: None,
            empty: None,
        }
    }
}

/// The log as the address asks for it.
pub async fn view(call: &Call, detail: &RunDetail) -> AppResult<LogView> {
    let asked = Asked::read(call)?;
    if asked.text.is_some() && asked.line.is_none() {
        return run_search::hits(call, detail, &asked).await;
    }
    let from = match (asked.from, asked.line) {
        (Some(offset), _) => From::Offset(offset),
        (None, Some(line)) => From::Line(line),
        (None, None) => From::Tail(LINES),
    };
    let tail = matches!(from, From::Tail(_));
    let wanted = Wanted { node: asked.node.clone(), ..Wanted::default() };
    let most = usize::try_from(LINES).unwrap_or(usize::MAX);
    let (began, mut page) = call.app.log(call.actor()?, asked.number, from, most, wanted).await?;
    let cut = fit(&mut page, tail);
    let (_, beyond) = call.app.log(call.actor()?, asked.number, From::Offset(page.next), 1, Wanted::default()).await?;
    let running = !detail.run.state.is_terminal();
    // The stream fetches what is left of the end; a page that begins elsewhere is read on by hand.
    let more = beyond.next != page.next && !(tail && running);
    Ok(LogView {
        html: lines(&page.entries, asked.text.as_deref()),
        src: asked.address("/stream", &[("offset", &page.next.to_string())]),
        live: running && !more,
        state: match (running, detail.run.log_truncated) {
            (_, true) => "incomplete: some of it could not be kept".to_owned(),
            (true, false) => String::new(),
            (false, false) => "complete".to_owned(),
        },
        note: run_search::note(call, &asked),
        before: (began > 0 || cut).then(|| match page.entries.first() {
            Some(first) => format!("Earlier lines are not shown; this begins at line {}.", first.number),
            None => "Earlier lines are not shown.".to_owned(),
        }),
        after: more.then(|| asked.address("", &[("from", &page.next.to_string())])),
        empty: page.entries.is_empty().then_some(match (running, asked.node.is_some(), began > 0 || more) {
            (true, _, false) => "No output yet.",
            (true, _, true) => "No output yet in this part of the log.",
            (false, true, false) => "This node wrote nothing.",
            (false, true, true) => "This node wrote nothing in this part of the log.",
            (false, false, _) => "It wrote nothing.",
        }),
        ..asked.frame(detail)
    })
}

/// Leaves out what would make a page too heavy: the first lines of a page that shows the end, the last ones of another,
/// which goes on there. Whether there is something left out before it.
fn fit(page: &mut Page, tail: bool) -> bool {
    let mut room = BYTES;
    let mut takes = |entry: &Entry| {
        let fits = entry.line.bytes.len() <= room;
        room = room.saturating_sub(entry.line.bytes.len());
        fits
    };
    if tail {
        let kept = page.entries.iter().rev().take_while(|e| takes(e)).count();
        let cut = page.entries.len() - kept;
        page.entries.drain(..cut);
        return cut > 0;
    }
    let kept = page.entries.iter().take_while(|e| takes(e)).count();
    if let Some(first) = page.entries.get(kept) {
        page.next = first.offset;
        page.entries.truncate(kept);
    }
    false
}

/// Lines as HTML, one element each; those that contain what is looked for are marked.
#[must_use]
pub fn lines(entries: &[Entry], sought: Option<&str>) -> String {
    let sought = sought.map(str::to_lowercase);
    let mut out = String::with_capacity(entries.len() * 160);
    for some in entries.chunks(TOGETHER) {
        // A browser leaves the layout of whole parts for when they are in sight, and knows how tall they are about.
        let whole = some.len() == TOGETHER;
        if whole {
            out.push_str("<div class=\"part\">\n");
        }
        for entry in some {
            line(&mut out, entry, sought.as_deref(), None);
        }
        if whole {
            out.push_str("</div>\n");
        }
    }
    out
}

/// One line; with an address, its number is a link and it has no place of its own.
pub fn line(out: &mut String, entry: &Entry, sought: Option<&str>, href: Option<&str>) {
    let raw = String::from_utf8_lossy(&entry.line.bytes);
    let class = match entry.line.stream {
        Stream::Stdout => "ln",
        Stream::Stderr => "ln err",
        Stream::System => "ln sys",
    };
    let hit = if sought.is_some_and(|s| raw.to_lowercase().contains(s)) { " hit" } else { "" };
    let n = entry.number;
    let (node, step) = (&entry.line.node, &entry.line.step);
    // A name of a node or step holds no character that means something in HTML.
    let _ = match href {
        None => write!(out, "<div class=\"{class}{hit}\" id=\"L{n}\"><b class=\"n\">{n}</b>"),
        Some(href) => write!(out, "<div class=\"{class}\"><a class=\"n\" href=\"{href}\">{n}</a>"),
    };
    let _ = writeln!(out, "<i title=\"{node}, {step}\">{node}</i><span>{}</span></div>", ansi::line(&raw));
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
    // So is whether it can be read: a refusal is better than half a file.
    call.app.log(call.actor()?, number, From::Offset(0), 1, Wanted::default()).await?;
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
                    // The connection breaks, so that nobody takes what came for the whole.
                    Some((Err(error), None))
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
