//! The one writer of a run's output.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Entry, LONGEST_ENTRY, OutputError, Stream, frame, index_path, log_path, run_directory};
use crate::domain::time::Timestamp;

/// Appends a run's output. There may be one at a time; readers need no leave.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    log: File,
    index: File,
    /// Length of the whole frames in the file.
    length: u64,
    /// The number of the last entry.
    line: u64,
    /// Where the last index record points.
    indexed: Option<u64>,
    /// Beginnings of lines that have not ended yet, by node, step and stream.
    partial: BTreeMap<(String, String, Stream), Vec<u8>>,
}

impl Writer {
    /// Opens a run's output for appending; makes it where there is none, and cuts off a torn end.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn open(base: &Path, run: i64) -> Result<Self, OutputError> {
        let directory = run_directory(base, run);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|e| OutputError::new(&directory, e))?;
        let path = log_path(base, run);
        Self::open_files(&path, &index_path(base, run)).map_err(|e| OutputError::new(&path, e))
    }

    fn open_files(path: &Path, index_path: &Path) -> std::io::Result<Self> {
        let open =
            |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let (mut log, mut index) = (open(path)?, open(index_path)?);
        let size = log.metadata()?.len();
        let mut known = Vec::new();
        index.read_to_end(&mut known)?;
        let mut records = frame::records(&known, size);
        // A record may have reached the disk before the frame that it points to: go back to one that holds.
        let (mut length, mut line) = (0, 0);
        while let Some(&(number, offset)) = records.last() {
            log.seek(SeekFrom::Start(offset))?;
            if frame::decode(&mut log, offset)?.is_some_and(|entry| entry.line == number) {
                (length, line) = (offset, number.saturating_sub(1));
                break;
            }
            records.pop();
        }
        log.seek(SeekFrom::Start(length))?;
        let mut from = BufReader::new(&log);
        while let Some(entry) = frame::decode(&mut from, length)? {
            (length, line) = (entry.next_offset, entry.line);
        }
        drop(from);
        log.set_len(length)?;
        log.seek(SeekFrom::Start(length))?;
        let index_length = (records.len() * frame::RECORD) as u64;
        index.set_len(index_length)?;
        index.seek(SeekFrom::Start(index_length))?;
        let indexed = records.last().map(|r| r.1);
        Ok(Self { path: path.to_owned(), log, index, length, line, indexed, partial: BTreeMap::new() })
    }

    /// Appends output of a step. Whole lines are written; the beginning of a line is kept until it ends, grows past
    /// [`LONGEST_ENTRY`], or its step ends.
    ///
    /// # Errors
    /// [`OutputError::Full`] when there is no space; nothing of this call is stored then, and earlier entries are whole.
    pub fn append(
        &mut self,
        time: Timestamp,
        node: &str,
        step: &str,
        stream: Stream,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        let key = (node.to_owned(), step.to_owned(), stream);
        let mut text = self.partial.remove(&key).unwrap_or_default();
        text.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        let mut rest = text.as_slice();
        loop {
            let window = rest.get(..LONGEST_ENTRY).unwrap_or(rest);
            let cut = match memchr::memchr(b'\n', window) {
                Some(at) => at + 1,
                None if rest.len() >= LONGEST_ENTRY => character_boundary(window),
                None => break,
            };
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = later;
        }
        let rest = rest.to_vec();
        self.write(time, &key, pieces)?;
        if !rest.is_empty() {
            self.partial.insert(key, rest);
        }
        Ok(())
    }

    /// Writes the lines that a step began and did not end.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn end_step(&mut self, time: Timestamp, node: &str, step: &str) -> Result<(), OutputError> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let key = (node.to_owned(), step.to_owned(), stream);
            if let Some(text) = self.partial.remove(&key) {
                self.write(time, &key, vec![text])?;
            }
        }
        Ok(())
    }

    /// The length in bytes: the offset that the next entry will have.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of entries.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.line
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn sync(&self) -> Result<(), OutputError> {
        self.log.sync_data().map_err(|e| OutputError::new(&self.path, e))
    }

    fn write(
        &mut self,
        time: Timestamp,
        (node, step, stream): &(String, String, Stream),
        pieces: Vec<Vec<u8>>,
    ) -> Result<(), OutputError> {
        if pieces.is_empty() {
            return Ok(());
        }
        let (mut buffer, mut records) = (Vec::new(), Vec::new());
        let (mut line, mut indexed) = (self.line, self.indexed);
        for bytes in pieces {
            line += 1;
            let offset = self.length + buffer.len() as u64;
            if indexed.is_none_or(|at| offset - at >= frame::SPACING) {
                records.extend_from_slice(&frame::record(line, offset));
                indexed = Some(offset);
            }
            let (node, step) = (node.clone(), step.clone());
            let entry = Entry { offset, next_offset: offset, line, time, node, step, stream: *stream, bytes };
            frame::encode(&entry, &mut buffer);
        }
        if let Err(e) = self.log.write_all(&buffer) {
            // Half a frame must not stand before the next one.
            let _ = self.log.set_len(self.length).and_then(|()| self.log.seek(SeekFrom::Start(self.length)));
            return Err(OutputError::new(&self.path, e));
        }
        self.length += buffer.len() as u64;
        self.line = line;
        // The index only makes reading faster: without a record, reading starts at the one before.
        if self.index.write_all(&records).is_ok() {
            self.indexed = indexed;
        } else if let Ok(size) = self.index.metadata().map(|m| m.len()) {
            let whole = size - size % frame::RECORD as u64;
            let _ = self.index.set_len(whole).and_then(|()| self.index.seek(SeekFrom::Start(whole)));
        }
        Ok(())
    }
}

/// Where to cut a text that is too long: not inside a character, where there is one.
fn character_boundary(window: &[u8]) -> usize {
    let end = window.len();
    let starts = |at: &usize| window.get(*at).is_some_and(|b| b & 0xc0 != 0x80);
    match (end.saturating_sub(4)..end).rev().find(starts) {
        Some(start) if start > 0 && std::str::from_utf8(window.get(start..).unwrap_or_default()).is_err() => start,
        _ => end,
    }
}
