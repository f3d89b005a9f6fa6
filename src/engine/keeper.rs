//! Keeps a run's lines on the disk, and says in the log where some are missing.

use std::path::PathBuf;

use crate::domain::ids::RunNumber;
use crate::store::output::{Line, Stream, Writer};

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
    writer: Option<Writer>,
    /// Lines that are missing since the last one that was kept.
    lost: usize,
}

impl Keeper {
    pub(super) fn new(data: PathBuf, run: RunNumber, fence: i64) -> Self {
        Self { data, run, fence, writer: None, lost: 0 }
    }

    /// Appends lines, with a remark before them where others are missing; the log's length afterwards.
    pub(super) fn keep(&mut self, mut lines: Vec<Line>) -> std::io::Result<u64> {
        let count = lines.len();
        if let (true, Some(first)) = (self.lost > 0, lines.first()) {
            let text = format!("{} lines are missing here: they could not be kept.", self.lost);
            let remark =
                Line { stream: Stream::System, source: 0, bytes: text.into_bytes(), ended: true, ..first.clone() };
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
            None => Writer::open(&self.data, self.run, self.fence)?,
        };
        let length = writer.append(lines);
        self.writer = Some(writer);
        length
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.writer.as_ref().map_or(Ok(()), Writer::sync)
    }
}
