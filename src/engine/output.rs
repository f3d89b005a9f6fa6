//! A run's output on its way to the disk: masked, cut into lines, written by one task.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::app::App;
use crate::domain::ids::{NodeName, RunNumber, StepName};
use crate::domain::mask::Masker;
use crate::exec;
use crate::store::output::{LONGEST, Line, Stream, Writer};

/// What the writer is told.
pub(super) enum News {
    /// Bytes of a stream of a step.
    Bytes { node: NodeName, step: StepName, stream: Stream, bytes: Vec<u8> },
    /// The step has ended: what is left of its lines is written.
    Ended { node: NodeName, step: StepName },
    /// A remark of Interlock's own.
    Remark { node: NodeName, step: StepName, text: String },
}

/// What became of the output.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// The length of the log, in bytes.
    pub(super) bytes: u64,
    /// Why some of it could not be kept.
    pub(super) missing: Option<Missing>,
}

/// Why output could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The disk was full.
    Full,
    /// The files could not be written for another reason.
    Unwritable,
}

impl Missing {
    fn of(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull { Self::Full } else { Self::Unwritable }
    }

    /// In words that end a sentence.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Full => "the disk was full",
            Self::Unwritable => "its files could not be written",
        }
    }
}

struct Pipe {
    masked: crate::domain::mask::MaskStream,
    line: Vec<u8>,
}

/// Writes until every sender is gone. Where lines are missing, the log itself says so as soon as it can be written again.
pub(super) async fn write(
    app: Arc<App>,
    run: RunNumber,
    fence: i64,
    masker: Masker,
    mut news: mpsc::Receiver<News>,
) -> Written {
    let mut pipes: BTreeMap<(NodeName, StepName, &'static str), Pipe> = BTreeMap::new();
    let mut written = Written::default();
    let mut keeper = Keeper { data: app.settings.data.clone(), run, writer: None, lost: 0 };
    let mut batch = Vec::with_capacity(256);
    while news.recv_many(&mut batch, 256).await > 0 {
        let mut lines = Vec::new();
        for one in batch.drain(..) {
            take(&app, &masker, &mut pipes, one, &mut lines);
        }
        if lines.is_empty() {
            continue;
        }
        // Writing may block on the disk; the keeper travels to a thread that may, and back.
        let mut own = keeper;
        let kept = tokio::task::spawn_blocking(move || {
            let kept = own.keep(lines);
            (own, kept)
        });
        let Ok((own, kept)) = kept.await else {
            tracing::error!(run.number = run.get(), "the output of a run cannot be kept any more");
            written.missing = Some(Missing::Unwritable);
            return written;
        };
        keeper = own;
        match kept {
            Ok(length) => written.bytes = length,
            Err(error) => {
                if written.missing.is_none() {
                    tracing::error!(run.number = run.get(), error.cause = %error, "some output of a run could not be kept");
                }
                written.missing.get_or_insert(Missing::of(&error));
            }
        }
        // A lost lease shows elsewhere; here only the length is noted.
        if app.report_log(run, fence, written.bytes, written.missing.is_some()).await.is_ok() {
            app.live.run_changed(run);
        }
    }
    if let Some(writer) = keeper.writer {
        match tokio::task::spawn_blocking(move || writer.sync()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => drop(written.missing.get_or_insert(Missing::of(&error))),
            Err(_) => drop(written.missing.get_or_insert(Missing::Unwritable)),
        }
    }
    written
}

/// Keeps lines on the disk, and counts those that could not be kept.
struct Keeper {
    data: PathBuf,
    run: RunNumber,
    writer: Option<Writer>,
    /// Lines that are missing since the last one that was kept.
    lost: usize,
}

impl Keeper {
    /// Appends lines, with a remark before them where others are missing; the log's length afterwards.
    fn keep(&mut self, mut lines: Vec<Line>) -> std::io::Result<u64> {
        let count = lines.len();
        if let (true, Some(first)) = (self.lost > 0, lines.first()) {
            let text = format!("{} lines are missing here: they could not be kept.", self.lost);
            let remark = Line { stream: Stream::System, bytes: text.into_bytes(), ended: true, ..first.clone() };
            lines.insert(0, remark);
        }
        match self.append(&lines) {
            Ok(length) => {
                self.lost = 0;
                Ok(length)
            }
            Err(error) => {
                self.lost += count;
                Err(error)
            }
        }
    }

    fn append(&mut self, lines: &[Line]) -> std::io::Result<u64> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => Writer::open(&self.data, self.run)?,
        };
        let length = writer.append(lines);
        self.writer = Some(writer);
        length
    }
}

fn take(
    app: &App,
    masker: &Masker,
    pipes: &mut BTreeMap<(NodeName, StepName, &'static str), Pipe>,
    news: News,
    lines: &mut Vec<Line>,
) {
    let at = app.clock().now();
    match news {
        News::Bytes { node, step, stream, bytes } => {
            let key = (node.clone(), step.clone(), stream.as_str());
            let pipe = pipes.entry(key).or_insert_with(|| Pipe { masked: masker.stream(), line: Vec::new() });
            let clean = pipe.masked.push(&bytes);
            cut(&mut pipe.line, &clean, |bytes, ended| {
                lines.push(Line { at, node: node.clone(), step: step.clone(), stream, bytes, ended });
            });
        }
        News::Ended { node, step } => {
            for stream in [Stream::Stdout, Stream::Stderr] {
                let Some(mut pipe) = pipes.remove(&(node.clone(), step.clone(), stream.as_str())) else { continue };
                let rest = pipe.masked.finish();
                let mut push = |bytes, ended| {
                    lines.push(Line { at, node: node.clone(), step: step.clone(), stream, bytes, ended });
                };
                cut(&mut pipe.line, &rest, &mut push);
                if !pipe.line.is_empty() {
                    push(std::mem::take(&mut pipe.line), false);
                }
            }
        }
        News::Remark { node, step, text } => {
            for line in text.lines() {
                let bytes = line.as_bytes().iter().copied().take(LONGEST).collect();
                lines.push(Line {
                    at,
                    node: node.clone(),
                    step: step.clone(),
                    stream: Stream::System,
                    bytes,
                    ended: true,
                });
            }
        }
    }
}

/// Adds bytes to a line; gives every line that is complete, or as long as an entry may be, to `done`.
fn cut(line: &mut Vec<u8>, bytes: &[u8], mut done: impl FnMut(Vec<u8>, bool)) {
    for piece in bytes.split_inclusive(|b| *b == b'\n') {
        let (body, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |body| (body, true));
        let mut rest = body;
        while line.len() + rest.len() > LONGEST {
            let (now, later) = rest.split_at(LONGEST - line.len());
            line.extend_from_slice(now);
            done(std::mem::take(line), false);
            rest = later;
        }
        line.extend_from_slice(rest);
        if ended {
            done(std::mem::take(line), true);
        }
    }
}

/// The stream of an executor's chunk.
pub(super) fn stream_of(stream: exec::Stream) -> Stream {
    match stream {
        exec::Stream::Stdout => Stream::Stdout,
        exec::Stream::Stderr => Stream::Stderr,
    }
}
