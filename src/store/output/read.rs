//! Reading a run's output, also while it is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::archived::Archived;
use super::frame::{Head, Segment};
use super::marks::{Marks, STRIDE};
use super::{Entry, Stream, generations, segments};
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

/// How far streams were stored, in bytes of the stream on the node, by node, step, try and stream.
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
    /// Takes what fits out of a frame; whether to go on.
    fn take(&self, Frame { at, head, segment }: Frame<'_>, page: &mut Page) -> std::io::Result<bool> {
        if page.entries.len() == self.most || page.next - self.begin > MOST_LOOKED_AT {
            return Ok(false);
        }
        let (wanted, end) = (self.wanted, at + head.size());
        let fits = wanted.node.as_ref().is_none_or(|n| *n == head.node)
            && wanted.step.as_ref().is_none_or(|s| *s == head.step);
        if end <= page.next || !fits {
            let there = head.pass_over(segment)?;
            if there {
                page.next = page.next.max(end);
            }
            return Ok(there);
        }
        let Some(mut body) = head.lines(segment)? else { return Ok(false) };
        while let Some(line) = body.next() {
            let offset = at + line.begin;
            if offset < page.next {
                continue;
            }
            if page.entries.len() == self.most {
                return Ok(false);
            }
            if self.needle.as_ref().is_none_or(|n| String::from_utf8_lossy(line.bytes).to_lowercase().contains(n)) {
                page.entries.push(Entry { offset, number: line.number, line: line.line() });
            }
            page.next = at + line.end;
        }
        Ok(true)
    }
}

/// A frame that a walk over the log comes to. Its lines are read or passed over before the next one.
pub(super) struct Frame<'a> {
    /// Where it begins in the log.
    pub(super) at: u64,
    pub(super) head: Head,
    pub(super) segment: &'a mut dyn Segment,
}

impl Reader {
    /// A reader of a run's output; it may not be there yet.
    #[must_use]
    pub fn new(data: &Path, run: RunNumber) -> Self {
        Self::of(super::folder(data, run))
    }

    pub(super) fn of(folder: PathBuf) -> Self {
        Self { place: Place::Folder(folder) }
    }

    /// A reader of what is in a bucket. It blocks on the network, and only works in a tokio runtime.
    #[must_use]
    pub fn archived(archived: Archived) -> Self {
        Self { place: Place::Bucket(archived) }
    }

    /// Entries from an offset on: 0, or one that a page gave. Elsewhere it is the next line that begins behind it.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn read(&self, offset: u64, most: usize, wanted: &Wanted) -> std::io::Result<Page> {
        let sought = Sought { wanted, needle: wanted.text.as_ref().map(|t| t.to_lowercase()), most, begin: offset };
        let mut page = Page { entries: Vec::new(), next: offset };
        let begin = if offset == 0 { 0 } else { self.marks()?.before(offset)? };
        self.walk(begin, |frame| sought.take(frame, &mut page))?;
        Ok(page)
    }

    fn marks(&self) -> std::io::Result<Marks<'_>> {
        match &self.place {
            Place::Folder(folder) => Marks::of(&generations::current(folder)?),
            Place::Bucket(archived) => Ok(Marks::Object(archived)),
        }
    }

    /// Goes from frame to frame, from where one begins, until told to stop, or to one that is not whole.
    pub(super) fn walk(
        &self,
        mut at: u64,
        mut each: impl FnMut(Frame<'_>) -> std::io::Result<bool>,
    ) -> std::io::Result<()> {
        let mut over = |segment: &mut dyn Segment, at: &mut u64| {
            while let Some(head) = Head::read(segment)? {
                let end = *at + head.size();
                if !each(Frame { at: *at, head, segment })? {
                    return Ok::<_, std::io::Error>(true);
                }
                *at = end;
            }
            Ok(false)
        };
        match &self.place {
            Place::Folder(folder) => {
                let all = segments(&generations::current(folder)?)?;
                let first = all.partition_point(|(start, _)| *start <= at).saturating_sub(1);
                for (start, path) in all.iter().skip(first) {
                    // Between two segments nothing is missing: one begins where the one before ends.
                    if at < *start {
                        break;
                    }
                    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
                    file.seek(SeekFrom::Start(at - start))?;
                    if over(&mut file, &mut at)? {
                        break;
                    }
                }
            }
            Place::Bucket(archived) => {
                while let Some(mut segment) = archived.segment_at(at) {
                    let before = at;
                    if over(&mut segment, &mut at)? || at == before {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The offset of the line with this number, or of the end when there are not so many.
    fn offset_of(&self, number: u64) -> std::io::Result<u64> {
        let mut found = self.marks()?.before_line(number)?;
        self.walk(found, |Frame { at, head, segment }| {
            found = at;
            if head.number >= number {
                return Ok(false);
            }
            let end = at + head.size();
            if head.number + head.count <= number {
                let there = head.pass_over(segment)?;
                if there {
                    found = end;
                }
                return Ok(there);
            }
            let Some(mut body) = head.lines(segment)? else { return Ok(false) };
            while let Some(line) = body.next().filter(|line| line.number <= number) {
                found = at + line.begin;
            }
            Ok(false)
        })?;
        Ok(found)
    }

    /// The offset at or shortly before a line: less than 256 lines.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn offset_near(&self, line: u64) -> std::io::Result<u64> {
        self.offset_of(line.saturating_sub(1) / STRIDE * STRIDE + 1)
    }

    /// The number of lines.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn lines(&self) -> std::io::Result<u64> {
        let mut last = 0;
        self.walk(self.marks()?.before_line(u64::MAX)?, |Frame { head, segment, .. }| {
            let there = head.pass_over(segment)?;
            if there {
                last = head.number + head.count - 1;
            }
            Ok(there)
        })?;
        Ok(last)
    }

    /// The offset from which at most so many lines follow to the end.
    ///
    /// # Errors
    /// Those of the file system, or of the bucket.
    pub fn tail(&self, most: u64) -> std::io::Result<u64> {
        let lines = self.lines()?;
        if lines <= most { Ok(0) } else { self.offset_of(lines - most + 1) }
    }
}
