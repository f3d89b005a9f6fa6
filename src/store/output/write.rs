//! Writing a run's output.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;

use super::frame::Head;
use super::generations::{self, EarlierOutput};
use super::lines::Group;
use super::{INDEX, Lines, frame, marks, segment, segments};
use crate::domain::ids::RunNumber;

/// A segment is closed when it is larger than this, in bytes.
const SEGMENT: u64 = 64 * 1024 * 1024;
/// After so many bytes the disk is told to take them, so that little is left to wait for at the end.
const UNSYNCED: u64 = 16 * 1024 * 1024;
/// How many bytes are put together before they are written.
const PIECE: u64 = 1024 * 1024;

/// A server's writer of a run's output.
#[derive(Debug)]
pub struct Writer {
    /// The run's.
    run: PathBuf,
    /// Whoever took the run over later has a higher one.
    fence: i64,
    /// Where the files are.
    folder: PathBuf,
    file: File,
    index: File,
    start: u64,
    length: u64,
    lines: u64,
    segment: u64,
    /// What the disk is told to take while others write on.
    syncing: Option<JoinHandle<std::io::Result<()>>>,
    /// Bytes that were written since it was told so.
    unsynced: u64,
}

/// What is to be written next.
#[derive(Default)]
struct Batch {
    /// The headers one behind the other.
    heads: Vec<u8>,
    /// Each frame: where its header ends, and its lines.
    frames: Vec<(usize, Bytes)>,
    /// The entries of the index that go with them.
    marks: Vec<u8>,
    /// All frames together, in bytes.
    size: u64,
}

impl Batch {
    fn add(&mut self, number: u64, shared: &str, group: &Group) {
        let before = self.heads.len();
        frame::header(number, shared, group, &mut self.heads);
        let size = self.heads.len() - before + group.bytes.len() + 1;
        self.frames.push((self.heads.len(), group.bytes.clone()));
        self.size += u64::try_from(size).unwrap_or(u64::MAX);
    }

