//! Reading a run's output, also while it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

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
    folder: PathBuf,
}

/// The most bytes that one call looks through, so that a filter over a huge log answers in pieces.
const MOST_LOOKED_AT: u64 = 32 * 1024 * 1024;

impl Reader {
    /// A reader of a run's output; it may not be there yet.
    #[must_use]
    pub fn new(data: &Path, run: RunNumber) -> Self {
        Self { folder: super::folder(data, run) }
    }

    /// Entries from an offset on. The offset is one that a page gave, or 0.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&self, offset: u64, most: usize, wanted: &Wanted) -> std::io::Result<Page> {
        let needle = wanted.text.as_ref().map(|t| t.to_lowercase());
        let mut page = Page { entries: Vec::new(), next: offset };
        let all = segments(&self.folder)?;
        let first = all.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        for (start, path) in all.iter().skip(first) {
            // Between two segments nothing is missing: one begins where the one before ends.
            if page.next < *start {
                break;
            }
            let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
            file.seek(SeekFrom::Start(page.next - start))?;
            while let Some((number, line, size)) = frame::decode(&mut file)? {
                if page.entries.len() == most || page.next - offset > MOST_LOOKED_AT {
                    return Ok(page);
                }
                let fits = wanted.node.as_ref().is_none_or(|n| *n == line.node)
                    && wanted.step.as_ref().is_none_or(|s| *s == line.step)
                    && needle.as_ref().is_none_or(|n| String::from_utf8_lossy(&line.bytes).to_lowercase().contains(n));
                if fits {
                    page.entries.push(Entry { offset: page.next, number, line });
                }
                page.next += size;
            }
        }
        Ok(page)
    }

    /// The offset at or shortly before a line: less than 256 lines.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn offset_near(&self, line: u64) -> std::io::Result<u64> {
        let mut file = match File::open(self.folder.join("index")) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        let width = u64::try_from(INDEX_ENTRY).unwrap_or(42);
        let entries = file.metadata()?.len() / width;
        let place = (line.saturating_sub(1) / STRIDE).min(entries.saturating_sub(1));
        file.seek(SeekFrom::Start(place * width))?;
        let mut entry = String::new();
        file.take(width).read_to_string(&mut entry)?;
        Ok(entry.split_whitespace().nth(1).and_then(|offset| offset.parse().ok()).unwrap_or(0))
    }

    /// The number of lines.
    ///
    /// # Errors
    /// Those of the file system.
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
    /// Those of the file system.
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
    /// Those of the file system.
    pub fn tail(&self, most: u64) -> std::io::Result<u64> {
        let lines = self.lines()?;
        if lines <= most { Ok(0) } else { self.offset_near(lines - most + STRIDE) }
    }
}
