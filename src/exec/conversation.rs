//! The conversation with a step's bootstrap, over any shell that can be opened.
//!
//! Decides what is certain: before the node has all of the payload nothing has run; after it, only the node's own
//! frames say how it ended.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::frames::{Frames, Item};
use super::{CancelSignal, Chunk, StepOutcome, StepRequest, Stream, bootstrap, wire};

/// An open shell that runs the loader.
pub(super) struct Channel {
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Kept as long as the channel is used.
    pub guard: Box<dyn std::any::Any + Send>,
}

/// Why a shell could not be opened: code and sentence.
pub(super) type NotOpened = (&'static str, String);

/// Opens shells on one target.
pub(super) trait Shell: Send + Sync {
    /// A shell for a step; may wait for its turn.
    fn open(&self) -> BoxFuture<'_, Result<Channel, NotOpened>>;
    /// A shell to stop a step with; never waits behind steps.
    fn open_control(&self) -> BoxFuture<'_, Result<Channel, NotOpened>>;
}

/// How long the node may take to answer at all.
const ANSWER: Duration = Duration::from_secs(30);
/// How long to wait for what still has to come after the end is known.
const TAIL: Duration = Duration::from_secs(5);
/// Between TERM and KILL.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// What the node said about stopping.
enum Stopped {
    /// There was nothing left to stop.
    Ended,
    /// Stopped; nothing is left.
    Gone,
    /// Not confirmed, and why.
    Unsure(String),
}

/// Runs a step over a shell.
pub(super) async fn run_step(
    shell: &dyn Shell,
    request: &StepRequest,
    output: mpsc::Sender<Chunk>,
    mut cancel: CancelSignal,
) -> StepOutcome {
    let not_started = |code, message: String| StepOutcome::CouldNotStart { code, message };
    let payload = match wire::payload(request) {
        Ok(payload) => payload,
        Err(e) => return not_started("bad_request", e.to_string()),
    };
    if cancel.is_given() {
        return StepOutcome::Canceled;
    }
    let opened = tokio::select! {
        opened = shell.open() => opened,
        () = cancel.given() => return StepOutcome::Canceled,
    };
    let channel = match opened {
        Ok(channel) => channel,
        Err((code, message)) => return not_started(code, message),
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut step = Step::new(channel, output);
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(ANSWER, step.greet(&id)) => greeted,
        () = cancel.given() => return StepOutcome::Canceled,
    };
    match greeted {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => return refusal,
        Err(_) => return not_started("no_answer", "the node's shell did not answer within 30 seconds".to_owned()),
    }
    if let Err(e) = step.hand_over(&payload).await {
        return not_started("connection_lost", format!("the connection was lost before the step was handed over: {e}"));
    }
    step.follow(shell, &id, request.timeout, &mut cancel).await
}

/// One step under way.
struct Step {
    stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    stdout: Source,
    stderr: Source,
    output: mpsc::Sender<Chunk>,
    nonce: String,
    /// What came before the bootstrap's greeting: the last of it, for messages.
    noise: Vec<u8>,
    exit: Option<StepOutcome>,
    /// Read, and not handed on yet. What is awaited can be dropped at any point without losing anything.
    queue: VecDeque<(Stream, Item)>,
    _guard: Box<dyn std::any::Any + Send>,
}

/// One stream from the node.
struct Source {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    frames: Frames,
    greeted: bool,
    ended: bool,
    buffer: Vec<u8>,
}

impl Source {
    fn new(reader: Box<dyn AsyncRead + Send + Unpin>, nonce: &str) -> Self {
        Self { reader, frames: Frames::new(nonce), greeted: false, ended: false, buffer: vec![0; 16 * 1024] }
    }

    /// The next items; at the end of the stream what was kept back. Safe to drop between calls.
    async fn next(&mut self) -> Vec<Item> {
        match self.reader.read(&mut self.buffer).await {
            Ok(0) | Err(_) => {
                self.ended = true;
                let rest = self.frames.finish();
                if rest.is_empty() { Vec::new() } else { vec![Item::Bytes(rest)] }
            }
            Ok(n) => self.frames.push(self.buffer.get(..n).unwrap_or_default()),
        }
    }
}

impl Step {
    fn new(channel: Channel, output: mpsc::Sender<Chunk>) -> Self {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Self {
            stdin: Some(channel.stdin),
            stdout: Source::new(channel.stdout, &nonce),
            stderr: Source::new(channel.stderr, &nonce),
            output,
            nonce,
            noise: Vec::new(),
            exit: None,
            queue: VecDeque::new(),
            _guard: channel.guard,
        }
    }

    /// Sends the bootstrap and waits until it says hello.
    async fn greet(&mut self, id: &str) -> Result<(), StepOutcome> {
        let opening = format!("{}{}\n{id}\n", *bootstrap::RUN, self.nonce);
        // A shell that is not one closes its input; what it says then tells more than the write's error.
        let written = self.write(opening.as_bytes()).await;
        while !self.stdout.greeted && !self.stdout.ended && self.exit.is_none() {
            self.read().await;
        }
        if let Some(outcome) = self.exit.take() {
            return Err(outcome);
        }
        if self.stdout.greeted && written.is_ok() {
            return Ok(());
        }
        // The noise is often on standard error.
        self.read_on(|step| step.stderr.ended).await;
        let noise = String::from_utf8_lossy(&self.noise);
        let said: String = noise.trim().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let said = if said.is_empty() { String::new() } else { format!("; it said: {said}") };
        Err(StepOutcome::CouldNotStart {
            code: "no_shell",
            message: format!(
                "the account's login shell on the node did not run /bin/sh{said}; check that the account may log in"
            ),
        })
    }

    async fn hand_over(&mut self, payload: &[u8]) -> std::io::Result<()> {
        let result = self.write(payload).await;
        self.stdin = None;
        result
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        stdin.write_all(bytes).await?;
        stdin.flush().await
    }

    /// Reads once and hands on what came.
    async fn read(&mut self) {
        self.hand_on().await;
        self.fill().await;
        self.hand_on().await;
    }

    /// Reads until something holds, or nothing came for a while; a slow listener is waited for.
    async fn read_on(&mut self, enough: impl Fn(&Self) -> bool) {
        let until = tokio::time::Instant::now() + TAIL;
        self.hand_on().await;
        while !(enough(self) || (self.stdout.ended && self.stderr.ended)) {
            if tokio::time::timeout_at(until, self.fill()).await.is_err() {
                break;
            }
            self.hand_on().await;
        }
    }

    async fn fill(&mut self) {
        let (from, items) = tokio::select! {
            items = self.stdout.next(), if !self.stdout.ended => (Stream::Stdout, items),
            items = self.stderr.next(), if !self.stderr.ended => (Stream::Stderr, items),
            else => return,
        };
        self.queue.extend(items.into_iter().map(|item| (from, item)));
    }

    async fn hand_on(&mut self) {
        while let Some((from, item)) = self.queue.front() {
            let (from, output) = (*from, matches!(item, Item::Bytes(_)));
            if !(output && self.source(from).greeted) {
                if let Some((from, item)) = self.queue.pop_front() {
                    self.take(from, item);
                }
                continue;
            }
            // Nobody listening is no reason to stop the step.
            let place = self.output.reserve().await;
            if let (Some((stream, Item::Bytes(bytes))), Ok(place)) = (self.queue.pop_front(), place) {
                place.send(Chunk { stream, bytes });
            }
        }
    }

    fn source(&mut self, stream: Stream) -> &mut Source {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// A frame, or noise before the bootstrap's greeting.
    fn take(&mut self, from: Stream, item: Item) {
        match item {
            Item::Bytes(bytes) => {
                self.noise.extend_from_slice(&bytes);
                let excess = self.noise.len().saturating_sub(4_096);
                self.noise.drain(..excess);
            }
            Item::Frame(words) => match words.split_once(' ').unwrap_or((words.as_str(), "")) {
                ("hello", _) => self.source(from).greeted = true,
                ("end", _) => self.source(from).ended = true,
                ("exit", code) if from == Stream::Stdout => {
                    self.exit = Some(match code.parse() {
                        Ok(code) => StepOutcome::Exited(code),
                        Err(_) => StepOutcome::Unknown { message: "the node gave no exit code".to_owned() },
                    });
                }
                ("refused", why) if from == Stream::Stdout => self.exit = Some(refusal(why)),
                _ => {}
            },
        }
    }

    /// From the hand-over to the end.
    async fn follow(
        &mut self,
        shell: &dyn Shell,
        id: &str,
        timeout: Option<Duration>,
        cancel: &mut CancelSignal,
    ) -> StepOutcome {
        let mut deadline = std::pin::pin!(async {
            match timeout {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        });
        let stopped_as = loop {
            if self.exit.is_some() || (self.stdout.ended && self.stderr.ended) {
                break None;
            }
            tokio::select! {
                biased;
                () = cancel.given() => break Some(StepOutcome::Canceled),
                () = &mut deadline => break Some(StepOutcome::TimedOut),
                () = self.read() => {}
            }
        };
        let Some(stopped_as) = stopped_as else {
            self.drain().await;
            return self.outcome();
        };
        let stopped = {
            let mut stop = std::pin::pin!(stop(shell, id));
            loop {
                tokio::select! {
                    stopped = &mut stop => break stopped,
                    () = self.read(), if !(self.stdout.ended && self.stderr.ended) => {}
                }
            }
        };
        // The step's last words and its exit frame come after it was stopped.
        self.read_on(|step| step.exit.is_some()).await;
        self.drain().await;
        match stopped {
            Stopped::Gone => stopped_as,
            Stopped::Ended => self.outcome(),
            Stopped::Unsure(why) => StepOutcome::Unknown {
                message: format!("the step was asked to stop, but this is not confirmed: {why}"),
            },
        }
    }

    /// Reads what is still under way once the exit frame is there. Children that the step left behind may keep the
    /// streams open for ever, so the end frame of standard error is the end.
    async fn drain(&mut self) {
        if self.exit.is_some() {
            self.stdout.ended = true;
        }
        self.read_on(|step| step.stderr.ended).await;
    }

    fn outcome(&mut self) -> StepOutcome {
        self.exit.take().unwrap_or_else(|| StepOutcome::Unknown {
            message:
                "the connection to the node was lost while the step was running; whether it ended, and how, is not \
                      known"
                    .to_owned(),
        })
    }
}

fn refusal(why: &str) -> StepOutcome {
    let (code, message) = match why {
        "no_directory" => (
            "no_directory",
            "the node has no place for the step: neither ${TMPDIR:-/tmp} nor the home directory can be written",
        ),
        "incomplete" => ("connection_lost", "the node did not get all of the step; nothing ran"),
        "no_interpreter" => ("no_interpreter", "the step's interpreter is not on the node; install it or name another"),
        "no_space" => ("no_space", "the node could not write the step's files; is its disk full?"),
        _ => ("refused", "the node refused the step"),
    };
    StepOutcome::CouldNotStart { code, message: message.to_owned() }
}

/// Stops a step through a second shell. A lost answer is asked for again: stopping twice is the same as once.
async fn stop(shell: &dyn Shell, id: &str) -> Stopped {
    let mut why = String::new();
    for _ in 0..2 {
        match tokio::time::timeout(ANSWER + GRACE, try_stop(shell, id)).await {
            Ok(Ok(stopped)) => return stopped,
            Ok(Err(message)) => why = message,
            Err(_) => "the node did not answer".clone_into(&mut why),
        }
    }
    Stopped::Unsure(why)
}

async fn try_stop(shell: &dyn Shell, id: &str) -> Result<Stopped, String> {
    let mut channel = shell.open_control().await.map_err(|(_, message)| message)?;
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let text = format!("{}{nonce}\n{id}\n{}\n", *bootstrap::STOP, GRACE.as_secs());
    channel.stdin.write_all(text.as_bytes()).await.map_err(|e| e.to_string())?;
    channel.stdin.flush().await.map_err(|e| e.to_string())?;
    let mut source = Source::new(channel.stdout, &nonce);
    while !source.ended {
        for item in source.next().await {
            match item {
                Item::Frame(word) if word == "gone" => return Ok(Stopped::Gone),
                Item::Frame(word) if word == "ended" => return Ok(Stopped::Ended),
                Item::Frame(word) if word == "alive" => {
                    return Ok(Stopped::Unsure("something of it is still running on the node".to_owned()));
                }
                Item::Frame(_) => return Ok(Stopped::Unsure("the node does not know its process".to_owned())),
                Item::Bytes(_) => {}
            }
        }
    }
    Err("the connection was lost".to_owned())
}
