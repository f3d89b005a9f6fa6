//! Definitions on disk: the example project is clean, and every bad fixture is told in good sentences.

use std::path::{Path, PathBuf};

use interlock::domain::ids::ProjectName;
use interlock::spec::{self, Diagnostic, ProjectSpec};

fn below(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(base: &Path, folder: &Path, out: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(base, &path, out);
            } else {
                let name = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
                out.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, folder, &mut out);
    out
}

fn check(folder: &Path) -> (ProjectSpec, Vec<Diagnostic>) {
    spec::check_folder(&ProjectName::parse("ops").unwrap(), &files(folder))
}

#[test]
fn the_example_project_has_no_mistake() {
    let (project, diagnostics) = check(&below("jobs/ops"));
    assert_eq!(spec::render(&diagnostics), "");
    assert_eq!((project.jobs.len(), project.nodes.len(), project.webhooks.len()), (3, 3, 1));
    let restart = project.jobs.iter().find(|j| j.value.path.to_string() == "services/restart-service").unwrap();
    assert_eq!(restart.value.id.as_ref().unwrap().as_str(), "a1b2c3-restart-service");
    assert_eq!(restart.value.steps.len(), 2);
}

#[test]
fn the_articles_webhook_loads_as_it_is() {
    let (project, diagnostics) = check(&below("tests/fixtures/article"));
    assert_eq!(spec::render(&diagnostics), "");
    let webhook = &project.webhooks[0];
    assert_eq!(webhook.value.job.as_str(), "a1b2c3-restart-service");
    assert_eq!(
        webhook.value.arguments.iter().map(|t| t.source()).collect::<Vec<_>>(),
        ["-service", "${data.service}", "-reason", "${data.summary}"]
    );
    assert_eq!(webhook.value.run_as.as_str(), "pagerduty-incident");
    assert!(webhook.source.starts_with("# webhook -> job mapping (rundeck)\nwebhook:\n"));
}

/// A fixture is a project's folder, or a file that holds one: `# file: PATH` lines start its files.
#[test]
fn every_mistake_is_told_in_a_good_sentence() {
    let folder = below("tests/fixtures/bad");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 45, "{} fixtures", names.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots/bad");
    settings.bind(|| {
        for path in names {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let files = if path.is_dir() { files(&path) } else { split(&std::fs::read_to_string(&path).unwrap()) };
            let (_, diagnostics) = spec::check_folder(&ProjectName::parse("ops").unwrap(), &files);
            assert!(!diagnostics.is_empty(), "{name} is no mistake");
            insta::assert_snapshot!(name, spec::render(&diagnostics));
        }
    });
}

fn split(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line
            .strip_prefix("# file: ")
            .or_else(|| line.strip_prefix("<!-- file: ").map(|l| l.trim_end().trim_end_matches("-->")))
        {
            Some(name) => out.push((name.trim().to_owned(), Vec::new())),
            None => out.last_mut().expect("a fixture starts with `# file: PATH`").1.extend_from_slice(line.as_bytes()),
        }
    }
    out
}
