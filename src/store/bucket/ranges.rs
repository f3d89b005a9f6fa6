//! An object as something to read from: what is needed is fetched, in ranges that grow as more is read.

use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};

use bytes::{Buf as _, Bytes};
use tokio::runtime::Handle;

use super::Bucket;

/// The first range, in bytes: a page of a log or so.
const FIRST: u64 = 128 * 1024;

/// The longest range, in bytes.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Reads an object from a place on. It blocks: only for threads that may, in a tokio runtime.
#[derive(Debug)]
pub struct Ranges {
    bucket: Bucket,
    key: String,
    at: u64,
    end: u64,
    next: u64,
    fetched: Bytes,
}

impl Ranges {
    /// Of an object of this length.
    #[must_use]
    pub fn new(bucket: Bucket, key: String, at: u64, end: u64) -> Self {
        Self { bucket, key, at, end, next: FIRST, fetched: Bytes::new() }
    }
}

impl Read for Ranges {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.fetched.is_empty() && self.at < self.end {
            let end = self.end.min(self.at + self.next);
            let range = self.bucket.range(&self.key, self.at, end);
            self.fetched = Handle::current().block_on(range).map_err(Error::other)?;
            self.at = end;
            self.next = LONGEST.min(self.next * 2);
        }
        let count = out.len().min(self.fetched.len());
        let Some(place) = out.get_mut(..count) else { return Ok(0) };
        self.fetched.copy_to_slice(place);
        Ok(count)
    }
}

impl Seek for Ranges {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let here = self.at - u64::try_from(self.fetched.len()).map_err(Error::other)?;
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => here.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let place = place.ok_or(ErrorKind::InvalidInput)?;
        match place.checked_sub(here).and_then(|ahead| usize::try_from(ahead).ok()) {
            Some(ahead) if ahead <= self.fetched.len() => self.fetched.advance(ahead),
            _ => {
                self.fetched.clear();
                self.at = place;
            }
        }
        Ok(place)
    }
}
