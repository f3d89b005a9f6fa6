//! Definitions on disk: the example project is clean, and every bad fixture is told in good sentences.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

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

#[test]
fn the_articles_rule_loads_as_it_is() {
    use interlock::domain::rule::{Action, AuthoredMode, Parameter};
    let (project, diagnostics) = check(&below("tests/fixtures/article"));
    assert_eq!(spec::render(&diagnostics), "");
    let rule = &project.rules[0].value;
    assert_eq!(
        (rule.name.as_str(), rule.pack.as_str(), rule.mode),
        ("restart_on_disk_full", "ops", AuthoredMode::DryRun)
    );
    assert_eq!((rule.trigger.as_str(), rule.conditions.count()), ("prometheus.alert", 2));
    assert_eq!(rule.owner.as_str(), "restart_on_disk_full");
    let Action::Run { job, parameters } = &rule.action else { panic!("{:?}", rule.action) };
    assert_eq!(job, "ops.rotate_logs");
    let Some(Parameter::One(host)) = parameters.get("host") else { panic!("{parameters:?}") };
    assert_eq!((parameters.len(), host.source()), (1, "{{ trigger.labels.instance }}"));
}

/// The article's indentation is lost, so `dry_run` may stand on any of three levels: it means the same on each.
#[test]
fn dry_run_is_read_wherever_the_article_may_have_meant_it() {
    use interlock::domain::rule::{Action, AuthoredMode};
    for place in ["dry_run: true\n", "  dry_run: true\n", "    dry_run: true\n"] {
        let text =
            format!("name: r\ntrigger: {{type: a.b}}\naction:\n  ref: ops.x\n  parameters:\n    host: a\n{place}");
        let rule = spec::read_rule(&text).map_err(|d| spec::render(&d)).unwrap();
        assert_eq!(rule.mode, AuthoredMode::DryRun);
        let Action::Run { parameters, .. } = rule.action else { panic!("{place}") };
        assert_eq!(parameters.keys().collect::<Vec<_>>(), ["host"]);
        let live = spec::read_rule(&text.replace("true", "false")).map_err(|d| spec::render(&d)).unwrap_err();
        assert!(live.contains("live_by_promotion"), "{live}");
    }
}

