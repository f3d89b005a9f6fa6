//! Reads a run's output, also while it grows.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Entry, OutputError, frame, index_path, log_path};

/// How far one call reads in the file when a filter passes over most of it.
const FARTHEST: u64 = 8 * 1024 * 1024;

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// From here; an offset inside an entry means from the next one.
    pub offset: u64,
    /// At most so many entries.
    pub limit: usize,
    /// Only this node's.
    pub node: Option<String>,
    /// Only this step's.
    pub step: Option<String>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries, in order.
    pub entries: Vec<Entry>,
    /// Where to go on. The same as asked when there is nothing new.
    pub next_offset: u64,
    /// Whether there was nothing behind `next_offset`.
    pub at_end: bool,
}

/// Reads one run's output. A run without output reads as empty.
#[derive(Debug, Clone)]
pub struct Reader {
    log: PathBuf,
    index: PathBuf,
}

impl Reader {
    /// A reader of this run's output.
    #[must_use]
    pub fn new(base: &Path, run: i64) -> Self {
        Self { log: log_path(base, run), index: index_path(base, run) }
    }

    /// Reads entries from an offset on.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn read(&self, query: &Query) -> Result<Page, OutputError> {
        self.try_read(query).map_err(|e| OutputError::new(&self.log, e))
    }

    /// The length in bytes, with a torn end where there is one.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn len(&self) -> Result<u64, OutputError> {
        match std::fs::metadata(&self.log) {
            Ok(metadata) => Ok(metadata.len()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(OutputError::new(&self.log, e)),
        }
    }

    /// Whether there is nothing.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn is_empty(&self) -> Result<bool, OutputError> {
        Ok(self.len()? == 0)
    }

    /// The offset of a line by its number; `None` when there is no such line (yet).
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn offset_of_line(&self, line: u64) -> Result<Option<u64>, OutputError> {
        let find = || -> std::io::Result<Option<u64>> {
            let Some((mut from, mut offset)) = self.open(|(number, _)| number <= line)? else { return Ok(None) };
            while let Some(entry) = frame::decode(&mut from, offset)? {
                if entry.line >= line {
                    return Ok(Some(entry.offset));
                }
                offset = entry.next_offset;
            }
            Ok(None)
        };
        find().map_err(|e| OutputError::new(&self.log, e))
    }

    /// The file from the last indexed entry for which the condition on (line, offset) holds.
    fn open(&self, holds: impl Fn((u64, u64)) -> bool) -> std::io::Result<Option<(BufReader<File>, u64)>> {
        let mut file = match File::open(&self.log) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let length = file.metadata()?.len();
        // The index is a help; without one reading starts at the front.
        let index = std::fs::read(&self.index).unwrap_or_default();
        let offset = frame::records(&index, length).into_iter().filter(|r| holds(*r)).map(|r| r.1).last().unwrap_or(0);
        file.seek(SeekFrom::Start(offset))?;
        Ok(Some((BufReader::with_capacity(64 * 1024, file), offset)))
    }

    fn try_read(&self, query: &Query) -> std::io::Result<Page> {
        let mut page = Page { entries: Vec::new(), next_offset: query.offset, at_end: true };
        let Some((mut from, mut offset)) = self.open(|(_, offset)| offset <= query.offset)? else { return Ok(page) };
        while let Some(entry) = frame::decode(&mut from, offset)? {
            offset = entry.next_offset;
            if entry.offset < query.offset {
                continue;
            }
            if page.entries.len() >= query.limit || entry.offset.saturating_sub(query.offset) > FARTHEST {
                page.at_end = false;
                break;
            }
            page.next_offset = entry.next_offset;
            let wanted = query.node.as_ref().is_none_or(|n| *n == entry.node)
                && query.step.as_ref().is_none_or(|s| *s == entry.step);
            if wanted {
                page.entries.push(entry);
            }
        }
        Ok(page)
    }
}
