//! A run's output on its way to the disk: masked, cut into lines, written by one task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Keeper, Missing};
use crate::app::App;
use crate::domain::ids::{NodeName, RunNumber, StepName};
use crate::domain::mask::{MaskStream, Masker, Piece};
use crate::domain::time::Timestamp;
use crate::exec;
use crate::store::output::{EarlierOutput, LONGEST, Lines, Stream};

/// What the writer is told.
pub(super) enum News {
    /// Bytes of a stream of a step, and where in the stream on the node they end.
    Bytes { node: NodeName, step: StepName, attempt: u32, stream: Stream, bytes: Vec<u8>, end: u64 },
    /// The step has ended: what is left of its lines is written, and then it is said that they are.
    Ended { node: NodeName, step: StepName, attempt: u32, stored: oneshot::Sender<()> },
    /// A remark of Interlock's own.
    Remark { node: NodeName, step: StepName, attempt: u32, text: String },
}

impl News {
    /// What an executor handed on.
    pub(super) fn chunk(node: NodeName, step: StepName, attempt: u32, chunk: exec::Chunk) -> Self {
        let stream = match chunk.stream {
            exec::Stream::Stdout => Stream::Stdout,
            exec::Stream::Stderr => Stream::Stderr,
            exec::Stream::Remark => {
                let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
                return Self::Remark { node, step, attempt, text };
            }
        };
        Self::Bytes { node, step, attempt, stream, bytes: chunk.bytes, end: chunk.end }
    }
}

/// What became of the output.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// The length of the log, in bytes.
    pub(super) bytes: u64,
    /// Why some of it could not be kept.
    pub(super) missing: Option<Missing>,
}

/// How many pieces of output are written at once, at most.
const BATCH: usize = 16;
/// How often the length of a growing log is noted in the database.
const NOTE: Duration = Duration::from_millis(250);

/// Writes until every sender is gone. Where lines are missing, the log itself says so as soon as it can be written again.
pub(super) async fn write(
    app: Arc<App>,
    run: RunNumber,
    fence: i64,
    masker: Masker,
    earlier: Option<EarlierOutput>,
    mut news: mpsc::Receiver<News>,
) -> Written {
    let mut pipes = Pipes { masker, open: BTreeMap::new() };
    let mut written = Written { bytes: earlier.as_ref().map_or(0, |e| e.length), missing: None };
    let mut keeper = Keeper::new(app.settings.data.clone(), run, fence, earlier);
    if keeper.goes_on() {
        let shut_out = tokio::task::spawn_blocking(move || {
            keeper.shut_out();
            keeper
        });
        match shut_out.await {
            Ok(ready) => keeper = ready,
            Err(_) => return Written { missing: Some(Missing::Unwritable), ..written },
        }
    }
    let mut batch = Vec::with_capacity(BATCH);
    let mut noted = tokio::time::Instant::now();
    while news.recv_many(&mut batch, BATCH).await > 0 {
        let mut lines = Vec::new();
        let mut waiting = Vec::new();
        let at = app.clock().now();
        for one in batch.drain(..) {
            pipes.take(at, one, &mut lines, &mut waiting);
        }
        if !lines.is_empty() {
            match keep(keeper, lines, run, &mut written).await {
                Some(own) => keeper = own,
                None => return written,
            }
        }
        for stored in waiting {
            // A step that is being let go of does not wait any more.
            let _ = stored.send(());
        }
        app.live.run_changed(run);
        if noted.elapsed() >= NOTE {
            noted = tokio::time::Instant::now();
            // A lost lease shows elsewhere; here only the length is noted, and noted again at the end.
            let _ = app.report_log(run, fence, written.bytes, written.missing.is_some()).await;
        }
    }
    match tokio::task::spawn_blocking(move || keeper.sync()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => drop(written.missing.get_or_insert(Missing::of(&error))),
        Err(_) => drop(written.missing.get_or_insert(Missing::Unwritable)),
    }
    written
}

/// Keeps lines on a thread that may block on the disk; the keeper travels there and back.
async fn keep(mut keeper: Keeper, lines: Vec<Lines>, run: RunNumber, written: &mut Written) -> Option<Keeper> {
    let kept = tokio::task::spawn_blocking(move || {
        let kept = keeper.keep(lines);
        (keeper, kept)
    });
    let Ok((keeper, kept)) = kept.await else {
        tracing::error!(run.number = run.get(), "the output of a run cannot be kept any more");
        written.missing = Some(Missing::Unwritable);
        return None;
    };
    match kept {
        Ok(length) => written.bytes = length,
        Err(error) => {
            if written.missing.is_none() {
                tracing::error!(run.number = run.get(), error.cause = %error, "some output of a run could not be kept");
            }
            written.missing.get_or_insert(Missing::of(&error));
        }
    }
    Some(keeper)
}

