//! The invariants of docs/ARCHITECTURE.md, held against the source text. Each test lists every offender with its place.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use regex::Regex;

/// One source file without its tests and comments; line numbers stay.
struct Source {
    path: String,
    /// The modules down to it: `["exec", "ssh"]`.
    modules: Vec<String>,
    lines: Vec<String>,
    text: String,
}

impl Source {
    /// The module at the top that it belongs to; for `main.rs`, `lib.rs` and `telemetry.rs` their own name.
    fn room(&self) -> &str {
        self.modules.first().map_or("lib", String::as_str)
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// The program without its tests.
fn sources() -> Vec<Source> {
    let comment = Regex::new(r"(^|\s)//.*$").unwrap();
    let mut out = Vec::new();
    for path in files("src", "rs") {
        let name = relative(&path);
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let whole = std::fs::read_to_string(&path).unwrap();
        let code = whole.split("\n#[cfg(test)]\nmod ").next().unwrap();
        let lines: Vec<String> = code.lines().map(|line| comment.replace(line, "").into_owned()).collect();
        let modules = name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let modules = modules.split('/').map(str::to_owned).filter(|m| m != "lib").collect();
        out.push(Source { path: name, modules, text: lines.join("\n"), lines });
    }
    assert!(out.len() > 100, "only {} source files were found", out.len());
    out
}

/// Every line outside of `home` that a pattern matches.
fn outside(home: &[&str], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let mut offenders = Vec::new();
    for source in sources().iter().filter(|s| !home.iter().any(|h| s.path.starts_with(h))) {
        for (index, line) in source.lines.iter().enumerate().filter(|(_, line)| pattern.is_match(line)) {
            offenders.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
        }
    }
    offenders
}

#[track_caller]
fn none(offenders: &[String], rule: &str) {
    assert!(offenders.is_empty(), "{rule}\n{}", offenders.join("\n"));
}

/// Modules at the top that a file names, as `crate::x`, `crate::{x, y}` or through `super`.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let path = Regex::new(r"\b(crate::|(?:super::)+)(\w+|\{)").unwrap();
    let word = Regex::new(r"^\s*(\w+)").unwrap();
    let mut out = Vec::new();
    for found in path.captures_iter(&source.text) {
        let (from, next) = (found.get(1).unwrap(), found.get(2).unwrap());
        let up = from.as_str().matches("super::").count();
        if up != 0 && up != source.modules.len() {
            continue;
        }
        let line = source.line_of(from.start());
        if next.as_str() != "{" {
            out.push((line, next.as_str().to_owned()));
            continue;
        }
        // The names right after the brace and after each comma of the same depth.
        let mut depth = 0;
        let mut expects = true;
        for (offset, letter) in source.text[next.start()..].char_indices() {
            if expects
                && depth == 1
                && let Some(name) = word.captures(&source.text[next.start() + offset..])
            {
                out.push((line, name[1].to_owned()));
                expects = false;
            }
            match letter {
                '{' => (depth, expects) = (depth + 1, depth == 0),
                '}' => depth -= 1,
                ',' => expects = depth == 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    out
}

const ROOMS: [&str; 15] = [
    "app",
    "cli",
    "config",
    "domain",
    "engine",
    "enrich",
    "exec",
    "feed",
    "notify",
    "outward",
    "policy",
    "spec",
    "store",
    "telemetry",
    "web",
];

fn allowed(room: &str) -> &'static [&'static str] {
    match room {
        "domain" | "config" => &[],
        "spec" | "policy" | "store" | "exec" | "outward" => &["domain"],
        "enrich" | "feed" | "notify" => &["domain", "outward"],
        "app" => &["domain", "spec", "policy", "store"],
        "engine" => &["domain", "app", "store", "enrich", "exec", "feed", "notify"],
        "web" => &["domain", "app"],
        "telemetry" => &["config"],
        _ => &ROOMS,
    }
}

#[test]
fn modules_depend_in_one_direction() {
    let mut offenders = Vec::new();
    let mut seen = BTreeSet::new();
    for source in &sources() {
        let room = source.room();
        for (line, name) in imports(source).into_iter().filter(|(_, name)| ROOMS.contains(&name.as_str())) {
            seen.insert((room.to_owned(), name.clone()));
            if name != room && !allowed(room).contains(&name.as_str()) {
                offenders.push(format!("{}:{line}: {room} names {name}", source.path));
            }
        }
    }
    assert!(seen.contains(&("web".to_owned(), "app".to_owned())), "the scan finds nothing: {seen:?}");
    none(&offenders, "a module names one that it must not know");
}

#[test]
fn the_domain_is_pure() {
    let forbidden = r"\b(tokio|actix_\w+|diesel|casbin|openssh|askama|granit_parser|getrandom|ureq|rustix|tracing)::|\bstd::(fs|net|env|process|thread|io)\b|\bstd::\{[^}]*\b(fs|net|env|process|thread|io)\b|Utc::now|SystemTime|Instant::now|\basync fn|\.await\b|\bnew_v[47]\(";
    let offenders = outside(&[], forbidden).into_iter().filter(|o| o.starts_with("src/domain/")).collect::<Vec<_>>();
    none(&offenders, "the domain reads no clock, no random source, no environment, and does no I/O");
}

#[test]
fn each_foreign_thing_has_one_home() {
    let homes: [(&str, &[&str], &str); 10] = [
        ("diesel", &["src/store/"], r"\b(diesel|diesel_migrations|libsqlite3_sys|pq_sys)(::|\b.*;)"),
        ("the bucket", &["src/store/bucket/"], r"\bobject_store::"),
        ("casbin", &["src/policy/"], r"\bcasbin::"),
        ("openssh", &["src/exec/ssh/"], r"\bopenssh::"),
        ("NATS", &["src/feed/queue/"], r"\basync_nats::"),
        ("the web framework", &["src/web/", "src/cli/serve.rs"], r"\b(actix_web|actix_rt|askama)(::|\b.*;)"),
        ("the YAML crate", &["src/spec/"], r"\b(granit_parser|serde_yaml\w*)\b"),
        ("the environment", &["src/config/"], r"\benv::(var|vars|var_os|args|temp_dir|set_var|current_dir)\b"),
        ("the clock", &["src/app/clock.rs"], r"\b(Utc|Local|SystemTime)::now\b"),
        ("making a permit", &["src/policy/", "src/domain/access.rs"], r"\bPermit::mint\b|\bmint\("),
    ];
    let mut offenders = Vec::new();
    for (what, home, pattern) in homes {
        offenders.extend(outside(home, pattern).into_iter().map(|o| format!("{what} outside of {home:?}: {o}")));
    }
    none(&offenders, "something is used outside of the one module that owns it");
}

#[test]
fn use_cases_and_loops_know_no_status_code() {
    let offenders =
        outside(&["src/web/", "src/cli/", "src/store/bucket/http.rs"], r"\b(StatusCode|HttpResponse|HttpRequest)\b");
    none(&offenders, "only `web` speaks of HTTP");
}

#[test]
fn a_run_changes_state_only_as_the_domain_says() {
    let mut offenders =
        outside(&["src/store/runs/change.rs", "src/store/runs/create.rs"], r"\bruns::state\.eq\(\w+\.(to|state)");
    let changes = Regex::new(r"\btransition\(").unwrap();
    let mut callers = 0;
    for source in sources().iter().filter(|s| !s.path.starts_with("src/store/") && changes.is_match(&s.text)) {
        callers += 1;
        if !source.text.contains("run::next(") {
            offenders.push(format!("{}: writes a run's state without asking domain::run::next", source.path));
        }
    }
    assert!(callers > 0, "the scan finds nothing");
    none(&offenders, "a run's state is what domain::run::next says");
}

/// Functions of the store that write without a permit, and why they may.
const WITHOUT_PERMIT: [(&str, &str); 17] = [
    ("audit::append", "stands in the same transaction as an act that has one"),
    ("idempotency::claim", "changes nothing that anybody sees"),
    ("idempotency::complete", "changes nothing that anybody sees"),
    ("idempotency::release", "changes nothing that anybody sees"),
    ("idempotency::prune", "what is past"),
    ("installation::found", "before there is anybody"),
    ("sessions::open", "the password was the proof"),
    ("sessions::touch", "the cookie was the proof"),
    ("sessions::reauthenticate", "the password was the proof"),
    ("sessions::prune", "what is past"),
    ("sign_in::add_failure", "nobody is signed in"),
    ("sign_in::clear_failures", "the password was the proof"),
    ("sign_in::prune_failures", "what is past"),
    ("sign_in::add_setup_link", "before there is anybody"),
    ("sign_in::use_setup_link", "the link was the proof"),
    ("tokens::touch", "the token was the proof"),
    ("vault::open", "seals its own check text, before there is anybody"),
];

#[test]
fn the_store_changes_nothing_without_a_permit() {
    let head = Regex::new(r"(?m)^\s*pub fn (\w+)").unwrap();
    let writes =
        Regex::new(r"\bdiesel::(insert_into|update|delete|replace_into)\b|\b(insert_into|update|delete)\(").unwrap();
    let mut offenders = Vec::new();
    let mut permitted = 0;
    for source in sources().iter().filter(|s| s.path.starts_with("src/store/")) {
        let starts: Vec<(usize, String)> =
            head.captures_iter(&source.text).map(|f| (f.get(0).unwrap().start(), f[1].to_owned())).collect();
        for (index, (start, name)) in starts.iter().enumerate() {
            let end = starts.get(index + 1).map_or(source.text.len(), |(next, _)| *next);
            let body = &source.text[*start..end];
            // A private function may follow; it is written to only through public ones.
            let body = body.split("\n}\n").next().unwrap();
            if !writes.is_match(body) {
                continue;
            }
            let signature = body.split('{').next().unwrap();
            let full = format!("{}::{name}", source.path.trim_start_matches("src/store/").trim_end_matches(".rs"));
            if signature.contains("Permit") {
                permitted += 1;
            } else if !WITHOUT_PERMIT.iter().any(|(name, _)| *name == full) {
                offenders.push(format!("{}:{}: {full}", source.path, source.line_of(*start)));
            }
        }
    }
    assert!(permitted > 10, "the scan finds only {permitted}");
    none(&offenders, "a function of the store writes without a permit");
}

#[test]
fn secrets_cannot_be_printed_or_serialised() {
    let implemented = outside(&[], r"\bimpl\b.*\b(Display|Serialize|LowerHex)\s+for\s+(SecretText|RootKey|Vault)\b");
    let mut offenders = implemented;
    let item = Regex::new(
        r"#\[derive\(([^)]*)\)\](?:\s*#\[[^\]]*\])*\s*pub(?:\([^)]*\))?\s+(?:struct|enum)\s+(\w+)[^{;]*(\{[^}]*\}|;)",
    )
    .unwrap();
    let mut holders = 0;
    for source in &sources() {
        for found in item.captures_iter(&source.text) {
            let secret = found[3].contains("SecretText") || matches!(&found[2], "SecretText" | "RootKey" | "Vault");
            holders += usize::from(secret);
            if secret && found[1].contains("Serialize") {
                let line = source.line_of(found.get(0).unwrap().start());
                offenders.push(format!("{}:{line}: {} holds a secret and can be serialised", source.path, &found[2]));
            }
        }
    }
    assert!(holders > 2, "the scan finds only {holders}");
    none(&offenders, "a secret's type has neither Display nor Serialize");
}

#[test]
fn templates_hold_only_conditions_and_loops() {
    let tag = Regex::new(r"\{%[-+~]?\s*(\w+)").unwrap();
    let unescaped = Regex::new(r"([\w.]+)\s*\|\s*safe\b").unwrap();
    let naming = Regex::new(r"^\{%-?\s*let \w+ = [\w.]+\s*-?%\}").unwrap();
    let known = ["if", "else", "elif", "endif", "for", "endfor", "block", "endblock", "extends", "include"];
    let (mut offenders, mut tags) = (Vec::new(), 0);
    for path in files("templates", "html") {
        let text = std::fs::read_to_string(&path).unwrap();
        for found in tag.captures_iter(&text) {
            tags += 1;
            // Giving a ready value the name that an included part knows it by is no computation.
            let renames = naming.is_match(&text[found.get(0).unwrap().start()..]);
            if !known.contains(&&found[1]) && !renames {
                let line = text[..found.get(0).unwrap().start()].matches('\n').count() + 1;
                offenders.push(format!("{}:{line}: {}", relative(&path), &found[1]));
            }
        }
        for found in unescaped.captures_iter(&text) {
            // Each is a part that askama escaped when it was rendered, or markdown that was cleaned.
            if !(found[1].ends_with("html") || ["table", "live_part"].contains(&&found[1])) {
                let line = text[..found.get(0).unwrap().start()].matches('\n').count() + 1;
                offenders.push(format!("{}:{line}: {} is not escaped", relative(&path), &found[1]));
            }
        }
    }
    assert!(tags > 20, "the scan finds only {tags}");
    none(&offenders, "a template holds `if` and `for` over ready values");
}

#[test]
fn every_route_stands_once() {
    let mut seen = BTreeSet::new();
    let mut offenders = Vec::new();
    for route in interlock::web::routes::table() {
        if !seen.insert((route.method, route.path)) {
            offenders.push(format!("{} {} stands twice", route.method, route.path));
        }
        if !["GET", "POST", "PUT", "DELETE"].contains(&route.method) || !route.path.starts_with('/') {
            offenders.push(format!("{} {} is no route", route.method, route.path));
        }
    }
    assert!(seen.len() > 20, "the table has only {} routes", seen.len());
    // The server is built from the table alone.
    offenders.extend(outside(&["src/web/server.rs"], r"\.(route|service|default_service)\("));
    none(&offenders, "the route table is the only way in");
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let mut offenders = outside(&[], r"#!?\[allow\(");
    let expects = Regex::new(r"#!?\[expect\(([^\]]*)\)\]").unwrap();
    for source in &sources() {
        for found in expects.captures_iter(&source.text).filter(|found| !found[1].contains("reason")) {
            offenders.push(format!("{}:{}", source.path, source.line_of(found.get(0).unwrap().start())));
        }
    }
    none(&offenders, "write `#[expect(lint, reason = \"…\")]`");
}

#[test]
fn tests_wait_for_conditions_and_not_for_times() {
    let sleep = Regex::new(r"\b(thread|time)::sleep\(").unwrap();
    let mut offenders = Vec::new();
    for path in files("tests", "rs").into_iter().chain(files("src", "rs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        // A benchmark leaves the processor to what it measures.
        if relative(&path).starts_with("tests/bench/") {
            continue;
        }
        // In the program a timer is no test's business.
        let from = if relative(&path).starts_with("src/") && !relative(&path).ends_with("tests.rs") {
            text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len())
        } else {
            0
        };
        for found in sleep.find_iter(&text[from..]) {
            offenders.push(format!("{}:{}", relative(&path), text[..from + found.start()].matches('\n').count() + 1));
        }
    }
    none(&offenders, "a test sleeps");
}

#[test]
fn files_are_small_and_say_what_they_are() {
    let mut offenders = Vec::new();
    for source in &sources() {
        // The tables are one list, however many there are.
        if source.lines.len() > 500 && source.path != "src/store/schema.rs" {
            offenders.push(format!("{}: {} lines without its tests; 500 is the most", source.path, source.lines.len()));
        }
        if !std::fs::read_to_string(root().join(&source.path)).unwrap().starts_with("//! ") {
            offenders.push(format!("{}: no `//!` head says its purpose", source.path));
        }
        for module in
            source.modules.iter().filter(|m| ["utils", "util", "helpers", "common", "manager"].contains(&m.as_str()))
        {
            offenders.push(format!("{}: `{module}` says nothing", source.path));
        }
    }
    none(&offenders, "a file has one purpose, is small, and says what it is for");
}

/// Types of the wire, of files and of rows are not the domain's: rows never leave the store, wire types never enter it.
#[test]
fn rows_stay_in_the_store() {
    let mut listing = String::new();
    for source in sources().iter().filter(|s| s.path.starts_with("src/domain/")) {
        for (index, line) in
            source.lines.iter().enumerate().filter(|(_, l)| l.contains("Queryable") || l.contains("FromSql"))
        {
            writeln!(listing, "{}:{}: {}", source.path, index + 1, line.trim()).unwrap();
        }
    }
    let offenders: Vec<String> = listing.lines().map(str::to_owned).collect();
    none(&offenders, "a domain type is a row");
}
