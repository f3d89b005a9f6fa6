//! One shell on a node: what goes in, and what comes out of its two streams.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::flow::{Flow, Pipe};
use super::frames::{Frames, Item};
use super::{Known, Stream, bootstrap};

/// How long the node may take to answer at all.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// An open shell that runs `node.sh`.
pub(super) struct Channel {
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn Pipe>,
    pub stderr: Box<dyn Pipe>,
    /// Kept as long as the channel is used.
    pub guard: Box<dyn std::any::Any + Send>,
}

/// Why a shell could not be opened: code and sentence.
pub(super) type NotOpened = (&'static str, String);

/// Opens shells on one target.
pub(super) trait Shell: Send + Sync {
    /// A shell for a step; may wait for its turn.
    fn open(&self) -> BoxFuture<'_, Result<Session, NotOpened>>;
    /// A shell to stop a step with; never waits behind steps.
    fn open_control(&self) -> BoxFuture<'_, Result<Session, NotOpened>>;
}

/// What came from the node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Output of the step, and where in its stream it ends.
    Output(Stream, Vec<u8>, u64),
    /// The words of a frame on standard output.
    Frame(String),
    /// Standard error is over: the program said so. Children that a step left behind may keep a stream open for ever.
    ErrorsOver,
    /// Nothing more comes.
    Closed,
}

/// A shell in use.
pub(super) struct Session {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    out: Source,
    err: Source,
    nonce: String,
    /// What came before the greeting: the last of it, for messages.
    noise: Vec<u8>,
    /// Read, and not handed on yet. What is awaited can be dropped at any point without losing anything.
    queue: VecDeque<Event>,
    guard: Box<dyn std::any::Any + Send>,
}

struct Source {
    stream: Stream,
    flow: Flow,
    frames: Frames,
    greeted: bool,
    ended: bool,
    /// Bytes of the step's output so far.
    at: u64,
}

/// How much of what a shell said by itself is kept.
const NOISE: usize = 4_096;

impl Source {
    fn new(stream: Stream, pipe: Box<dyn Pipe>, nonce: &str) -> Self {
        Self { stream, flow: Flow::new(pipe), frames: Frames::new(nonce), greeted: false, ended: false, at: 0 }
    }

    /// The next items; at the end of the stream what was kept back. Safe to drop between calls.
    async fn next(&mut self) -> Vec<Item> {
        let bytes = self.flow.next().await;
        if !bytes.is_empty() {
            return self.frames.push(bytes);
        }
        self.ended = true;
        let rest = self.frames.finish();
        if rest.is_empty() { Vec::new() } else { vec![Item::Bytes(rest)] }
    }
}

impl Session {
    pub(super) fn new(channel: Channel) -> Self {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Self {
            stdin: channel.stdin,
            out: Source::new(Stream::Stdout, channel.stdout, &nonce),
            err: Source::new(Stream::Stderr, channel.stderr, &nonce),
            nonce,
            noise: Vec::new(),
            queue: VecDeque::new(),
            guard: channel.guard,
        }
    }

    /// Sends the program for a step, and waits until it says hello. It then waits for the step as long as it has to.
    pub(super) async fn greet(&mut self) -> Result<(), NotOpened> {
        let greeting = async {
            // A shell that is not one closes its input; what it says then tells more than the write's error.
            let written = self.ask("step").await;
            while !self.greeted() && self.read().await {}
            self.greeted() && written.is_ok()
        };
        match tokio::time::timeout(ANSWER, greeting).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(_) => return Err(("no_answer", "the node's shell did not answer within 30 seconds".to_owned())),
        }
        let noise = self.noise();
        let said = if noise.is_empty() { String::new() } else { format!("; it said: {noise}") };
        Err((
            "no_shell",
            format!(
                "the account's login shell on the node did not run /bin/sh{said}; check that the account may log in"
            ),
        ))
    }

    /// Counts the step's output from here on.
    pub(super) fn count_from(&mut self, known: Known) {
        (self.out.at, self.err.at) = (known.out, known.err);
    }

    /// Says what is wanted.
    pub(super) async fn ask(&mut self, words: &str) -> std::io::Result<()> {
        let opening = bootstrap::opening(&format!("{} {words}", self.nonce));
        self.write(opening.as_bytes()).await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stdin.write_all(bytes).await?;
        self.stdin.flush().await
    }

    /// Whether the node's own program is at the other end.
    pub(super) fn greeted(&self) -> bool {
        self.out.greeted
    }

    /// What the shell said before the program did, as one line.
    fn noise(&self) -> String {
        let text = String::from_utf8_lossy(&self.noise);
        text.trim().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// Takes it from the program's word that nothing comes on standard error.
    pub(super) fn no_errors(&mut self) {
        self.err.ended = true;
    }

    /// Whether standard error is over: closed, or the program said so.
    pub(super) fn errors_over(&self) -> bool {
        self.err.ended
    }

    /// The next event. Safe to drop.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return event;
            }
            if !self.read().await {
                return Event::Closed;
            }
        }
    }

    /// Reads once from either stream; whether there was one to read from.
    pub(super) async fn read(&mut self) -> bool {
        let (from, items) = tokio::select! {
            items = self.out.next(), if !self.out.ended => (Stream::Stdout, items),
            items = self.err.next(), if !self.err.ended => (Stream::Stderr, items),
            else => return false,
        };
        for item in items {
            self.take(from, item);
        }
        true
    }

    fn take(&mut self, from: Stream, item: Item) {
        let source = if from == Stream::Stdout { &mut self.out } else { &mut self.err };
        match item {
            Item::Bytes(bytes) if source.greeted => {
                source.at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.queue.push_back(Event::Output(source.stream, bytes, source.at));
            }
            Item::Bytes(bytes) => {
                self.noise.extend_from_slice(&bytes);
                let excess = self.noise.len().saturating_sub(NOISE);
                self.noise.drain(..excess);
            }
            Item::Frame(words) if words == "hello" => source.greeted = true,
            Item::Frame(words) if words == "end" => {
                source.ended = true;
                self.queue.push_back(Event::ErrorsOver);
            }
            Item::Frame(words) if from == Stream::Stdout => self.queue.push_back(Event::Frame(words)),
            Item::Frame(_) => {}
        }
    }

    /// Says that everything is stored, and waits until the node has heard it.
    pub(super) async fn receipt(mut self) {
        if self.write(b"kept\n").await.is_ok() {
            // The node cleans up; when it is slow with that nobody has to wait for it.
            let closed = async { while self.next().await != Event::Closed {} };
            let _ = tokio::time::timeout(Duration::from_secs(10), closed).await;
        }
        drop(self.guard);
    }
}
