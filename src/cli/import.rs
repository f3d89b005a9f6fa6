//! `interlock import FILE…`: Rundeck's job files in Interlock's form, printed or written into a project's folder.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Done, Failure, Format, Global, out};
use crate::domain::ids::ProjectName;
use crate::spec::{self, Diagnostic};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Rundeck's job exports, YAML or XML
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The project's folder to write into; without it the jobs are printed
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// A converted job.
struct Imported {
    path: String,
    yaml: String,
}

pub(super) fn run(global: &Global, options: &Options) -> Done {
    let mut jobs = Vec::new();
    let mut told = Vec::new();
    for file in &options.files {
        read(file, &mut jobs, &mut told)?;
    }
    out::note(spec::render(&told).trim_end());
    if told.iter().any(Diagnostic::is_error) {
        if global.format == Format::Json {
            out::json(&json!({ "jobs": [], "diagnostics": told }));
        }
        return Err(Failure::Failed);
    }
    if let Some(folder) = &options.to {
        write(folder, &jobs)?;
    }
    if global.format == Format::Json {
        let jobs: Vec<_> = jobs.iter().map(|j| json!({ "file": j.path, "yaml": j.yaml })).collect();
        out::json(&json!({ "jobs": jobs, "diagnostics": told }));
    } else if options.to.is_some() {
        jobs.iter().for_each(|job| out::line(&job.path));
    } else {
        let all: Vec<&str> = jobs.iter().map(|job| job.yaml.as_str()).collect();
        out::raw(all.join("---\n").as_bytes());
    }
    Ok(())
}

fn read(file: &PathBuf, jobs: &mut Vec<Imported>, told: &mut Vec<Diagnostic>) -> Done {
    let bytes = fs::read(file).map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", file.display())))?;
    let xml = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"));
    let path = format!("jobs/import.{}", if xml { "xml" } else { "yaml" });
    // What a job refers to, such as a policy, is checked where it is applied; here only the file itself is read.
    let (read, mut diagnostics) = spec::check_folder(&ProjectName::parse("import")?, &[(path, bytes)]);
    for one in &mut diagnostics {
        one.file = file.display().to_string();
    }
    told.append(&mut diagnostics);
    jobs.extend(
        read.jobs
            .iter()
            .map(|job| Imported { path: format!("jobs/{}.yaml", job.value.path), yaml: spec::write_job(&job.value) }),
    );
    Ok(())
}

/// Writes every job, or none where one is there already and says something else.
fn write(folder: &std::path::Path, jobs: &[Imported]) -> Done {
    for job in jobs {
        let path = folder.join(&job.path);
        if fs::read_to_string(&path).is_ok_and(|there| there != job.yaml) {
            let message = format!("{} is there already; move it away first. Nothing was written", path.display());
            return Err(Failure::Usage(message));
        }
    }
    for job in jobs {
        let path = folder.join(&job.path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, &job.yaml));
        written.map_err(|e| Failure::Broken(format!("{} cannot be written: {e}", path.display())))?;
    }
    Ok(())
}
