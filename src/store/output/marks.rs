//! The index of a log: where every 256th line stands.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::archived::Archived;

/// There is a mark every so many lines.
pub(super) const STRIDE: u64 = 256;

/// How long a mark is, in bytes: a line's number and where the frame that it is in begins, 20 digits each.
const WIDTH: u64 = 42;

/// How many marks are read at once, at most.
const AT_ONCE: u64 = 1_024;

/// Adds the marks of lines that follow these so many, in a frame that begins there.
pub(super) fn note(lines: u64, count: u64, offset: u64, out: &mut Vec<u8>) {
    let mut line = lines.next_multiple_of(STRIDE);
    while line < lines + count {
        out.extend_from_slice(format!("{:020} {offset:020}\n", line + 1).as_bytes());
        line += STRIDE;
    }
}

/// How long the index of so many lines is.
pub(super) fn length(lines: u64) -> u64 {
    lines.div_ceil(STRIDE) * WIDTH
}

/// The index, to be looked at.
pub(super) enum Marks<'a> {
    /// A file; there may be none yet.
    File(Option<(File, u64)>),
    /// An object.
    Object(&'a Archived),
}

impl Marks<'_> {
    pub(super) fn of(folder: &Path) -> std::io::Result<Self> {
        let file = match File::open(folder.join(super::INDEX)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::File(None)),
            other => other?,
        };
        let length = file.metadata()?.len();
        Ok(Self::File(Some((file, length))))
    }

    fn count(&self) -> u64 {
        let length = match self {
            Self::File(file) => file.as_ref().map_or(0, |(_, length)| *length),
            Self::Object(archived) => archived.index_length(),
        };
        length / WIDTH
    }

    /// Where the frames of so many marks begin; of fewer where a writer has just cut the index.
    fn offsets(&self, first: u64, count: u64) -> std::io::Result<Vec<u64>> {
        let mut text = String::new();
        match self {
            Self::File(None) => {}
            Self::File(Some((file, _))) => {
                let mut file = file;
                file.seek(SeekFrom::Start(first * WIDTH))?;
                file.take(count * WIDTH).read_to_string(&mut text)?;
            }
            Self::Object(archived) => {
                archived.index_at(first * WIDTH, count * WIDTH).read_to_string(&mut text)?;
            }
        }
        // What cannot be read leads to the beginning, from where everything is found.
        Ok(text.split_terminator('\n').map(|mark| offset(mark).unwrap_or(0)).collect())
    }

    /// Where to begin to look for a line.
    pub(super) fn before_line(&self, line: u64) -> std::io::Result<u64> {
        let Some(last) = self.count().checked_sub(1) else { return Ok(0) };
        let mark = (line.saturating_sub(1) / STRIDE).min(last);
        Ok(self.offsets(mark, 1)?.first().copied().unwrap_or(0))
    }

    /// Where to begin to look for the frame that holds this place of the log: at or before it.
    pub(super) fn before(&self, offset: u64) -> std::io::Result<u64> {
        // The mark sought is in `first..first + count`, if there is one.
        let (mut first, mut count) = (0, self.count());
        while count > AT_ONCE {
            let half = count / 2;
            let middle = self.offsets(first + half, 1)?.first().copied().unwrap_or(0);
            if middle <= offset {
                first += half;
                count -= half;
            } else {
                count = half;
            }
        }
        let marks = self.offsets(first, count)?;
        let after = marks.partition_point(|mark| *mark <= offset);
        Ok(after.checked_sub(1).and_then(|i| marks.get(i)).copied().unwrap_or(0))
    }
}

fn offset(mark: &str) -> Option<u64> {
    mark.split_once(' ')?.1.parse().ok()
}
