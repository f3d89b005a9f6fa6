//! Searching the whole log of a run: the lines with a text, and the next line with it or with trouble.

use super::run_log::{Asked, LogView, Note, line};
use crate::app::error::AppResult;
use crate::app::log::From;
use crate::app::log_search::Sought;
use crate::app::runs::RunDetail;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::page::see_other;

/// Hits on a page.
const HITS: usize = 200;

/// The lines that contain a text, each with a link to its place.
pub async fn hits(call: &Call, detail: &RunDetail, asked: &Asked) -> AppResult<LogView> {
    let text = asked.text.clone().unwrap_or_default();
    let from = From::Offset(asked.from.unwrap_or(0));
    let sought = Sought::Text(text.clone());
    let found = call.app.search_log(call.actor()?, asked.number, from, sought, asked.node.clone(), HITS).await?;
    let mut html = String::new();
    for entry in &found.entries {
        let n = entry.number.to_string();
        let href = format!("{}#L{n}", asked.address("", &[("text", &text), ("line", &n)])).replace('&', "&amp;");
        line(&mut html, entry, None, Some(&href));
    }
    let count = match (found.entries.len(), asked.from.is_some() || found.rest.is_some()) {
        (0, _) => "no line".to_owned(),
        (n, true) => format!("{n} of the lines"),
        (1, false) => "1 line".to_owned(),
        (n, false) => format!("{n} lines"),
    };
    let rest = found.rest.map(|offset| asked.address("", &[("text", &text), ("from", &offset.to_string())]));
    Ok(LogView {
        html,
        note: Some(Note {
            words: format!("{count} with \u{201c}{}\u{201d}.", visible(&text)),
            on: Some((asked.address("", &[]), "Back to the log")),
        }),
        after: rest,
        empty: found.entries.is_empty().then_some(if found.rest.is_some() {
            "Not in what was looked at so far; the log goes on."
        } else {
            "No line has it."
        }),
        ..asked.frame(detail)
    })
}

/// What an address says about a search that found nothing more: `none`, with `rest` where it can go on.
pub fn note(call: &Call, asked: &Asked) -> Option<Note> {
    call.query("none")?;
    let text = asked.text.as_deref();
    let what = text.map_or_else(|| "error line".to_owned(), |t| format!("line with \u{201c}{}\u{201d}", visible(t)));
    let begin = |from: (&str, &str)| {
        let more = [Some(from), text.map(|t| ("text", t))];
        asked.address("/next", &more.into_iter().flatten().collect::<Vec<_>>())
    };
    Some(match (call.query("rest").filter(|r| r.parse::<u64>().is_ok()), asked.line) {
        (Some(rest), _) => Note {
            words: format!("No {what} in the part that was looked at."),
            on: Some((begin(("from", &rest)), "Look further")),
        },
        (None, Some(line)) => Note {
            words: format!("No {what} after line {line}."),
            on: Some((begin(("after", "0")), "Begin again at the top")),
        },
        (None, None) => Note { words: format!("No {what}."), on: None },
    })
}

/// `GET /runs/{number}/next`: on to the next line with `text`, or with trouble, `after` a line or `from` an offset.
pub async fn next(call: Call) -> Answer {
    let asked = Asked::read(&call)?;
    let after = call.query("after").and_then(|a| a.parse::<u64>().ok()).unwrap_or(0);
    let from = asked.from.map_or(From::Line(after.saturating_add(1)), From::Offset);
    let sought = asked.text.clone().map_or(Sought::Trouble, Sought::Text);
    let found = call.app.search_log(call.actor()?, asked.number, from, sought, asked.node.clone(), 1).await?;
    let text = asked.text.as_deref().map(|t| ("text", t));
    let at = |line: u64, more: &[(&str, &str)]| {
        let line = line.to_string();
        let place = (line != "0").then_some(("line", line.as_str()));
        let pairs: Vec<_> = text.into_iter().chain(place).chain(more.iter().copied()).collect();
        let hash = place.map(|(_, n)| format!("#L{n}")).unwrap_or_default();
        format!("{}{hash}", asked.address("", &pairs))
    };
    Ok(see_other(&match (found.entries.first(), found.rest) {
        (Some(entry), _) => at(entry.number, &[]),
        (None, Some(rest)) => at(after, &[("none", "yes"), ("rest", &rest.to_string())]),
        (None, None) => at(after, &[("none", "yes")]),
    }))
}
