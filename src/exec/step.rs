//! The life of one step on a node: started or found running, followed over as many connections as it takes, stopped when
//! asked to.
//!
//! Decides what is certain. Before a node had all of a step nothing has run. After that only the node's own words say how
//! it ended: a lost connection is made anew, and what cannot be learnt within the executor's patience is unknown.

mod ends;

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::session::{Event, Session, Shell};
use super::stop::{GRACE, NotStopped, Stopped, stop};
use super::{CancelSignal, Chunk, Earlier, Ended, StepOutcome, StepRequest, Stream, crowd, wire};
use crate::domain::moment::Moment;
use ends::{not_started, unknown};

/// How long to wait for what still has to come after the end is known.
const TAIL: Duration = Duration::from_secs(10);
/// How long after a step's limit the server asks by itself; the node has its own clock and stops the step before.
const LATE: Duration = Duration::from_secs(30);
/// How long after its start a step's output is asked for as it comes. One that is over by then costs its node less, which
/// counts where many are under way; among few somebody may be waiting for the first line.
const SILENT: Duration = Duration::from_millis(50);
const SILENT_IN_A_CROWD: Duration = Duration::from_millis(250);
/// How long after that it is noted that a step has begun which has still written nothing.
const BEGUN: Duration = Duration::from_millis(250);
/// Pauses between attempts to reach a node again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long a node may be out of reach before the outcome of what runs there is given up as unknown.
pub(super) const PATIENCE: Duration = Duration::from_secs(15 * 60);

fn silence() -> Duration {
    if crowd::is_here() { SILENT_IN_A_CROWD } else { SILENT }
}

/// Runs a step over a shell.
pub(super) async fn run(
    shell: &dyn Shell,
    request: &StepRequest,
    output: mpsc::Sender<Chunk>,
    mut cancel: CancelSignal,
    patience: Duration,
) -> Ended {
    let _counted = crowd::UnderWay::begin();
    let payload = match wire::payload(request) {
        Ok(payload) => payload,
        Err(e) => return not_started("bad_request", e.to_string()),
    };
    let mut step = Step {
        shell,
        request,
        payload,
        output,
        earlier: match request.earlier {
            Earlier::Never => Sent::Never,
            Earlier::Perhaps(ago) => Sent::Perhaps { before: ago, at: Instant::now() },
            Earlier::Surely => Sent::Begun,
        },
        known: request.known,
        attached: false,
        asked: None,
        stopped: None,
        said_lost: false,
        kept: false,
        heard: false,
    };
    let mut reached = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let before = step.known;
        let why = match step.session(&mut cancel).await {
            Ok(ended) => return ended,
            Err(Lost { quiet: true, .. }) => continue,
            Err(Lost { why, reached: got_there, .. }) => {
                if got_there || step.known != before {
                    reached = Instant::now();
                    pause = FIRST_PAUSE;
                }
                why
            }
        };
        if step.attached || reached.elapsed() + pause > patience {
            return step.given_up(&why);
        }
        step.say_lost(&why).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.given(), if step.asked.is_none() => step.asked = Some(StepOutcome::Canceled),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A connection ended before the step did.
struct Lost {
    why: String,
    /// Whether the node's program had answered.
    reached: bool,
    /// Whether there is nothing to tell about it.
    quiet: bool,
}

/// Whether the node may have the step.
#[derive(Clone, Copy)]
enum Sent {
    Never,
    Perhaps { before: Duration, at: Instant },
    Begun,
}

struct Step<'a> {
    shell: &'a dyn Shell,
    request: &'a StepRequest,
    payload: zeroize::Zeroizing<Vec<u8>>,
    output: mpsc::Sender<Chunk>,
    earlier: Sent,
    known: super::Known,
    /// Without files on the node: the step lives as long as its connection.
    attached: bool,
    /// Somebody wants it stopped, and what that makes of it.
    asked: Option<StepOutcome>,
    stopped: Option<Stopped>,
    said_lost: bool,
    /// Whether the shell was kept ready since before the step.
    kept: bool,
    /// Whether anything came over this connection.
    heard: bool,
}

