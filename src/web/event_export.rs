//! Events as a file: a line of JSON each, or a table for spreadsheets.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::error::AppError;
use crate::domain::event::Event;
use crate::web::api::events::event as as_json;
use crate::web::api::wire::bad_query;
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::event_query::{EventQuery, read};

/// `GET /events/export` and `GET /api/v1/events/export`: everything that the list has by the same words, with payloads;
/// `format=ndjson` or `format=csv`.
pub async fn export(call: Call) -> Answer {
    let csv = match call.query("format").as_deref() {
        None | Some("ndjson") => false,
        Some("csv") => true,
        Some(_) => return Err(bad_query("`format` has to be ndjson or csv.".to_owned())),
    };
    let EventQuery { project, filter } = read(&call)?;
    let (app, actor) = (Arc::clone(&call.app), call.actor()?.clone());
    let projects = Arc::new(app.begin_export(&actor, project.as_ref(), &filter).await?);
    let head = if csv { HEAD.to_owned() } else { String::new() };
    let pieces = futures_util::stream::unfold(Some((None, head)), move |state| {
        let (app, actor, projects, filter) = (Arc::clone(&app), actor.clone(), Arc::clone(&projects), filter.clone());
        async move {
            let (after, mut text) = state?;
            match app.export_piece(&actor, &projects, &filter, after).await {
                Ok(page) => {
                    for event in &page.items {
                        text.push_str(&if csv { row(event) } else { line(event) });
                    }
                    let next = page.next.map(|next| (Some(next), String::new()));
                    Some((Ok::<_, std::io::Error>(actix_web::web::Bytes::from(text)), next))
                }
                Err(error) => {
                    tracing::warn!(error.cause = %error, "an export of events broke off");
                    // The connection breaks, so that nobody takes what came for the whole.
                    Some((Err(std::io::Error::other(said(&error))), None))
                }
            }
        }
    });
    let (kind, name) =
        if csv { ("text/csv; charset=utf-8", "events.csv") } else { ("application/x-ndjson", "events.ndjson") };
    Ok(actix_web::HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .streaming(Box::pin(pieces)))
}

fn said(error: &AppError) -> String {
    error.refusal().map_or_else(|| "something is broken".to_owned(), |refusal| refusal.message.clone())
}

fn line(event: &Event) -> String {
    let mut out = as_json(event);
    if let Some(object) = out.as_object_mut() {
        let payload = serde_json::from_str::<Value>(&event.payload).unwrap_or_else(|_| json!(event.payload));
        object.insert("payload".to_owned(), payload);
    }
    format!("{out}\n")
}

const HEAD: &str = "id,time,project,source,type,verdict,run,detail,dedupe_key,payload\r\n";

fn row(event: &Event) -> String {
    let verdict = serde_json::to_value(event.verdict).ok();
    let cells = [
        event.id.to_string(),
        event.received_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        event.project.to_string(),
        event.source.clone(),
        event.event_type.clone(),
        verdict.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
        event.run.map(|run| run.to_string()).unwrap_or_default(),
        event.detail.clone(),
        event.dedupe_key.clone(),
        event.payload.clone(),
    ];
    format!("{}\r\n", cells.map(|cell| quoted(&cell)).join(","))
}

/// A cell as RFC 4180 has it. What a spreadsheet would take for a formula gets an apostrophe before it, as anybody can post
/// an event.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        assert_eq!(quoted("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
