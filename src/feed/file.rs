//! Reads new lines of a file that grows and is rotated: renamed, or copied and emptied. A file is known by device, inode and
//! its first bytes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::digest::Digest;
use crate::domain::source::errand::{Lines, LogPosition, Reading};
use crate::domain::source::log::Line;

/// What is read at once, in bytes.
const PIECE: usize = 256 << 10;
/// What may stand without the end of a line before the rest of it is passed over.
const ENDLESS: usize = 64 << 10;
/// The lines that are brought back at once.
const MOST_LINES: usize = 1_000;
/// How many of the first bytes tell a file from others.
const PRINT: u64 = 1_024;
/// The files beside it that are looked at for the one that was rotated away.
const MOST_BESIDE: usize = 200;

/// An open file below a folder that may be read.
struct Opened {
    file: File,
    about: Metadata,
}

/// Reads on.
pub(super) fn read(reading: &Reading, allowed: &[PathBuf]) -> Result<Lines, String> {
    let path = Path::new(&reading.file);
    if allowed.is_empty() {
        return Err("This server reads no logs; start it with --source-logs FOLDER.".to_owned());
    }
    let current = open(path, allowed)?;
    let Some(position) = &reading.position else {
        let current = current.ok_or_else(|| format!("There is no file {}.", path.display()))?;
        return begin(current, reading);
    };
    if let Some(current) = current {
        if is_file(&current.about, position) && is_continued(&current, position)? {
            return lines_of(current, position.clone(), false, None);
        }
        return rotated(path, Some(current), position, allowed);
    }
    rotated(path, None, position, allowed)
}

/// The file is another one than it was: what is left of the old one comes first.
fn rotated(path: &Path, current: Option<Opened>, position: &LogPosition, allowed: &[PathBuf]) -> Result<Lines, String> {
    let old = beside(path, position, allowed)?;
    let lost = old.is_none();
    if let Some(old) = old {
        let (device, inode) = (old.about.dev(), old.about.ino());
        let has_more = old.about.len() > position.offset;
        // An empty new file shows that whoever writes may still write to the old one.
        if has_more || current.as_ref().is_none_or(|c| c.about.len() == 0) {
            let at = LogPosition { device, inode, ..position.clone() };
            let ended = current.is_some_and(|c| c.about.len() > 0);
            return lines_of(old, at, ended, None);
        }
    }
    let Some(current) = current else {
        return Err(format!("There is no file {}, nor the one that was read before.", path.display()));
    };
    let warning = lost.then(|| {
        format!(
            "{} is another file than before, and the old one is not beside it: its last lines may be lost.",
            path.display()
        )
    });
    let next = LogPosition {
        generation: position.generation + 1,
        device: current.about.dev(),
        inode: current.about.ino(),
        offset: 0,
        print_length: 0,
        print: String::new(),
        skipping: false,
        born: position.born.clone(),
    };
    lines_of(current, next, false, warning)
}

fn begin(mut current: Opened, reading: &Reading) -> Result<Lines, String> {
    let length = current.about.len();
    let mut last = [b'\n'];
    if length > 0 && !reading.from_start {
        current.file.seek(SeekFrom::Start(length - 1)).map_err(|e| broke(&e))?;
        current.file.read_exact(&mut last).map_err(|e| broke(&e))?;
    }
    let position = LogPosition {
        born: reading.born.clone(),
        generation: 0,
        device: current.about.dev(),
        inode: current.about.ino(),
        offset: if reading.from_start { 0 } else { length },
        print_length: 0,
        print: String::new(),
        // A line that was begun before is not ours.
        skipping: last != [b'\n'],
    };
    lines_of(current, position, false, None)
}

