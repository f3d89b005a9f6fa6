//! Lines on their way to the disk.

use super::{LONGEST, Stream};
use crate::domain::ids::{NodeName, StepName};
use crate::domain::time::Timestamp;

/// The most bytes of lines that stand together: who begins to read in the middle of them reads all of them.
pub(super) const TOGETHER: usize = 64 * 1024;

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
    pub(super) bytes: Vec<u8>,
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
        let grown = length(bytes) + u64::from(ended);
        match self.groups.last_mut() {
            // What stands for a secret is longer or shorter than it; behind it the bytes are not those of the node.
            Some(last) if last.takes(bytes.len(), source.checked_sub(grown)) => {
                last.bytes.push(b'\n');
                last.bytes.extend_from_slice(bytes);
                last.count += 1;
                last.source = source;
                last.ended = ended;
            }
            _ => self.groups.push(Group { bytes: bytes.to_vec(), count: 1, source, ended }),
        }
    }

    /// Adds whole lines, with their line breaks, as they follow each other on the node. `source` is that of the last one.
    pub fn push_whole(&mut self, bytes: &[u8], source: u64) {
        let mut left = bytes;
        while !left.is_empty() {
            let room = left.get(..TOGETHER).unwrap_or(left);
            let Some(last) = memchr::memrchr(b'\n', room) else { break };
            let (now, later) = left.split_at(last + 1);
            let source = source - length(later);
            let (count, body) = (memchr::memchr_iter(b'\n', now).count(), now.get(..last).unwrap_or_default());
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            match self.groups.last_mut() {
                Some(before) if before.takes(body.len(), source.checked_sub(length(now))) => {
                    before.bytes.push(b'\n');
                    before.bytes.extend_from_slice(body);
                    before.count += count;
                    before.source = source;
                }
                _ => self.groups.push(Group { bytes: body.to_vec(), count, source, ended: true }),
            }
            left = later;
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

impl Group {
    /// Whether so many bytes that begin there on the node fit behind what is here.
    fn takes(&self, bytes: usize, begin: Option<u64>) -> bool {
        self.ended && begin == Some(self.source) && self.bytes.len() + 1 + bytes <= TOGETHER
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
