//! Reading folders of definitions from disk, for `check`, `apply` and `serve --jobs`.

use std::fs;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::domain::ids::ProjectName;

/// A project's folder, read.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) project: ProjectName,
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// The most files and bytes that a folder may hold.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a project's folder, or a folder of projects.
pub(super) fn read(dir: &Path) -> Result<Vec<Folder>, Failure> {
    let canonical = dir.canonicalize().map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", dir.display())))?;
    if !canonical.is_dir() {
        return Err(Failure::Usage(format!("{} is not a folder", dir.display())));
    }
    if is_project(&canonical) {
        return Ok(vec![one(&canonical)?]);
    }
    let mut projects: Vec<PathBuf> = listing(&canonical)?.into_iter().filter(|p| p.is_dir() && is_project(p)).collect();
    projects.sort();
    if projects.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds no project: expected project.yaml, nodes.yaml, access.yaml or a folder `jobs` with YAML files, here or one level below",
            dir.display()
        )));
    }
    projects.iter().map(|p| one(p)).collect()
}

fn is_project(dir: &Path) -> bool {
    let names = [
        "project.yaml",
        "project.yml",
        "access.yaml",
        "access.yml",
        "nodes.yaml",
        "nodes.yml",
        "nodes.json",
        "nodes.xml",
    ];
    names.iter().any(|n| dir.join(n).is_file())
        || ["jobs", "webhooks", "rules"].iter().any(|n| holds_yaml(&dir.join(n), 4))
}

/// Whether a folder holds a YAML file that is not a project's own.
fn holds_yaml(dir: &Path, depth: usize) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    let own = ["project.yaml", "access.yaml", "nodes.yaml"];
    entries.flatten().any(|entry| {
        let path = entry.path();
        let name = entry.file_name();
        let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if path.is_dir() {
            depth > 0 && !own.iter().any(|n| path.join(n).is_file()) && holds_yaml(&path, depth - 1)
        } else {
            yaml && !own.iter().any(|n| *n == name)
        }
    })
}

fn one(dir: &Path) -> Result<Folder, Failure> {
    let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let project = ProjectName::parse(name)
        .map_err(|e| Failure::Usage(format!("the folder's name is the project's name, but {e}")))?;
    let mut files = Vec::new();
    let mut bytes = 0;
    collect(dir, dir, &mut files, &mut bytes)?;
    files.sort();
    Ok(Folder { path: dir.to_owned(), project, files })
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, Vec<u8>)>, bytes: &mut u64) -> Result<(), Failure> {
    for path in listing(dir)? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        let unreadable = |e: std::io::Error| Failure::Usage(format!("{} cannot be read: {e}", path.display()));
        let about = fs::metadata(&path).map_err(unreadable)?;
        if about.is_dir() {
            collect(root, &path, files, bytes)?;
        } else if about.is_file() {
            *bytes += about.len();
            if files.len() >= MOST_FILES || *bytes > MOST_BYTES {
                return Err(Failure::Usage(format!(
                    "{} holds more than {MOST_FILES} files or 64 MiB; is it the right folder?",
                    root.display()
                )));
            }
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((relative, fs::read(&path).map_err(unreadable)?));
        }
    }
    Ok(())
}

fn listing(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |e: std::io::Error| Failure::Usage(format!("{} cannot be read: {e}", dir.display()));
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        out.push(entry.map_err(unreadable)?.path());
    }
    out.sort();
    Ok(out)
}