/// Whatever changes what a rule does is another digest, as a promotion binds to it.
#[test]
fn a_rules_digest_covers_everything_that_it_does() {
    let base = "name: r\ntrigger: {type: a.b, parameters: {x: 1}}\ncriteria:\n  trigger.a: {type: equals, pattern: 1}\n  any: [{trigger.b: {type: exists}}, {trigger.c: {type: exists}}]\naction: {ref: ops.x, parameters: {host: a}}\nowner: service:o\nguard:\n  environment: [staging]\n  min_confidence: {at_least: 0.9, below: drop}\n  strict: [trigger.a]\n  dedupe: {key: '{{ trigger.a }}', window: 1h}\n  rate: {limit: 3, window: 10m, key: '{{ trigger.b }}'}\n  breaker: {count: 9, per: 1h, failures_percent: 50, cool_down: 1h, demote: true}\n  maintenance: [{days: [sat], from: '22:00', for: 2h}]\n  blast_radius: {nodes: 3, percent: 10, per: 1h}\nenrich: [x]\n";
    let digest = |text: &str| {
        let files = [("rules/a.yaml".to_owned(), text.as_bytes().to_vec())];
        let (project, diagnostics) = spec::check_folder(&ProjectName::parse("ops").unwrap(), &files);
        project.rules.first().unwrap_or_else(|| panic!("{}", spec::render(&diagnostics))).digest
    };
    let same = digest(base);
    assert_eq!(same, digest(&format!("# a comment\n{base}tags: []\n")));
    for (from, to) in [
        ("pattern: 1", "pattern: 2"),
        ("{type: a.b", "{type: a.c"),
        ("{x: 1}", "{x: 2}"),
        ("any:", "all:"),
        ("trigger.c: {type: exists}", "trigger.c: {type: nexists}"),
        ("ops.x", "ops.y"),
        ("host: a", "host: b"),
        ("service:o", "service:p"),
        ("[staging]", "[testing]"),
        ("0.9", "0.8"),
        ("below: drop", "below: notify"),
        ("strict: [trigger.a]", "strict: []"),
        ("'{{ trigger.a }}'", "'{{ trigger.c }}'"),
        ("window: 1h", "window: 2h"),
        ("limit: 3", "limit: 4"),
        ("window: 10m", "window: 11m"),
        ("'{{ trigger.b }}'", "'{{ trigger.c }}'"),
        ("count: 9", "count: 8"),
        ("per: 1h, failures", "per: 2h, failures"),
        ("failures_percent: 50", "failures_percent: 51"),
        ("cool_down: 1h", "cool_down: 2h"),
        ("demote: true", "demote: false"),
        ("[sat]", "[sun]"),
        ("'22:00'", "'22:01'"),
        ("for: 2h", "for: 3h"),
        ("nodes: 3", "nodes: 4"),
        ("percent: 10", "percent: 11"),
        ("enrich: [x]", "enrich: [y]"),
        ("enrich:", "mode: live\nenrich:"),
        ("enrich:", "enabled: false\nenrich:"),
    ] {
        assert_ne!(same, digest(&base.replacen(from, to, 1)), "{from} -> {to}");
    }
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

proptest::proptest! {
    /// Whatever stands in the files, reading ends with diagnostics and never with a panic.
    #[test]
    fn arbitrary_bytes_are_only_ever_told(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        for path in ["project.yaml", "access.yaml", "nodes.yaml", "nodes.json", "nodes.xml", "jobs/a.yaml", "jobs/a.xml", "webhooks/a.yaml", "rules/a.yaml", "sources/a.yaml"] {
            let _ = spec::check_folder(&ProjectName::parse("ops").unwrap(), &[(path.to_owned(), bytes.clone())]);
        }
    }

    /// The example's own files with pieces cut out, doubled or replaced come closer to the readers than noise does.
    #[test]
    fn broken_examples_are_only_ever_told(from in 0usize..2_000, length in 0usize..40, with in "[-\\[\\]{}:,'\"#|>&*!%$ \n\ta1é]{0,6}") {
        for (path, bytes) in files(&below("jobs/ops")) {
            let mut text: Vec<char> = String::from_utf8(bytes).unwrap().chars().collect();
            let from = from % text.len();
            text.splice(from..(from + length).min(text.len()), with.chars());
            let text: String = text.into_iter().collect();
            let (_, diagnostics) = spec::check_folder(&ProjectName::parse("ops").unwrap(), &[(path, text.clone().into_bytes())]);
            for d in diagnostics {
                let lines = u32::try_from(text.split('\n').count()).unwrap();
                assert!(d.line >= 1 && d.line <= lines && d.column >= 1 && (d.end_line, d.end_column) >= (d.line, d.column), "{d:?}");
                assert!(!d.message.is_empty() && !d.code.is_empty());
            }
        }
    }
}

#[test]
fn a_digest_depends_on_what_is_meant_and_not_on_how_it_is_written() {
    let digest = |text: &str| {
        let files = [("jobs/a.yaml".to_owned(), text.as_bytes().to_vec())];
        let (project, diagnostics) = spec::check_folder(&ProjectName::parse("ops").unwrap(), &files);
        assert_eq!(spec::render(&diagnostics), "");
        project.jobs[0].digest
    };
    let one = digest("name: a\nsteps:\n  - run: ls\n");
    assert_eq!(one, digest("# a comment\nsteps: [{run: 'ls', name: step-1}]\nenabled: true\nname: \"a\"\n"));
    assert_ne!(one, digest("name: a\nsteps:\n  - run: ls -l\n"));
    assert_ne!(one, digest("name: a\nidempotent: true\nsteps:\n  - run: ls\n"));
}

#[test]
fn hostile_files_are_refused_quickly() {
    let check = |path: &str, text: String| {
        spec::check_folder(&ProjectName::parse("ops").unwrap(), &[(path.to_owned(), text.into_bytes())]).1
    };
    let nodes: String = (0..100_000).map(|i| format!("n{i}: {{hostname: h}}\n")).collect();
    for (path, text) in [
        ("jobs/a.yaml", "[".repeat(10_000)),
        ("nodes.xml", format!("<project>{}", "<node>".repeat(10_000))),
        ("nodes.json", "[".repeat(10_000)),
        ("nodes.yaml", nodes),
        ("jobs/a.yaml", format!("name: a\nsteps: [{}]\n", "x,".repeat(100_000))),
        ("jobs/a.yaml", "x".repeat(2 << 20)),
    ] {
        let diagnostics = check(path, text);
        assert!(diagnostics.iter().any(Diagnostic::is_error), "{path}");
    }
}

/// What Rundeck exports becomes a job of ours; what that is, is written down.
#[test]
fn rundecks_exports_are_converted() {
    for file in ["restart.yaml", "restart.xml"] {
        let bytes = std::fs::read(below("tests/fixtures/rundeck").join(file)).unwrap();
        let (project, diagnostics) =
            spec::check_folder(&ProjectName::parse("ops").unwrap(), &[(format!("jobs/{file}"), bytes)]);
        let jobs: Vec<&str> = project.jobs.iter().map(|j| j.source.as_str()).collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path("snapshots/rundeck");
        settings
            .bind(|| insta::assert_snapshot!(file, format!("{}\n{}", spec::render(&diagnostics), jobs.join("---\n"))));
        for job in &project.jobs {
            assert_eq!(spec::read_job(&job.source).as_ref(), Ok(&job.value));
        }
    }
}

/// The examples of the documentation are definitions that load; each page is a project of its own.
#[test]
fn the_documentations_examples_have_no_mistake() {
    let pages = [
        ("docs/jobs.md", 5),
        ("docs/nodes.md", 1),
        ("docs/webhooks.md", 5),
        ("docs/access.md", 1),
        ("docs/approvals.md", 4),
        ("docs/freezes.md", 4),
        ("docs/rules.md", 4),
        ("docs/notifications.md", 2),
        ("docs/sources.md", 6),
        ("docs/chat.md", 4),
    ];
    for (page, least) in pages {
        let text = std::fs::read_to_string(below(page)).unwrap();
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert!(block.starts_with("# file: "), "{page}: an example does not say its file:\n{block}");
            files.extend(split(block));
        }
        assert!(files.len() >= least, "{page}: {} examples", files.len());
        let (project, diagnostics) = spec::check_folder(&ProjectName::parse("ops").unwrap(), &files);
        assert_eq!(spec::render(&diagnostics), "", "{page}");
        assert_eq!(project.jobs.len(), files.iter().filter(|(name, _)| name.starts_with("jobs/")).count(), "{page}");
        // A file of sources may hold several.
        assert!(project.sources.len() >= files.iter().filter(|(n, _)| n.starts_with("sources/")).count(), "{page}");
        assert_eq!(project.webhooks.len(), files.iter().filter(|(n, _)| n.starts_with("webhooks/")).count(), "{page}");
        assert_eq!(project.aliases.len(), files.iter().filter(|(n, _)| n.starts_with("aliases/")).count(), "{page}");
    }
}

