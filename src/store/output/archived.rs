//! Output of an ended run in a bucket: the same files, as objects.

use std::io::{BufReader, Read};

use super::INDEX;
use crate::domain::archive;
use crate::store::bucket::{Bucket, Ranges};
use crate::store::log_archives::ArchiveRecord;

/// Where the objects of a run's output are.
#[derive(Debug, Clone)]
pub struct Archived {
    bucket: Bucket,
    /// Where each segment begins in the log, how long it is, and its key.
    segments: Vec<(u64, u64, String)>,
    index: Option<(u64, String)>,
}

impl Archived {
    /// By what is noted of it.
    #[must_use]
    pub fn new(bucket: Bucket, record: &ArchiveRecord) -> Self {
        let mut this = Self { bucket, segments: Vec::new(), index: None };
        for (name, stored) in &record.objects.0 {
            let key = archive::key(this.bucket.prefix(), &record.installation, record.run, name);
            let start = name.strip_prefix("log.").and_then(|start| start.parse().ok());
            match start {
                Some(start) => this.segments.push((start, stored.bytes, key)),
                None if name == INDEX => this.index = Some((stored.bytes, key)),
                None => {}
            }
        }
        this.segments.sort_unstable();
        this
    }

    /// What is left of the segment with this offset in it.
    pub(super) fn segment_at(&self, offset: u64) -> Option<BufReader<Ranges>> {
        let (start, bytes, key) =
            self.segments.iter().find(|(start, bytes, _)| (*start..start + bytes).contains(&offset))?;
        let ranges = Ranges::new(self.bucket.clone(), key.clone(), offset - start, *bytes);
        Some(BufReader::with_capacity(64 * 1024, ranges))
    }

    pub(super) fn index_length(&self) -> u64 {
        self.index.as_ref().map_or(0, |(bytes, _)| *bytes)
    }

    /// So many bytes of the index; nothing where there is none.
    pub(super) fn index_at(&self, at: u64, bytes: u64) -> Box<dyn Read> {
        match &self.index {
            Some((length, key)) => {
                Box::new(Ranges::new(self.bucket.clone(), key.clone(), at, (*length).min(at + bytes)))
            }
            None => Box::new(std::io::empty()),
        }
    }
}
