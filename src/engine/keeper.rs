//! Keeps a run's lines on the disk, and says in the log where some are missing.

use std::path::PathBuf;

use crate::domain::ids::RunNumber;
use crate::store::output::{EarlierOutput, Lines, Writer};

/// Why output could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The disk was full.
    Full,
    /// The files could not be written for another reason.
    Unwritable,
}

impl Missing {
    pub(super) fn of(error: &std::io::Error) -> Self {
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

/// Keeps lines, and counts those that could not be kept. Blocks on the disk.
pub(super) struct Keeper {
    data: PathBuf,
    run: RunNumber,
    fence: i64,
    /// What there was before, where the run was taken over.
    earlier: Option<EarlierOutput>,
    writer: Option<Writer>,
    /// Lines that are missing since the last one that was kept.
    lost: u64,
}

impl Keeper {
    pub(super) fn new(data: PathBuf, run: RunNumber, fence: i64, earlier: Option<EarlierOutput>) -> Self {
        Self { data, run, fence, earlier, writer: None, lost: 0 }
    }

    /// Whether the run was taken over.
    pub(super) fn goes_on(&self) -> bool {
        self.earlier.is_some()
    }

    /// Shuts out the server that the run was taken over from, so that it notices and what it writes is not shown. Where this
    /// cannot be done just now, it is done with the first lines; what counts of that server's is known in any case.
    pub(super) fn shut_out(&mut self) {
        if let (_, Err(error)) = self.append(&[]) {
            tracing::warn!(run.number = self.run.get(), error.cause = %error, "the writer of a log was not shut out yet");
        }
    }

    /// Appends lines, with a remark before them where others are missing; the log's length afterwards.
    pub(super) fn keep(&mut self, mut lines: Vec<Lines>) -> std::io::Result<u64> {
        let count: u64 = lines.iter().map(Lines::count).sum();
        let remark = if self.lost > 0 { lines.first().map(|first| self.remark(first)) } else { None };
        let remarks = u64::from(remark.is_some());
        lines.splice(0..0, remark);
        let (kept, length) = self.append(&lines);
        // An error may come after some of them were kept.
        match &length {
            Ok(_) => self.lost = 0,
            Err(_) if kept < remarks => self.lost += count,
            Err(_) => self.lost = count.saturating_sub(kept - remarks),
        }
        length
    }

    fn remark(&self, first: &Lines) -> Lines {
        let mut remark = first.remarks_beside();
        let text = format!("{} lines are missing here: they could not be kept.", self.lost);
        remark.push(text.as_bytes(), 0, true);
        remark
    }

    /// How many lines were kept, and the log's length.
    fn append(&mut self, lines: &[Lines]) -> (u64, std::io::Result<u64>) {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => match Writer::open(&self.data, self.run, self.fence, self.earlier.as_ref()) {
                Ok(writer) => writer,
                Err(error) => return (0, Err(error)),
            },
        };
        let before = writer.lines();
        let length = writer.append(lines);
        let kept = writer.lines() - before;
        self.writer = Some(writer);
        (kept, length)
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&mut self) -> std::io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::sync)
    }
}