/// What is served from `static/vendor` is what its list says.
#[test]
fn vendored_files_are_those_of_the_list() {
    use sha2::Digest as _;
    let folder = below("static/vendor");
    let list = std::fs::read_to_string(folder.join("README.md")).unwrap();
    // What lies in folders is not served: it is what a bundle is made of, and its lock file pins that.
    for (name, bytes) in files(&folder).into_iter().filter(|(name, _)| !name.contains('/')) {
        let sum: String = sha2::Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let listed = list.lines().any(|line| line.contains(&format!("`{name}`")) && line.contains(&sum));
        assert!(listed || name == "README.md", "{name} with SHA-256 {sum} is not listed in static/vendor/README.md");
    }
}

#[test]
fn a_grant_knows_its_line() {
    let rules = spec::read_access(
        "roles:\n  a:\n    - {allow: [view], on: 'job/**'}\n\n    - deny: [run]\n      on: 'job/**'\n",
    )
    .unwrap();
    let lines: Vec<u32> = rules.roles.values().flatten().map(|g| g.line).collect();
    assert_eq!(lines, [3, 5]);
}

#[test]
fn several_documents_keep_their_own_text() {
    let text = "# first\nname: a\nsteps: [{run: ls}]\n---\n# second\nname: b\nsteps: [{run: ls}]\n";
    let (project, diagnostics) = spec::check_folder(
        &ProjectName::parse("ops").unwrap(),
        &[("jobs/a.yaml".to_owned(), text.as_bytes().to_vec())],
    );
    assert_eq!(spec::render(&diagnostics), "");
    let sources: Vec<&str> = project.jobs.iter().map(|j| j.source.as_str()).collect();
    assert_eq!(sources, ["# first\nname: a\nsteps: [{run: ls}]\n", "# second\nname: b\nsteps: [{run: ls}]\n"]);
    for job in &project.jobs {
        assert_eq!(spec::read_job(&job.source).as_ref(), Ok(&job.value));
    }
}

#[test]
fn an_inventory_says_the_same_in_yaml_json_and_xml() {
    use interlock::spec::{NodesFormat, read_nodes};
    let yaml = "web1:\n  hostname: 192.0.2.1:2222\n  username: deploy\n  tags: [web, prod]\n  environment: production\n  osFamily: unix\n  zone: a\n";
    let json = r#"{"web1": {"nodename": "web1", "hostname": "192.0.2.1:2222", "username": "deploy", "tags": "web,prod", "environment": "production", "osFamily": "unix", "zone": "a"}}"#;
    let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<project>
  <node name="web1" hostname="192.0.2.1:2222" username="deploy" tags="web,prod" osFamily="unix">
    <attribute name="environment" value="production"/>
    <attribute name="zone" value="a"/>
  </node>
</project>
"#;
    let read = |format, text| {
        let nodes = read_nodes(format, text).unwrap();
        assert_eq!(nodes.len(), 1);
        nodes.into_iter().next().unwrap()
    };
    let (a, b, c) = (read(NodesFormat::Yaml, yaml), read(NodesFormat::Json, json), read(NodesFormat::Xml, xml));
    for node in [&a, &b, &c] {
        assert_eq!((node.host.as_str(), node.port), ("192.0.2.1", 2222));
        assert_eq!(node.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["prod", "web"]);
        assert_eq!(node.environment.as_ref().unwrap().as_str(), "production");
        assert_eq!(node.attribute("zone").as_deref(), Some("a"));
        assert_eq!(node.attribute("os-family").as_deref(), Some("unix"));
    }
}
