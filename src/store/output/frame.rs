//! One frame: its header line and its bytes.

use std::io::{BufRead, Read};

use super::{End, Line, Lines, Stream};
use crate::domain::ids::{NodeName, StepName};

/// The longest header: four 20-digit numbers, a 16-digit one, a word, two names.
const LONGEST_HEADER: u64 = 512;

/// The part of a header that all lines share which were taken together.
pub(super) fn shared(lines: &Lines) -> String {
    let Lines { at, node, step, attempt, stream, .. } = lines;
    format!(" {} {} {node} {step} {attempt} ", at.timestamp_micros(), stream.as_str())
}

/// Writes a frame.
pub(super) fn encode(number: u64, shared: &str, bytes: &[u8], end: &End, out: &mut Vec<u8>) {
    decimal(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.push(b' ');
    decimal(number, out);
    out.extend_from_slice(shared.as_bytes());
    decimal(end.source, out);
    out.extend_from_slice(if end.ended { b" n\n" } else { b" -\n" });
    out.extend_from_slice(bytes);
    out.push(b'\n');
}

/// Writes a number. There are three to a line, and the general way takes longer than all the rest of a frame.
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

/// Reads the next frame and its length on disk; `None` at the end, and at a frame that is not whole.
pub(super) fn decode(reader: &mut impl BufRead) -> std::io::Result<Option<(u64, Line, u64)>> {
    let mut header = Vec::new();
    reader.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut header)?;
    let Some((length, number, mut line)) = std::str::from_utf8(&header).ok().and_then(parse) else { return Ok(None) };
    let mut bytes = vec![0; length + 1];
    match reader.read_exact(&mut bytes) {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if bytes.pop() != Some(b'\n') {
        return Ok(None);
    }
    let size = u64::try_from(header.len() + length + 1).unwrap_or(u64::MAX);
    line.bytes = bytes;
    Ok(Some((number, line, size)))
}

fn parse(header: &str) -> Option<(usize, u64, Line)> {
    let mut parts = header.strip_suffix('\n')?.split(' ');
    let length: usize = parts.next()?.parse().ok()?;
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
    if length > super::LONGEST || parts.next().is_some() {
        return None;
    }
    Some((length, number, Line { at, node, step, attempt, stream, source, bytes: Vec::new(), ended }))
}
