//! Who writes a run's output.
//!
//! The server that begins with a run writes into the run's folder itself. Each that takes the run over writes into a folder
//! of its own below, which has its fence for a name and begins with what that server had found; the newest of them is the
//! output. So what an earlier server still writes, not knowing yet that it has lost the run, counts for nothing, however
//! late it comes. A lock would not do: a server that stands still would keep it.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::read::{Frame, Reader, Sources};
use super::{INDEX, Stream, gone, listing, marks, options, segment, segments};
use crate::domain::ids::RunNumber;

/// The folder whose files are the output of the run of this folder.
pub(super) fn current(folder: &Path) -> std::io::Result<PathBuf> {
    Ok(newest(folder)?.map_or_else(|| folder.to_owned(), |fence| of(folder, fence)))
}

/// Makes sure that no server took the run over from the one with this fence, so that it need not write any more.
pub(super) fn hold(folder: &Path, fence: i64) -> std::io::Result<()> {
    match newest(folder)? {
        Some(newest) if newest > fence => Err(std::io::Error::new(
            ErrorKind::PermissionDenied,
            "another server has taken the run over and writes its output",
        )),
        _ => Ok(()),
    }
}

/// The folder of the server with this fence, which took the run over and had found this.
pub(super) fn take(folder: &Path, fence: i64, earlier: &EarlierOutput) -> std::io::Result<PathBuf> {
    hold(folder, fence)?;
    let own = of(folder, fence);
    if own.exists() {
        return Ok(own);
    }
    // Under another name first, so that nobody finds a half of it.
    let coming = own.with_extension("coming");
    gone(std::fs::remove_dir_all(&coming))?;
    create(&coming)?;
    if let Err(error) = earlier.copy_to(&coming) {
        // On a full disk it would only be in the way; whoever tries again begins with removing it too.
        let _ = std::fs::remove_dir_all(&coming);
        return Err(error);
    }
    std::fs::rename(&coming, &own)?;
    forget_before(folder, &earlier.place);
    Ok(own)
}

/// Makes a folder for output, and those that it is in.
pub(super) fn create(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn of(folder: &Path, fence: i64) -> PathBuf {
    folder.join(fence.to_string())
}

/// The fences of those that took the run over.
fn fences(folder: &Path) -> std::io::Result<impl Iterator<Item = i64>> {
    Ok(listing(folder)?.into_iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()))
}

fn newest(folder: &Path) -> std::io::Result<Option<i64>> {
    Ok(fences(folder)?.max())
}

/// Removes what is older than this place: the place itself may still be read by somebody. What is left over only takes room
/// until the run is removed.
fn forget_before(folder: &Path, place: &Path) {
    let Some(kept) = place.strip_prefix(folder).ok().and_then(|name| name.to_str()?.parse::<i64>().ok()) else {
        return;
    };
    for older in fences(folder).into_iter().flatten().filter(|fence| *fence < kept) {
        let _ = std::fs::remove_dir_all(of(folder, older));
    }
    for (_, path) in segments(folder).into_iter().flatten() {
        let _ = std::fs::remove_file(path);
    }
    let _ = std::fs::remove_file(folder.join(INDEX));
}

/// What earlier servers wrote of a run's output, as a server found it that goes on with the run. What they add to it later
/// does not count.
#[derive(Debug)]
pub struct EarlierOutput {
    /// How far each stream of each try of a step on a node is stored.
    pub sources: Sources,
    /// How long it is, in bytes.
    pub length: u64,
    /// Where it is.
    place: PathBuf,
    /// Its index.
    marks: Vec<u8>,
}

impl EarlierOutput {
    /// Looks for what there is.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn find(data: &Path, run: RunNumber) -> std::io::Result<Self> {
        let place = current(&super::folder(data, run))?;
        let mut found = Self { sources: Sources::new(), length: 0, place, marks: Vec::new() };
        let mut lines = 0;
        Reader::of(found.place.clone()).walk(0, |Frame { at, head, segment }| {
            let there = head.pass_over(segment)?;
            if there {
                marks::note(lines, head.count, at, &mut found.marks);
                lines += head.count;
                found.length = at + head.size();
                if head.stream != Stream::System {
                    found.sources.insert((head.node, head.step, head.attempt, head.stream), head.source);
                }
            }
            Ok(there)
        })?;
        Ok(found)
    }

    fn copy_to(&self, folder: &Path) -> std::io::Result<()> {
        let mut found = segments(&self.place)?;
        found.retain(|(start, _)| *start < self.length);
        if let Some((start, last)) = found.pop() {
            // Nobody writes into those that another follows.
            for (start, path) in found {
                let own = segment(folder, start);
                std::fs::hard_link(&path, &own).or_else(|_| std::fs::copy(&path, &own).map(drop))?;
            }
            let wanted = self.length - start;
            let mut own = options().create_new(true).write(true).open(segment(folder, start))?;
            if std::io::copy(&mut File::open(last)?.take(wanted), &mut own)? < wanted {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let mut index = options().create_new(true).write(true).open(folder.join(INDEX))?;
        std::io::Write::write_all(&mut index, &self.marks)
    }
}
