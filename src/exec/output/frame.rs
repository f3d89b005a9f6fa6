//! The form of an entry in the file, and of the index beside it.
//!
//! A frame is its body's length, the body, and the length again, mixed with a constant (u32, little endian): a frame
//! that a crash cut short cannot look whole, whether zeros or anything else follows. The body holds line (u64), milliseconds since 1970 (i64), stream (u8), and node, step and text,
//! the first two with their lengths (u16). The index holds pairs of line and offset (u64), one every 64 KiB.

use std::io::Read;

use super::{Entry, Stream};

/// Keeps the second length from being made up by zeros or ones behind a torn frame.
const MIX: u32 = 0xa5c3_5a3c;
/// Bytes of a frame around its body.
const AROUND: usize = 8;
/// No body is longer: text, names and fixed fields.
const LONGEST_BODY: usize = super::LONGEST_ENTRY + 2 * u16::MAX as usize + 64;
/// Bytes of one index record.
pub(super) const RECORD: usize = 16;
/// An index record at least every so many bytes.
pub(super) const SPACING: u64 = 64 * 1024;

/// Appends an entry's frame. Its offsets are not part of it.
pub(super) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&entry.line.to_le_bytes());
    out.extend_from_slice(&entry.time.timestamp_millis().to_le_bytes());
    out.push(match entry.stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    });
    for name in [&entry.node, &entry.step] {
        let bytes = name.as_bytes().get(..name.len().min(u16::MAX as usize)).unwrap_or_default();
        out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&entry.bytes);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_le_bytes());
    }
    out.extend_from_slice(&(length ^ MIX).to_le_bytes());
}

/// Reads the frame at this offset; `None` at the end, and where what follows is not whole.
pub(super) fn decode(from: &mut impl Read, offset: u64) -> std::io::Result<Option<Entry>> {
    let mut length = [0; 4];
    if !fill(from, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length);
    let size = length as usize;
    if size == 0 || size > LONGEST_BODY {
        return Ok(None);
    }
    let mut body = vec![0; size + 4];
    if !fill(from, &mut body)? || !body.ends_with(&(length ^ MIX).to_le_bytes()) {
        return Ok(None);
    }
    body.truncate(size);
    Ok(parse(&body).map(|mut entry| {
        entry.offset = offset;
        entry.next_offset = offset + (size + AROUND) as u64;
        entry
    }))
}

fn parse(body: &[u8]) -> Option<Entry> {
    let (line, rest) = body.split_first_chunk::<8>()?;
    let (millis, rest) = rest.split_first_chunk::<8>()?;
    let (stream, rest) = rest.split_first()?;
    let (node, rest) = name(rest)?;
    let (step, rest) = name(rest)?;
    Some(Entry {
        offset: 0,
        next_offset: 0,
        line: u64::from_le_bytes(*line),
        time: chrono::DateTime::from_timestamp_millis(i64::from_le_bytes(*millis))?,
        node,
        step,
        stream: match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return None,
        },
        bytes: rest.to_vec(),
    })
}

fn name(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*length) as usize)?;
    Some((String::from_utf8_lossy(name).into_owned(), rest))
}

/// Fills the buffer; false when the file ends before.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// One index record.
pub(super) fn record(line: u64, offset: u64) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    let (first, second) = out.split_at_mut(8);
    first.copy_from_slice(&line.to_le_bytes());
    second.copy_from_slice(&offset.to_le_bytes());
    out
}

/// The whole records of an index that point into a file of this length, as (line, offset), growing.
pub(super) fn records(index: &[u8], length: u64) -> Vec<(u64, u64)> {
    let mut out: Vec<(u64, u64)> = Vec::new();
    for chunk in index.chunks_exact(RECORD) {
        let Some((line, rest)) = chunk.split_first_chunk::<8>() else { break };
        let Some((offset, _)) = rest.split_first_chunk::<8>() else { break };
        let (line, offset) = (u64::from_le_bytes(*line), u64::from_le_bytes(*offset));
        if offset >= length || out.last().is_some_and(|last| last.1 >= offset || last.0 >= line) {
            break;
        }
        out.push((line, offset));
    }
    out
}