    /// Writes the frames as they are, without putting them together before.
    fn write(&self, file: &mut File) -> std::io::Result<()> {
        let (mut parts, mut begin) = (Vec::with_capacity(self.frames.len() * 3), 0);
        for (end, lines) in &self.frames {
            let header = self.heads.get(begin..*end).unwrap_or_default();
            parts.extend([IoSlice::new(header), IoSlice::new(lines), IoSlice::new(b"\n")]);
            begin = *end;
        }
        let mut parts = parts.as_mut_slice();
        while !parts.is_empty() {
            match file.write_vectored(parts) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Writer {
    /// Opens a run's output for writing, for the server that begins with the run, or goes on after what earlier servers
    /// wrote; those are shut out then. A torn frame at the end is cut.
    ///
    /// # Errors
    /// Those of the file system; [`std::io::ErrorKind::PermissionDenied`] when a server with a higher fence was here.
    pub fn open(data: &Path, run: RunNumber, fence: i64, earlier: Option<&EarlierOutput>) -> std::io::Result<Self> {
        Self::open_with(data, run, fence, earlier, SEGMENT)
    }

    pub(super) fn open_with(
        data: &Path,
        run: RunNumber,
        fence: i64,
        earlier: Option<&EarlierOutput>,
        segment_size: u64,
    ) -> std::io::Result<Self> {
        let run = super::folder(data, run);
        let folder = match earlier {
            Some(earlier) => generations::take(&run, fence, earlier)?,
            None => {
                generations::create(&run)?;
                run.clone()
            }
        };
        generations::hold(&run, fence)?;
        let start = segments(&folder)?.last().map_or(0, |(start, _)| *start);
        let mut file = appending().open(segment(&folder, start))?;
        let index = appending().open(folder.join(INDEX))?;
        let (whole, lines) = whole_frames(&file, &folder, start)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        if index.metadata()?.len() > marks::length(lines) {
            index.set_len(marks::length(lines))?;
        }
        Ok(Self {
            run,
            fence,
            folder,
            file,
            index,
            start,
            length: start + whole,
            lines,
            segment: segment_size,
            syncing: None,
            unsynced: 0,
        })
    }

    /// How many lines the log has.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Appends lines; the log's length afterwards. What was written before an error stays whole.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::StorageFull`] when the disk is full; [`std::io::ErrorKind::PermissionDenied`] when another
    /// server has taken the run over; others of the file system.
    pub fn append(&mut self, batch: &[Lines]) -> std::io::Result<u64> {
        generations::hold(&self.run, self.fence)?;
        let mut lines = self.lines;
        let mut next = Batch::default();
        for together in batch {
            let shared = frame::shared(together);
            for group in &together.groups {
                marks::note(lines, group.count, self.length + next.size, &mut next.marks);
                next.add(lines + 1, &shared, group);
                lines += group.count;
                if next.size >= PIECE {
                    self.write(std::mem::take(&mut next), lines)?;
                }
            }
        }
        self.write(next, lines)?;
        Ok(self.length)
    }

    /// Writes what was put together, up to the line of this number.
    fn write(&mut self, batch: Batch, lines: u64) -> std::io::Result<()> {
        let written = batch.write(&mut self.file).and_then(|()| self.index.write_all(&batch.marks));
        if let Err(error) = written {
            // Half a frame must not stay: what comes later would be unreadable behind it. Nor a mark of lines that are not
            // there.
            self.file.set_len(self.length - self.start)?;
            self.file.seek(SeekFrom::End(0))?;
            self.index.set_len(marks::length(self.lines))?;
            return Err(error);
        }
        self.lines = lines;
        self.length += batch.size;
        self.unsynced += batch.size;
        if self.length - self.start >= self.segment {
            // Before a third one is begun the first one is on the disk.
            self.synced()?;
            let next = appending().open(segment(&self.folder, self.length))?;
            self.start = self.length;
            let before = std::mem::replace(&mut self.file, next);
            self.sync_beside(before)?;
        } else if self.unsynced >= UNSYNCED && self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.synced()?;
            // Where this cannot be done the end waits longer.
            if let Ok(file) = self.file.try_clone() {
                self.sync_beside(file)?;
            }
        }
        Ok(())
    }

    fn sync_beside(&mut self, file: File) -> std::io::Result<()> {
        self.unsynced = 0;
        let file = Arc::new(file);
        let beside = Arc::clone(&file);
        match std::thread::Builder::new().name("log-sync".to_owned()).spawn(move || beside.sync_data()) {
            Ok(syncing) => self.syncing = Some(syncing),
            // There is no thread to be had, so this one waits.
            Err(_) => file.sync_data()?,
        }
        Ok(())
    }

    /// Waits until what the disk was told to take is there.
    fn synced(&mut self) -> std::io::Result<()> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        syncing.join().unwrap_or_else(|_| Err(std::io::Error::other("the disk could not be told to keep a log")))
    }

    /// How long the log is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync(&mut self) -> std::io::Result<()> {
        self.synced()?;
        self.file.sync_data()
    }
}

fn appending() -> OpenOptions {
    let mut options = super::options();
    options.read(true).append(true).create(true);
    options
}

/// The length of the whole frames in the last segment, and the number of the last line.
fn whole_frames(file: &File, folder: &Path, start: u64) -> std::io::Result<(u64, u64)> {
    let (whole, last) = frames(file)?;
    match last {
        Some(number) => Ok((whole, number)),
        // A fresh segment goes on counting where the one before it ended.
        None if start > 0 => {
            let before = segments(folder)?.into_iter().rev().nth(1);
            let Some((_, path)) = before else { return Ok((0, 0)) };
            Ok((0, frames(&File::open(path)?)?.1.unwrap_or(0)))
        }
        None => Ok((0, 0)),
    }
}

/// The length of the whole frames of a segment, and the number of its last line.
fn frames(file: &File) -> std::io::Result<(u64, Option<u64>)> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let (mut whole, mut last) = (0, None);
    while let Some(head) = Head::read(&mut reader)? {
        if !head.pass_over(&mut reader)? {
            break;
        }
        whole += head.size();
        last = Some(head.number + head.count - 1);
    }
    Ok((whole, last))
}