fn lines_of(
    mut opened: Opened,
    mut position: LogPosition,
    ended: bool,
    warning: Option<String>,
) -> Result<Lines, String> {
    opened.file.seek(SeekFrom::Start(position.offset)).map_err(|e| broke(&e))?;
    let mut bytes = Vec::new();
    opened.file.by_ref().take(PIECE as u64).read_to_end(&mut bytes).map_err(|e| broke(&e))?;
    let at_end = bytes.len() < PIECE;
    let mut rest = bytes.as_slice();
    let mut lines = Vec::new();
    while lines.len() < MOST_LINES && !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest);
        let (line, length) = match end {
            Some(end) => (rest.get(..end), end + 1),
            None if ended && at_end || rest.len() >= ENDLESS => (Some(rest), rest.len()),
            None => break,
        };
        if !position.skipping {
            let key = format!("{}.{}:{}", position.born, position.generation, position.offset);
            lines.push(Line::new(key, line.unwrap_or_default()));
        }
        position.skipping = end.is_none() && !ended;
        position.offset += length as u64;
        rest = rest.get(length..).unwrap_or_default();
    }
    let more = !rest.is_empty() && lines.len() == MOST_LINES || !at_end;
    if position.print_length < PRINT {
        position.print_length = position.offset.min(PRINT);
        position.print = print(&mut opened.file, position.print_length)?.unwrap_or_default();
    }
    Ok(Lines { lines, position, more, warning })
}

fn is_file(about: &Metadata, position: &LogPosition) -> bool {
    (about.dev(), about.ino()) == (position.device, position.inode)
}

/// Whether the file begins as the one that was read did, and is not shorter than what was read of it.
fn is_continued(opened: &Opened, position: &LogPosition) -> Result<bool, String> {
    if opened.about.len() < position.offset {
        return Ok(false);
    }
    let mut file = opened.file.try_clone().map_err(|e| broke(&e))?;
    Ok(print(&mut file, position.print_length)?.is_some_and(|print| print == position.print))
}

/// The fingerprint of the first bytes; `None` where there are not so many.
fn print(file: &mut File, length: u64) -> Result<Option<String>, String> {
    if length == 0 {
        return Ok(Some(String::new()));
    }
    file.seek(SeekFrom::Start(0)).map_err(|e| broke(&e))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|e| broke(&e))?;
    Ok((bytes.len() as u64 == length).then(|| Digest::of(&bytes).to_string()))
}

/// The file that was read before, under whatever name it has beside the path now: itself, or a copy of it.
fn beside(path: &Path, position: &LogPosition, allowed: &[PathBuf]) -> Result<Option<Opened>, String> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let name = name.to_string_lossy();
    // `app.log` becomes `app.log.1`, `app.log-20261125` or `app-20261125.log`.
    let stem = name.split('.').next().unwrap_or_default();
    let entries = std::fs::read_dir(folder).map_err(|e| broke(&e))?;
    let mut copy = None;
    for entry in entries.filter_map(Result::ok).take(MOST_BESIDE) {
        let other = entry.file_name();
        let other = other.to_string_lossy();
        if other == name || !other.starts_with(stem) {
            continue;
        }
        // What cannot be opened, such as a folder, is not it.
        let Ok(Some(opened)) = open(&entry.path(), allowed) else { continue };
        if !is_continued(&opened, position)? {
            continue;
        }
        if is_file(&opened.about, position) {
            return Ok(Some(opened));
        }
        if position.print_length > 0 {
            copy = Some(opened);
        }
    }
    Ok(copy)
}

/// Opens a file, wherever links lead, only if it lies below one of the folders; `None` where there is none.
fn open(path: &Path, allowed: &[PathBuf]) -> Result<Option<Opened>, String> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or_default()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // What is not there tells nothing about places that may not be looked at.
            return if is_below(path, allowed) { Ok(None) } else { Err(not_allowed(path)) };
        }
        Err(_) if !is_below(path, allowed) => return Err(not_allowed(path)),
        Err(error) => return Err(format!("{} cannot be opened: {}.", path.display(), error.kind())),
    };
    // The file that was opened, not what a link may lead to by now.
    let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|e| broke(&e))?;
    let inside = |folder: &PathBuf| std::fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
    if !allowed.iter().any(inside) {
        return Err(not_allowed(path));
    }
    let about = file.metadata().map_err(|e| broke(&e))?;
    if !about.is_file() {
        return Err(format!("{} is not a file.", path.display()));
    }
    Ok(Some(Opened { file, about }))
}

fn is_below(path: &Path, allowed: &[PathBuf]) -> bool {
    allowed.iter().any(|folder| path.starts_with(folder))
}

fn not_allowed(path: &Path) -> String {
    format!("{} lies in no folder that --source-logs names, so it is not read.", path.display())
}

fn broke(error: &std::io::Error) -> String {
    format!("Reading broke off: {}.", error.kind())
}