impl Step<'_> {
    /// Talks to the node until the step is over or the connection is.
    async fn session(&mut self, cancel: &mut CancelSignal) -> Result<Ended, Lost> {
        let mut session = match self.open(cancel).await? {
            Ok(session) => session,
            Err(ended) => return Ok(ended),
        };
        let message = self.message();
        if matches!(self.earlier, Sent::Never) {
            self.earlier = Sent::Perhaps { before: Duration::ZERO, at: Instant::now() };
        }
        // A node that refuses the step does not read all of it: what it says counts more than the error of the write.
        let handed = session.write(&message).await;
        if handed.is_ok() {
            Moment::BootstrapSent.reached();
        }
        self.heard = false;
        let followed = self.follow(session, cancel).await;
        // A shell that was kept ready may have ended meanwhile; that is nothing to tell, another one is opened.
        followed.map_err(|lost| Lost { quiet: self.kept && !self.heard, ..lost })
    }

    /// A shell whose program has said hello. The inner error is an end: nothing has run, and nothing will.
    async fn open(&mut self, cancel: &mut CancelSignal) -> Result<Result<Session, Ended>, Lost> {
        let fresh = matches!(self.earlier, Sent::Never);
        if fresh && cancel.is_given() {
            return Ok(Err(Ended::plain(StepOutcome::Canceled)));
        }
        let opened = tokio::select! {
            opened = self.shell.open() => opened,
            () = cancel.given(), if fresh => return Ok(Err(Ended::plain(StepOutcome::Canceled))),
        };
        let mut session = match opened {
            Ok(session) => session,
            Err((code, message)) if fresh => return Ok(Err(not_started(code, message))),
            Err((_, why)) => return Err(Lost { why, reached: false, quiet: false }),
        };
        session.count_from(self.known);
        self.kept = session.greeted();
        if self.kept {
            return Ok(Ok(session));
        }
        let greeted = tokio::select! {
            greeted = session.greet() => greeted,
            () = cancel.given(), if fresh => return Ok(Err(Ended::plain(StepOutcome::Canceled))),
        };
        match greeted {
            Ok(()) => Ok(Ok(session)),
            Err((code, why)) if fresh => Ok(Err(not_started(code, why))),
            Err((_, why)) => Err(Lost { why, reached: false, quiet: false }),
        }
    }

    /// The step as the node's program reads it.
    fn message(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let (request, known) = (self.request, self.known);
        let age = match self.earlier {
            Sent::Never => "-".to_owned(),
            Sent::Perhaps { before, at } => (before + at.elapsed()).as_secs().to_string(),
            Sent::Begun => "never".to_owned(),
        };
        let limit = request.timeout.map_or(0, |t| t.as_millis().div_ceil(1_000).max(1));
        let (ticket, fence, grace) = (&request.ticket, request.fence, GRACE.as_secs());
        let line = format!("{ticket} {fence} {grace} {} {} {age} {limit}\n", known.out, known.err);
        zeroize::Zeroizing::new([line.as_bytes(), self.payload.as_slice()].concat())
    }

    async fn follow(&mut self, mut session: Session, cancel: &mut CancelSignal) -> Result<Ended, Lost> {
        let (shell, request) = (self.shell, self.request);
        let mut stopping: Option<BoxFuture<'_, Result<Stopped, NotStopped>>> = None;
        let mut exit: Option<(String, String)> = None;
        let mut first = true;
        let started = Instant::now();
        let mut tail: Option<Instant> = None;
        let (mut silent, mut followed): (Option<Instant>, bool) = (None, false);
        loop {
            if self.asked.is_some() && self.stopped.is_none() && stopping.is_none() && exit.is_none() {
                stopping = Some(stop(shell, request).boxed());
            }
            let over = exit.is_some() && session.errors_over();
            if over && stopping.is_none() {
                let (code, word) = exit.unwrap_or_default();
                return Ok(self.ended(&code, &word, session));
            }
            let limit = request.timeout.map(|t| started + if self.attached { t } else { t + GRACE + LATE });
            let late = async {
                match limit {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let waits = stopping.is_some();
            let tail_over = async {
                match tail {
                    Some(at) if !waits => tokio::time::sleep_until(at).await,
                    _ => std::future::pending().await,
                }
            };
            let silence_over = async {
                match silent {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let answer = async {
                match &mut stopping {
                    Some(stopping) => stopping.await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                answer = answer => {
                    stopping = None;
                    match answer {
                        Ok(stopped) => {
                            self.stopped = Some(stopped);
                            // The step's last words and its end come now.
                            tail = Some(Instant::now() + TAIL);
                        }
                        Err(NotStopped::Unheard(why)) => return Err(Lost { why, reached: false, quiet: false }),
                        Err(NotStopped::Unsure(why)) => return Ok(unknown(format!(
                            "the step was asked to stop, but this is not confirmed: {why}"
                        ))),
                    }
                    continue;
                }
                () = cancel.given(), if self.asked.is_none() => {
                    self.asked = Some(StepOutcome::Canceled);
                    continue;
                }
                () = late, if self.asked.is_none() => {
                    self.asked = Some(StepOutcome::TimedOut);
                    continue;
                }
                () = tail_over => return self.after_stop(),
                () = silence_over => {
                    silent = None;
                    if std::mem::replace(&mut followed, true) {
                        self.say_begun().await;
                    } else {
                        // A connection that is lost shows by itself.
                        let _ = session.write(b"follow\n").await;
                        silent = Some(Instant::now() + BEGUN);
                    }
                    continue;
                }
                event = session.next(), if !over => event,
            };
            self.heard |= event != Event::Closed;
            match event {
                Event::Output(stream, bytes, end) => {
                    if std::mem::take(&mut first) {
                        Moment::FirstOutput.reached();
                    }
                    match stream {
                        Stream::Stdout => self.known.out = end,
                        _ => self.known.err = end,
                    }
                    // Nobody listening is no reason to stop the step.
                    let _ = self.output.send(Chunk { stream, bytes, end }).await;
                }
                Event::Frame(words) => {
                    let mut words = words.split(' ').map(str::to_owned);
                    let verb = words.next().unwrap_or_default();
                    let word = words.next().unwrap_or_default();
                    match verb.as_str() {
                        "started" => {
                            self.started(&word).await;
                            silent = (!self.attached).then(|| Instant::now() + silence());
                        }
                        "refused" => return self.refused(&word),
                        "lost" => return Ok(self.lost_for_good(&word)),
                        "exit" => {
                            Moment::ExitUnread.reached();
                            silent = None;
                            exit = Some((word, words.next().unwrap_or_default()));
                            if words.next().as_deref() == Some("quiet") {
                                session.no_errors();
                            }
                            tail = Some(Instant::now() + TAIL);
                        }
                        _ => {}
                    }
                }
                Event::ErrorsOver => {}
                Event::Closed => {
                    if self.stopped.is_some() {
                        return self.after_stop();
                    }
                    if let (Some((code, word)), None) = (&exit, &stopping) {
                        return Ok(self.ended(code, word, session));
                    }
                    return Err(Lost {
                        why: "the connection to the node was lost".to_owned(),
                        reached: true,
                        quiet: false,
                    });
                }
            }
        }
    }

    async fn started(&mut self, mode: &str) {
        Moment::AcknowledgementLost.reached();
        self.earlier = Sent::Begun;
        self.said_lost = false;
        match mode {
            "attached" => {
                self.attached = true;
                self.remark(
                    "The node has no place to keep the step, neither in the home directory nor in /tmp, so it runs \
                     attached: when the connection is lost, its outcome will not be known.",
                )
                .await;
            }
            "tmp" => {
                self.remark("The home directory on the node cannot be written; the step's files are in /tmp.").await
            }
            _ => {}
        }
    }

    /// Output would say as much.
    async fn say_begun(&self) {
        if self.known == super::Known::default() {
            let _ = self.output.send(Chunk { stream: Stream::Stdout, bytes: Vec::new(), end: 0 }).await;
        }
    }

    async fn say_lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.said_lost, true) {
            self.remark(&format!("{why}; what runs on the node goes on, and the connection is made again.")).await;
        }
    }

    async fn remark(&self, text: &str) {
        let bytes = text.as_bytes().to_vec();
        let _ = self.output.send(Chunk { stream: Stream::Remark, bytes, end: 0 }).await;
    }
}
