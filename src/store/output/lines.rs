//! Lines on their way to the disk.

use bytes::Bytes;

use super::{LONGEST, Stream};
use crate::domain::ids::{NodeName, StepName};
use crate::domain::time::Timestamp;

/// The most bytes of lines that stand together: who begins to read in the middle of them reads all of them.
pub(super) const TOGETHER: usize = 128 * 1024;

/// Lines of one stream that were taken together.
#[derive(Debug, Clone)]
pub struct Lines {
    /// When they were taken.
    pub(super) at: Timestamp,
    pub(super) node: NodeName,
    pub(super) step: StepName,
    pub(super) attempt: u32,
    pub(super) stream: Stream,
    pub(super) groups: Vec<Group>,
}

/// Lines that follow each other on the node byte for byte as they do here.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Their bytes with the line breaks between them, without one behind the last.
    pub(super) bytes: Bytes,
    /// How many they are.
    pub(super) count: u64,
    /// As [`super::Line::source`], of the last one.
    pub(super) source: u64,
    /// Whether a line break followed the last one.
    pub(super) ended: bool,
}

impl Lines {
    /// None yet.
    #[must_use]
    pub fn new(at: Timestamp, node: NodeName, step: StepName, attempt: u32, stream: Stream) -> Self {
        Self { at, node, step, attempt, stream, groups: Vec::new() }
    }

    /// None yet, of the same stream.
    #[must_use]
    pub fn remarks_beside(&self) -> Self {
        Self::new(self.at, self.node.clone(), self.step.clone(), self.attempt, Stream::System)
    }

    /// Adds a line, or a piece of one, of at most [`LONGEST`] bytes. `source` is [`super::Line::source`].
    pub fn push(&mut self, bytes: &[u8], source: u64, ended: bool) {
        debug_assert!(bytes.len() <= LONGEST);
        self.groups.push(Group { bytes: Bytes::copy_from_slice(bytes), count: 1, source, ended });
    }

    /// Adds whole lines of at most [`LONGEST`] bytes, with their line breaks, as they follow each other on the node.
    /// `source` is that of the last one.
    pub fn push_whole(&mut self, mut bytes: Bytes, source: u64) {
        while let Some(last) = memchr::memrchr(b'\n', bytes.get(..TOGETHER).unwrap_or(&bytes)) {
            let mut now = bytes.split_to(last + 1);
            let count = u64::try_from(memchr::memchr_iter(b'\n', &now).count()).unwrap_or(u64::MAX);
            now.truncate(last);
            let behind = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.groups.push(Group { bytes: now, count, source: source.saturating_sub(behind), ended: true });
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }
}
