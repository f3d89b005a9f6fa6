//! The live log: server-sent events. Each event is authorised anew, with the session or token looked up again.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use tokio::sync::broadcast;

use super::run::number_of;
use super::run_log::lines;
use crate::app::App;
use crate::app::error::AppResult;
use crate::app::log::{From, Wanted};
use crate::domain::ids::{NodeName, RunNumber};
use crate::domain::run::State;
use crate::web::call::{Call, unauthenticated};
use crate::web::error::Answer;
use crate::web::pipeline;

/// How often the store is looked at while no signal comes: another server may be the one that writes.
const LOOK: Duration = Duration::from_millis(300);

/// How often a silent connection says that it lives, so that proxies keep it.
const BEAT: Duration = Duration::from_secs(15);

/// How often the rest of the page is told to look at the grid.
const TELL: Duration = Duration::from_secs(1);

/// Lines of one event.
const MOST: usize = 500;

struct Follower {
    app: Arc<App>,
    request: HttpRequest,
    number: RunNumber,
    wanted: Wanted,
    offset: u64,
    state: Option<State>,
    changed: bool,
    told: Instant,
    said: Instant,
    signals: broadcast::Receiver<RunNumber>,
    over: bool,
}

/// `GET /runs/{number}/stream`.
pub async fn follow(call: Call) -> Answer {
    let number = number_of(&call)?;
    call.app.run_state(call.actor()?, number).await?;
    let resumed = call.header("last-event-id").and_then(|id| id.parse().ok());
    let asked = call.query("offset").and_then(|o| o.parse().ok());
    let now = Instant::now();
    let follower = Follower {
        signals: call.app.live.runs(),
        app: Arc::clone(&call.app),
        request: call.request.clone(),
        number,
        wanted: Wanted { node: call.query("node").and_then(|n| NodeName::parse(&n).ok()), ..Wanted::default() },
        offset: resumed.or(asked).unwrap_or(0),
        state: None,
        changed: false,
        told: now,
        said: now,
        over: false,
    };
    let events = futures_util::stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events))
}

impl Follower {
    /// The next text to send; `None` ends the stream. A listener who may not look any more is simply let go.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.over {
                return None;
            }
            match self.look().await {
                Ok(Some(text)) => {
                    self.said = Instant::now();
                    return Some(text);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(run.id = self.number.get(), error.cause = %error, "a follower of a log was let go");
                    return None;
                }
            }
            if self.said.elapsed() > BEAT {
                self.said = Instant::now();
                return Some(": still here\n\n".to_owned());
            }
            self.wait().await;
        }
    }

    async fn look(&mut self) -> AppResult<Option<String>> {
        let caller = pipeline::caller_of(&self.request, &self.app).await?.ok_or_else(unauthenticated)?;
        // The state comes first: what is written before a run ends is then in the log that is read after it.
        let run = self.app.run_state(&caller.actor, self.number).await?;
        let from = From::Offset(self.offset);
        let (_, page) = self.app.log(&caller.actor, self.number, from, MOST, self.wanted.clone()).await?;
        let moved = page.next != self.offset;
        self.offset = page.next;
        let mut out = String::new();
        if !page.entries.is_empty() {
            let data = lines(&page.entries, None).trim_end().replace('\n', "\ndata: ");
            let _ = write!(out, "event: lines\nid: {}\ndata: {data}\n\n", page.next);
        }
        let differs = self.state.replace(run.state).is_some_and(|before| before != run.state);
        if differs || (self.changed && self.told.elapsed() > TELL) {
            self.changed = false;
            self.told = Instant::now();
            let _ = write!(out, "event: state\ndata: {}\n\n", run.state);
        }
        if run.state.is_terminal() && !moved {
            self.over = true;
            let _ = write!(out, "event: end\ndata: {}\n\n", run.state);
        }
        Ok(Some(out).filter(|text| !text.is_empty()))
    }

    /// Until a signal about this run, or a moment.
    async fn wait(&mut self) {
        let number = self.number;
        let signals = &mut self.signals;
        let heard = async {
            loop {
                match signals.recv().await {
                    Ok(run) if run == number => return,
                    Ok(_) => {}
                    // Too many signals at once: one of them may have been ours.
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
                }
            }
        };
        if tokio::time::timeout(LOOK, heard).await.is_ok() {
            self.changed = true;
        }
    }
}
