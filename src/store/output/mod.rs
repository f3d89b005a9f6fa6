//! Run output on disk: append-only segment files, one folder a run, addressed by byte offsets.
//!
//! A frame is a line of header and the raw bytes of lines that came together, so that what a node wrote can be given back
//! byte for byte, and a person can read the file with a pager:
//!
//! ```text
//! LENGTH LINE MICROSECONDS STREAM NODE STEP ATTEMPT SOURCE ENDING [COUNT]\n
//! BYTES\n
//! ```
//!
//! `LINE` is the number of the first line, `COUNT` how many there are where it is not one. `ENDING` is `n` when the last
//! one ended with a line break and `-` for a piece of a line. `SOURCE` is how far into the stream's file on the node the
//! last one reaches, so that a server that takes a run over knows where to go on. Lines stand together only where they
//! follow each other on the node as they do here, so each one's place there is known as well. Offsets count over all
//! segments; that of a line which is not the first of its frame is where its bytes begin.
//!
//! A frame that a crash tore is not shown to readers, and left out by whoever goes on with the log.

mod archived;
mod frame;
mod generations;
mod lines;
mod marks;
mod read;
mod write;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::domain::ids::{NodeName, RunNumber, StepName};
use crate::domain::time::Timestamp;

pub use archived::Archived;
pub use generations::EarlierOutput;
pub use lines::Lines;
pub use read::{Page, Reader, Sources, Wanted};
pub use write::Writer;

/// The longest piece of a line that one entry holds, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// Which stream an entry came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Interlock's own remarks.
    System,
}

impl Stream {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::System => "system",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Stdout, Self::Stderr, Self::System].into_iter().find(|s| s.as_str() == word)
    }
}

/// One line of output, or a piece of a very long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was taken.
    pub at: Timestamp,
    /// The node.
    pub node: NodeName,
    /// The step.
    pub step: StepName,
    /// The try of the step, from 1.
    pub attempt: u32,
    /// The stream.
    pub stream: Stream,
    /// Bytes of the stream on the node up to the end of this line; 0 for Interlock's own remarks.
    pub source: u64,
    /// The bytes without the line break.
    pub bytes: Vec<u8>,
    /// Whether a line break followed.
    pub ended: bool,
}

/// A line in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins, in bytes from the start of the log.
    pub offset: u64,
    /// Its number, from 1.
    pub number: u64,
    /// The line.
    pub line: Line,
}

/// The folder of a run's output below the data folder.
#[must_use]
pub fn folder(data: &Path, run: RunNumber) -> PathBuf {
    data.join("runs").join(format!("{:03}", run.get() % 1_000)).join(run.to_string())
}

fn segment(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("log.{start:020}"))
}

/// The segments of a folder with their starts, in order.
fn segments(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let listing = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for item in listing {
        let item = item?;
        let start = item.file_name().to_str().and_then(|n| n.strip_prefix("log.")?.parse::<u64>().ok());
        if let Some(start) = start {
            found.push((start, item.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The files that make up a run's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Where they are.
    pub folder: PathBuf,
    /// What they are called; none where there is no output.
    pub names: Vec<String>,
    /// How long the output is, in bytes.
    pub length: u64,
}

/// The files that make up a run's output.
///
/// # Errors
/// Those of the file system.
pub fn files(data: &Path, run: RunNumber) -> std::io::Result<Files> {
    let folder = generations::current(&folder(data, run))?;
    let (mut names, mut length) = (Vec::new(), 0);
    for (_, path) in segments(&folder)? {
        length += path.metadata()?.len();
        names.extend(path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
    }
    if !names.is_empty() && folder.join(INDEX).exists() {
        names.push(INDEX.to_owned());
    }
    Ok(Files { folder, names, length })
}

/// The runs that have output in this data folder.
///
/// # Errors
/// Those of the file system.
pub fn runs(data: &Path) -> std::io::Result<Vec<RunNumber>> {
    let mut found = Vec::new();
    for group in listing(&data.join("runs"))? {
        if group.is_dir() {
            let numbers = listing(&group)?;
            // One that was about to leave when its server ended has another ending.
            let number = |path: &PathBuf| RunNumber::parse(path.file_stem()?.to_str()?).ok();
            found.extend(numbers.iter().filter_map(number));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn listing(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.map(|item| Ok(item?.path())).collect(),
    }
}

/// Removes a run's output from the local disk. One that is not there is as good as removed.
///
/// # Errors
/// Those of the file system.
pub fn remove(data: &Path, run: RunNumber) -> std::io::Result<()> {
    let folder = folder(data, run);
    // Under another name first, so that nobody finds a half of it.
    let leaving = folder.with_extension("leaving");
    gone(std::fs::remove_dir_all(&leaving))?;
    gone(std::fs::rename(&folder, &leaving))?;
    gone(std::fs::remove_dir_all(&leaving))
}

/// What is not there is as good as removed.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// How files of output are opened: for the one account alone.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// The file that says in which frame every 256th line is.
const INDEX: &str = "index";

#[cfg(test)]
mod tests;