/// The streams that are open, each behind its mask.
struct Pipes {
    masker: Masker,
    open: BTreeMap<Key, Pipe>,
}

type Key = (NodeName, StepName, u32, Stream);

struct Pipe {
    masked: MaskStream,
    line: Vec<u8>,
    /// Bytes of the stream on the node up to the end of `line`.
    at: u64,
}

impl Pipes {
    fn take(&mut self, at: Timestamp, news: News, lines: &mut Vec<Lines>, waiting: &mut Vec<oneshot::Sender<()>>) {
        match news {
            News::Bytes { node, step, attempt, stream, bytes, end } => {
                let begin = end.saturating_sub(u64::try_from(bytes.len()).unwrap_or(0));
                let key = (node, step, attempt, stream);
                let mut taken = none_yet(at, &key);
                let masker = &self.masker;
                let pipe = self.open.entry(key).or_insert_with(|| Pipe {
                    masked: masker.stream_from(begin),
                    line: Vec::new(),
                    at: begin,
                });
                let pieces = pipe.masked.push_whole(bytes);
                pipe.cut(pieces, &mut taken);
                lines.extend(Some(taken).filter(|taken| !taken.is_empty()));
            }
            News::Ended { node, step, attempt, stored } => {
                for stream in [Stream::Stdout, Stream::Stderr] {
                    let key = (node.clone(), step.clone(), attempt, stream);
                    let Some(mut pipe) = self.open.remove(&key) else { continue };
                    let mut taken = none_yet(at, &key);
                    let rest = pipe.masked.finish();
                    pipe.cut(rest, &mut taken);
                    if !pipe.line.is_empty() {
                        taken.push(&pipe.line, pipe.at, false);
                    }
                    lines.extend(Some(taken).filter(|taken| !taken.is_empty()));
                }
                waiting.push(stored);
            }
            News::Remark { node, step, attempt, text } => {
                let mut taken = none_yet(at, &(node, step, attempt, Stream::System));
                for line in text.lines() {
                    taken.push(line.as_bytes().get(..LONGEST).unwrap_or(line.as_bytes()), 0, true);
                }
                lines.push(taken);
            }
        }
    }
}

fn none_yet(at: Timestamp, (node, step, attempt, stream): &Key) -> Lines {
    Lines::new(at, node.clone(), step.clone(), *attempt, *stream)
}

impl Pipe {
    /// Adds pieces to the line; gives every line that is complete, or as long as an entry may be, to `done`, with the
    /// place in the stream where it ends. What stands for a secret is never cut.
    fn cut(&mut self, pieces: Vec<Piece>, done: &mut Lines) {
        for Piece { bytes, secret, end } in pieces {
            if secret {
                if self.line.len() + bytes.len() > LONGEST {
                    self.end_line(false, done);
                }
                self.line.extend_from_slice(&bytes);
                self.at = end;
                continue;
            }
            self.at = end - length(&bytes);
            let bytes = Bytes::from(bytes);
            let mut left: &[u8] = &bytes;
            while !left.is_empty() {
                // Most lines come whole, and many at once.
                let whole = if self.line.is_empty() { whole_lines(left) } else { &[] };
                if !whole.is_empty() {
                    self.at += length(whole);
                    done.push_whole(bytes.slice_ref(whole), self.at);
                    left = left.get(whole.len()..).unwrap_or_default();
                    continue;
                }
                let (mut body, ended) = match memchr::memchr(b'\n', left) {
                    Some(at) => (left.get(..at).unwrap_or_default(), true),
                    None => (left, false),
                };
                left = left.get(body.len() + usize::from(ended)..).unwrap_or_default();
                while self.line.len() + body.len() > LONGEST {
                    let (now, later) = body.split_at(LONGEST - self.line.len());
                    self.line.extend_from_slice(now);
                    self.at += length(now);
                    self.end_line(false, done);
                    body = later;
                }
                self.at += length(body) + u64::from(ended);
                self.line.extend_from_slice(body);
                if ended {
                    self.end_line(true, done);
                }
            }
        }
    }

    fn end_line(&mut self, ended: bool, done: &mut Lines) {
        done.push(&self.line, self.at, ended);
        self.line.clear();
    }
}

/// The lines at the front that are whole, up to one that is longer than an entry may be.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    // What ends with a line break and is no longer than a line may be holds no line that is.
    while let Some(last) =
        bytes.get(end..).and_then(|left| memchr::memrchr(b'\n', left.get(..=LONGEST).unwrap_or(left)))
    {
        end += last + 1;
    }
    bytes.get(..end).unwrap_or_default()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(0)
}
