//! `interlock doctor`: what is wrong with this installation, and how to mend it.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::app::enrichment::EnricherView;
use crate::app::sources::SourceView;
use crate::domain::node::Transport;

use super::limits::{self, OpenFiles};
use super::{Done, Failure, Format, Global, out, start};

pub(super) async fn run(global: &Global) -> Done {
    let mut checks = Vec::new();
    let mut say = |good: bool, what: &str, mend: &str| {
        match (global.format, good) {
            (Format::Json, _) => {}
            (Format::Text, true) => out::line(&format!("ok    {what}")),
            (Format::Text, false) => out::line(&format!("WRONG {what}\n      {mend}")),
        }
        checks.push((good, what.to_owned(), mend.to_owned()));
    };
    for program in ["ssh", "ssh-agent", "ssh-add"] {
        let there =
            Command::new(program).arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let there = there.map(|mut child| child.wait()).is_ok();
        say(
            there,
            &format!("the program {program} is installed"),
            "install OpenSSH's client (Debian: apt-get install openssh-client)",
        );
    }
    let limit = OpenFiles::read();
    match start::app(global, "http://127.0.0.1:4440").await {
        Err(Failure::Broken(message)) => say(false, "the data folder and database open", &message),
        Err(other) => return Err(other),
        Ok(app) => {
            say(true, "the data folder and database open", "");
            let wanted = limits::widest(&*app.catalogue().await?);
            say(
                limit.nodes() >= wanted,
                &format!(
                    "a server may have {} files open (this command {}): enough for steps on {} nodes at once; the widest job runs on {wanted}",
                    limits::word(limit.most),
                    limits::word(limit.now),
                    limit.nodes()
                ),
                limits::RAISE,
            );
            let outcome = app.verify_audit(&start::operator(), None).await;
            let (good, told) = match outcome {
                Ok(Ok(intact)) => (true, format!("{} entries", intact.entries)),
                Ok(Err(broken)) => (false, broken.to_string()),
                Err(error) => (false, error.to_string()),
            };
            say(
                good,
                &format!("the record is intact: {told}"),
                "keep the data folder as it is and find out who changed it",
            );
            if let Some((probed, failing)) = app.check_archive(&start::operator()).await? {
                let (good, told) = match probed {
                    Ok(()) => (true, String::new()),
                    Err(why) => (false, why),
                };
                say(good, "the bucket of logs can be written and read", &told);
                if let Some(first) = failing.first() {
                    say(
                        false,
                        &format!(
                            "{} logs are not where they should be, such as that of run {}",
                            failing.len(),
                            first.run
                        ),
                        &format!("it is tried again by itself; the last time {}", first.error),
                    );
                }
            }
            let watched = app.sources(&start::operator()).await?;
            if !watched.is_empty() {
                let failing: Vec<_> = watched.iter().filter(|s| s.state == "failing").collect();
                say(failing.is_empty(), "sources see what they watch", &told_of(&failing));
            }
            let labelling = app.enrichers(&start::operator()).await?;
            if !labelling.is_empty() {
                let failing: Vec<_> = labelling.iter().filter(|e| e.state() == "failing").collect();
                say(
                    failing.is_empty(),
                    "enrichers gave a label to the last event that they were asked about",
                    &unlabelled(&failing),
                );
            }
            let nodes = app.nodes(&start::operator(), None).await?;
            for node in nodes.iter().filter(|n| n.node.transport == Transport::Ssh) {
                let name = &node.node.name;
                let mend = format!("run `interlock node enrol {name} --project {}`", node.project);
                say(!node.fingerprints.is_empty(), &format!("the host key of {name} is trusted"), &mend);
            }
        }
    }
    let well = checks.iter().all(|(good, ..)| *good);
    if global.format == Format::Json {
        let checks: Vec<_> = checks
            .into_iter()
            .map(|(good, what, mend)| json!({ "good": good, "what": what, "mend": (!good).then_some(mend) }))
            .collect();
        out::json(&json!({ "good": well, "checks": checks }));
    }
    if well { Ok(()) } else { Err(Failure::Failed) }
}

/// Which sources fail, and why.
fn told_of(failing: &[&SourceView]) -> String {
    let told: Vec<String> = failing.iter().map(|s| format!("{}/{}: {}", s.project, s.source.name, s.error)).collect();
    told.join("\n      ")
}

/// Which enrichers gave no label, and why.
fn unlabelled(failing: &[&EnricherView]) -> String {
    let why = |e: &EnricherView| e.last.as_ref().map(|last| last.label.trouble.clone()).unwrap_or_default();
    let told: Vec<String> = failing.iter().map(|e| format!("{}/{}: {}", e.project, e.enricher.name, why(e))).collect();
    told.join("\n      ")
}
