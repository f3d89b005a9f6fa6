//! Reading a run's output, also while it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::archived::Archived;
use super::write::{INDEX_ENTRY, STRIDE};
use super::{Entry, Stream, frame, segments};
use crate::domain::ids::{NodeName, RunNumber, StepName};

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this node.
    pub node: Option<NodeName>,
    /// Of this step.
    pub step: Option<StepName>,
    /// That contain this text, upper and lower case alike.
    pub text: Option<String>,
}

/// A piece of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where to go on.
    pub next: u64,
}

/// How far streams were stored, by node, step, try and stream.
pub type Sources = BTreeMap<(NodeName, StepName, u32, Stream), u64>;

/// Reads one run's output.
#[derive(Debug, Clone)]
pub struct Reader {
    place: Place,
}

/// Where the output is.
#[derive(Debug, Clone)]
enum Place {
    Folder(PathBuf),
    Bucket(Archived),
}

/// The most bytes that one call looks through, so that a filter over a huge log answers in pieces.
const MOST_LOOKED_AT: u64 = 32 * 1024 * 1024;

/// What is looked for in a piece of a log.
struct Sought<'a> {
    wanted: &'a Wanted,
    needle: Option<String>,
    most: usize,
    begin: u64,
}

impl Sought<'_> {
    /// Takes what fits out of a segment; whether that is enough.
    fn take(&self, segment: &mut impl BufRead, page: &mut Page) -> std::io::Result<bool> {
        let wanted = self.wanted;
        while let Some((number, line, size)) = frame::decode(segment)? {
            if page.entries.len() == self.most || page.next - self.begin > MOST_LOOKED_AT {
                return Ok(true);
            }
            let fits = wanted.node.as_ref().is_none_or(|n| *n == line.node)
                && wanted.step.as_ref().is_none_or(|s| *s == line.step)
                && self.needle.as_ref().is_none_or(|n| String::from_utf8_lossy(&line.bytes).to_lowercase().contains(n));
            if fits {
                page.entries.push(Entry { offset: page.next, number, line });
            }
            page.next += size;
        }
        Ok(false)
    }
}

impl Reader {
    /// A reader of a run's output; it may not be there yet.
    #[must_use]
    pub fn new(data: &Path, run: RunNumber) -> Self {
        Self { place: Place::Folder(super::folder(data, run)) }
    }

    /// A reader of what is in a bucket. It blocks on the network, and only works in a tokio runtime.
    #[must_use]
    pub fn archived(archived: Archived) -> Self {
        Self { place: Place::Bucket(archived) }
    }

    /// Entries from an offset on. The offset is one that a page gave, or 0.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn read(&self, offset: u64, most: usize, wanted: &Wanted) -> std::io::Result<Page> {
        let sought = Sought { wanted, needle: wanted.text.as_ref().map(|t| t.to_lowercase()), most, begin: offset };
        let mut page = Page { entries: Vec::new(), next: offset };
        match &self.place {
            Place::Folder(folder) => {
                let all = segments(folder)?;
                let first = all.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
                for (start, path) in all.iter().skip(first) {
                    // Between two segments nothing is missing: one begins where the one before ends.
                    if page.next < *start {
                        break;
                    }
                    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
                    file.seek(SeekFrom::Start(page.next - start))?;
                    if sought.take(&mut file, &mut page)? {
                        break;
                    }
                }
            }
            Place::Bucket(archived) => {
                while let Some(mut segment) = archived.segment_at(page.next) {
                    let before = page.next;
                    if sought.take(&mut segment, &mut page)? || page.next == before {
                        break;
                    }
                }
            }
        }
        Ok(page)
    }

    /// The offset at or shortly before a line: less than 256 lines.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn offset_near(&self, line: u64) -> std::io::Result<u64> {
        let width = u64::try_from(INDEX_ENTRY).unwrap_or(42);
        let place = |length: u64| {
            let entries = length / width;
            (line.saturating_sub(1) / STRIDE).min(entries.saturating_sub(1)) * width
        };
        let mut entry = String::new();
        match &self.place {
            Place::Folder(folder) => {
                let mut file = match File::open(folder.join("index")) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
                    other => other?,
                };
                file.seek(SeekFrom::Start(place(file.metadata()?.len())))?;
                file.take(width).read_to_string(&mut entry)?;
            }
            Place::Bucket(archived) => {
                let at = place(archived.index_length());
                archived.index_at(at, width).read_to_string(&mut entry)?;
            }
        }
        Ok(entry.split_whitespace().nth(1).and_then(|offset| offset.parse().ok()).unwrap_or(0))
    }

    /// The number of lines.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn lines(&self) -> std::io::Result<u64> {
        let mut offset = self.offset_near(u64::MAX)?;
        let mut last = 0;
        loop {
            let page = self.read(offset, 1_024, &Wanted::default())?;
            match page.entries.last() {
                Some(entry) => last = entry.number,
                None => return Ok(last),
            }
            offset = page.next;
        }
    }

    /// How far each stream of each try of a step on a node was stored, in bytes of the stream on the node.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn sources(&self) -> std::io::Result<Sources> {
        let mut found = Sources::new();
        let mut offset = 0;
        loop {
            let page = self.read(offset, 4_096, &Wanted::default())?;
            if page.entries.is_empty() {
                return Ok(found);
            }
            for Entry { line, .. } in page.entries {
                if line.stream != Stream::System {
                    found.insert((line.node, line.step, line.attempt, line.stream), line.source);
                }
            }
            offset = page.next;
        }
    }

    /// The offset from which at most about this many lines follow.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn tail(&self, most: u64) -> std::io::Result<u64> {
        let lines = self.lines()?;
        if lines <= most { Ok(0) } else { self.offset_near(lines - most + STRIDE) }
    }
}
