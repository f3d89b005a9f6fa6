//! Frames: a header line and the bytes of the lines that stand together below it.

use std::io::{BufRead, BufReader, Read, Seek};

use super::lines::{Group, Lines, TOGETHER};
use super::{Line, Stream};
use crate::domain::ids::{NodeName, StepName};
use crate::domain::time::Timestamp;

/// The longest header: five 20-digit numbers, a 16-digit one, a word, two names.
const LONGEST_HEADER: u64 = 512;

/// The part of a header that all frames share whose lines were taken together.
pub(super) fn shared(lines: &Lines) -> String {
    let Lines { at, node, step, attempt, stream, .. } = lines;
    format!(" {} {} {node} {step} {attempt} ", at.timestamp_micros(), stream.as_str())
}

/// Writes the header of a frame whose first line has this number.
pub(super) fn header(number: u64, shared: &str, group: &Group, out: &mut Vec<u8>) {
    decimal(length(group.bytes.len()), out);
    out.push(b' ');
    decimal(number, out);
    out.extend_from_slice(shared.as_bytes());
    decimal(group.source, out);
    out.extend_from_slice(if group.ended { b" n" } else { b" -" });
    if group.count > 1 {
        out.push(b' ');
        decimal(group.count, out);
    }
    out.push(b'\n');
}

/// Writes a number: three to a line of its own, and the general way takes longer than all the rest.
fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let begin = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(begin..) {
        digits.reverse();
    }
}

/// What a frame's header says.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// How long the header is, in bytes, with its line break.
    own: u64,
    /// Bytes of the lines, without the last line break.
    length: u64,
    /// The number of the first line.
    pub(super) number: u64,
    /// How many lines there are.
    pub(super) count: u64,
    at: Timestamp,
    pub(super) stream: Stream,
    pub(super) node: NodeName,
    pub(super) step: StepName,
    pub(super) attempt: u32,
    /// Of the last line.
    pub(super) source: u64,
    ended: bool,
}

/// A place to read frames from, in which what is of no use can be passed over.
pub(super) trait Segment: BufRead {
    /// Passes over so many bytes, also beyond the end.
    fn pass_over(&mut self, bytes: u64) -> std::io::Result<()>;
}

impl<R: Read + Seek> Segment for BufReader<R> {
    fn pass_over(&mut self, bytes: u64) -> std::io::Result<()> {
        self.seek_relative(i64::try_from(bytes).map_err(std::io::Error::other)?)
    }
}

impl Head {
    /// Reads the next header; `None` at the end, and at one that is not whole.
    pub(super) fn read(from: &mut (impl Segment + ?Sized)) -> std::io::Result<Option<Self>> {
        let mut header = Vec::with_capacity(128);
        Read::take(&mut *from, LONGEST_HEADER).read_until(b'\n', &mut header)?;
        Ok(std::str::from_utf8(&header).ok().and_then(Self::parse))
    }

    fn parse(header: &str) -> Option<Self> {
        let mut parts = header.strip_suffix('\n')?.split(' ');
        let length: u64 = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        let at = chrono::DateTime::from_timestamp_micros(parts.next()?.parse().ok()?)?;
        let stream = Stream::parse(parts.next()?)?;
        let node = NodeName::parse(parts.next()?).ok()?;
        let step = StepName::parse(parts.next()?).ok()?;
        let attempt = parts.next()?.parse().ok()?;
        let source = parts.next()?.parse().ok()?;
        let ended = match parts.next()? {
            "n" => true,
            "-" => false,
            _ => return None,
        };
        let count = parts.next().map_or(Some(1), |count| count.parse().ok())?;
        if length > u64::try_from(TOGETHER).ok()? || count == 0 || count > length + 1 || parts.next().is_some() {
            return None;
        }
        let own = u64::try_from(header.len()).ok()?;
        Some(Self { own, length, number, count, at, stream, node, step, attempt, source, ended })
    }

    /// How long the frame is, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.own + self.length + 1
    }

    /// Passes over the lines; whether they are all there.
    pub(super) fn pass_over(&self, from: &mut (impl Segment + ?Sized)) -> std::io::Result<bool> {
        from.pass_over(self.length)?;
        let mut last = [0];
        whole(from.read_exact(&mut last)).map(|there| there && last == *b"\n")
    }

    /// Reads the lines; `None` when they are not all there.
    pub(super) fn lines(self, from: &mut (impl Segment + ?Sized)) -> std::io::Result<Option<Body>> {
        let mut bytes = vec![0; usize::try_from(self.length + 1).unwrap_or(0)];
        let there = whole(from.read_exact(&mut bytes))? && bytes.pop() == Some(b'\n');
        // As many line breaks as it says: whoever counts lines by the headers counts these.
        let breaks = memchr::memchr_iter(b'\n', &bytes).count();
        let right = self.count == 1 || u64::try_from(breaks).is_ok_and(|breaks| breaks + 1 == self.count);
        Ok((there && right).then_some(Body { head: self, bytes, next: 0, place: 0 }))
    }
}

/// Whether all of it was there.
fn whole(read: std::io::Result<()>) -> std::io::Result<bool> {
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

/// The lines of a frame, one after the other.
pub(super) struct Body {
    head: Head,
    bytes: Vec<u8>,
    /// Which line is next, from 0.
    next: u64,
    /// Where it begins in `bytes`.
    place: usize,
}

/// A line in its frame.
pub(super) struct Placed<'b> {
    head: &'b Head,
    /// Where it begins, in bytes from the start of the frame: 0 for the first one, whose header belongs to it.
    pub(super) begin: u64,
    /// Where the next one begins.
    pub(super) end: u64,
    pub(super) number: u64,
    pub(super) bytes: &'b [u8],
    source: u64,
    ended: bool,
}

impl Body {
    /// The next line.
    pub(super) fn next(&mut self) -> Option<Placed<'_>> {
        if self.next == self.head.count {
            return None;
        }
        let first = self.next == 0;
        let last = self.next + 1 == self.head.count;
        let left = self.bytes.get(self.place..).unwrap_or_default();
        // The only line may be anything, and the last one has no line break here.
        let bytes = match memchr::memchr(b'\n', left) {
            Some(at) if !last => left.get(..at).unwrap_or_default(),
            _ => left,
        };
        let begin = if first { 0 } else { self.head.own + length(self.place) };
        self.place += bytes.len() + 1;
        self.next += 1;
        // Those before the last one are as long here as on the node.
        let behind = length((self.bytes.len() + 1).saturating_sub(self.place));
        let behind = if last { 0 } else { behind - u64::from(!self.head.ended) };
        Some(Placed {
            head: &self.head,
            begin,
            end: self.head.own + length(self.place),
            number: self.head.number + self.next - 1,
            bytes,
            source: self.head.source.saturating_sub(behind),
            ended: !last || self.head.ended,
        })
    }
}

impl Placed<'_> {
    /// The line as it was taken.
    pub(super) fn line(&self) -> Line {
        let Head { at, node, step, attempt, stream, .. } = self.head;
        Line {
            at: *at,
            node: node.clone(),
            step: step.clone(),
            attempt: *attempt,
            stream: *stream,
            source: self.source,
            bytes: self.bytes.to_vec(),
            ended: self.ended,
        }
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
