//! Run output on disk: one append-only file a run, read by byte offset while it grows.
//!
//! Promises that what was written before a crash is still read after it, that a torn end is cut off, that an entry's
//! offset and line number never change, and that bytes are kept as they came; they become text only when read.
//! Masking comes before this: nothing is cut out here. Does blocking I/O; call it where that is allowed.

use std::path::{Path, PathBuf};

use super::Stream;
use crate::domain::time::Timestamp;

mod frame;
mod reader;
mod writer;

pub use reader::{Page, Query, Reader};
pub use writer::Writer;

/// The longest text of one entry, in bytes. A longer line becomes several entries.
pub const LONGEST_ENTRY: usize = 16 * 1024;

/// One line of output, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins in the run's file. Grows from entry to entry.
    pub offset: u64,
    /// Where the next one begins.
    pub next_offset: u64,
    /// Counts entries from 1.
    pub line: u64,
    /// When it was received.
    pub time: Timestamp,
    /// The node that it came from.
    pub node: String,
    /// The step that wrote it.
    pub step: String,
    /// The stream.
    pub stream: Stream,
    /// The bytes, with the line break where there was one.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// The text without its line break; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned()
    }

    /// Whether the line ends here; otherwise the next entry of the same step and stream goes on with it.
    #[must_use]
    pub fn ends_line(&self) -> bool {
        self.bytes.ends_with(b"\n")
    }
}

/// Why output could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The disk or the quota is full. What was there before is still whole; the caller marks the log as truncated.
    #[error("the disk is full, so the run's output could not be stored; free space below {}", .0.display())]
    Full(PathBuf),
    /// Anything else.
    #[error("the run's output at {} cannot be used", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl OutputError {
    fn new(path: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}

/// The directory of a run's output: `DIR/runs/<n mod 1000>/<n>`.
#[must_use]
pub fn run_directory(base: &Path, run: i64) -> PathBuf {
    base.join("runs").join(run.rem_euclid(1_000).to_string()).join(run.to_string())
}

fn log_path(base: &Path, run: i64) -> PathBuf {
    run_directory(base, run).join("output")
}

fn index_path(base: &Path, run: i64) -> PathBuf {
    run_directory(base, run).join("index")
}

#[cfg(test)]
mod tests;
