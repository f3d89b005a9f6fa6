//! `GET /runs/{number}/log`: entries as JSON, as text, or followed as server-sent events.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use serde_json::{Value, json};

use super::runs::number;
use super::wire;
use crate::app::error::AppResult;
use crate::app::log::{From, Wanted};
use crate::domain::ids::{NodeName, RunNumber, StepName};
use crate::web::call::Call;
use crate::web::error::Answer;
use crate::web::pipeline;

/// How long a follower waits for a signal before it looks by itself.
const LOOK: Duration = Duration::from_millis(300);
/// After so many looks in vain a comment is sent, so that proxies keep the line open: about 15 seconds.
const QUIET_LOOKS: u32 = 50;

/// `?offset&limit&node&step&follow`.
pub async fn show(call: Call) -> Answer {
    let run = number(&call)?;
    let resumed = call.header("last-event-id").map(str::to_owned);
    let offset = wire::number(resumed.or_else(|| call.query("offset")), 0, u64::MAX)?;
    let limit = usize::try_from(wire::number(call.query("limit"), 1_000, 10_000)?).unwrap_or(1_000);
    let wanted = wanted(&call)?;
    if call.query("follow").is_some_and(|f| f == "true" || f == "1") {
        call.app.run_state(call.actor()?, run).await?;
        return Ok(follow(call, run, offset, wanted));
    }
    let (_, page) = call.app.log(call.actor()?, run, From::Offset(offset), limit, wanted).await?;
    if call.header("accept").is_some_and(|a| a.contains("text/plain")) {
        let mut text = Vec::new();
        for entry in &page.entries {
            text.extend_from_slice(&entry.line.bytes);
            if entry.line.ended {
                text.push(b'\n');
            }
        }
        return Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("X-Next-Offset", page.next.to_string()))
            .body(text));
    }
    let state = call.app.run_state(call.actor()?, run).await?.state;
    let items: Vec<Value> = page.entries.iter().map(wire::entry).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": page.next, "state": state })))
}

fn wanted(call: &Call) -> AppResult<Wanted> {
    let bad = |e: crate::domain::ids::BadId| wire::bad_query(format!("{e}."));
    Ok(Wanted {
        node: call.query("node").map(|n| NodeName::parse(&n)).transpose().map_err(bad)?,
        step: call.query("step").map(|s| StepName::parse(&s)).transpose().map_err(bad)?,
        text: call.query("text"),
    })
}

/// Sends entries as they come, each batch with the offset to go on from as its id; `end` with the state at the end.
/// Who listens is looked up again for every look at the log, so that a lost right or session ends the stream.
fn follow(call: Call, run: RunNumber, offset: u64, wanted: Wanted) -> HttpResponse {
    let changes = call.app.live.runs();
    // The first look in vain is told at once: whoever waits then knows that they are heard.
    let stream = futures_util::stream::unfold(Some((call, changes, offset, QUIET_LOOKS)), move |state| {
        let wanted = wanted.clone();
        async move {
            let (call, mut changes, offset, mut quiet) = state?;
            loop {
                let Ok(Some(caller)) = pipeline::caller_of(&call.request, &call.app).await else { return None };
                // The state is read before the log, so that nothing is written after the last look.
                let state = call.app.run_state(&caller.actor, run).await.ok()?.state;
                let (_, page) =
                    call.app.log(&caller.actor, run, From::Offset(offset), 500, wanted.clone()).await.ok()?;
                if !page.entries.is_empty() {
                    let items: Vec<Value> = page.entries.iter().map(wire::entry).collect();
                    let text = format!("event: entries\nid: {}\ndata: {}\n\n", page.next, json!(items));
                    return Some((Ok::<_, actix_web::Error>(Bytes::from(text)), Some((call, changes, page.next, 0))));
                }
                if state.is_terminal() {
                    let text = format!("event: end\nid: {}\ndata: {}\n\n", page.next, json!({ "state": state }));
                    return Some((Ok(Bytes::from(text)), None));
                }
                if quiet >= QUIET_LOOKS {
                    return Some((Ok(Bytes::from(": still here\n\n")), Some((call, changes, page.next, 0))));
                }
                if tokio::time::timeout(LOOK, changes.recv()).await.is_err() {
                    quiet += 1;
                }
            }
        }
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(stream))
}
