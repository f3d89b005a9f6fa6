//! What may have begun is started a second time only where the job says that it may be: `idempotent: true`.

use std::path::{Path, PathBuf};
use std::process::Command;

use interlock::domain::ids::RunNumber;
use interlock::store::{self, Db, Options};

use crate::client::Client;
use crate::clocks::own_clock;
use crate::durable::shared_folder;
use crate::program::{Install, Server};
use crate::servers::{Installation, OVER, ask, until};
use crate::sshd::Sshd;

const ACCOUNT: &str = "ilk-dash";

/// What the step of a job leaves where the node can write: a line with its ticket for each start.
struct Starts(PathBuf);

impl Starts {
    fn tickets(&self) -> Vec<String> {
        std::fs::read_to_string(&self.0).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The step's first process and supervisor die, once both are written down; the files of the step.
    fn kill(&self) -> Vec<PathBuf> {
        let folder = Path::new("/home").join(ACCOUNT).join(".interlock");
        let ticket = loop {
            if let [ticket] = self.tickets().as_slice() {
                break ticket.clone();
            }
            std::thread::yield_now();
        };
        let begin = folder.join(format!("{ticket}.begin"));
        let processes: Vec<String> = loop {
            let text = std::fs::read_to_string(&begin).unwrap_or_default();
            if text.matches(" end\n").count() == 2 {
                break text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
            }
            std::thread::yield_now();
        };
        assert!(Command::new("kill").arg("-KILL").args(processes).status().unwrap().success());
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with(&ticket))).collect()
    }
}

/// A job that waits in its first start and ends in any other.
fn job(name: &str, starts: &Starts, more: &str) -> String {
    let count = starts.0.display();
    format!(
        "name: {name}\n{more}nodes: {{filter: '.*'}}\nsteps:\n  - name: one\n    script: |\n      \
         echo $INTERLOCK_STEP >> {count}\n      [ $(wc -l < {count}) -gt 1 ] || exec sleep 600\n"
    )
}

#[track_caller]
fn ended(client: &Client, run: i64, state: &str, starts: &Starts, count: usize) {
    let seen = until(client, run, &OVER);
    assert_eq!((seen["state"].as_str(), starts.tickets().len()), (Some(state), count), "{seen}");
}

#[test]
fn only_what_is_idempotent_is_started_again_when_its_outcome_is_unknown() {
    let (sshd, shared) = (Sshd::start(), shared_folder());
    let [once, again] = ["once", "again"].map(|name| Starts(shared.path().join(name)));
    let jobs = [
        ("once", job("once", &once, "retry: {count: 1}\n")),
        ("again", job("again", &again, "idempotent: true\nretry: {count: 1}\n")),
    ];
    let jobs = [(jobs[0].0, jobs[0].1.as_str()), (jobs[1].0, jobs[1].1.as_str())];
    let installation = Installation::new(Install::new(), &sshd, &[ACCOUNT], &jobs);
    let server = installation.serve();
    let oncall = installation.oncall(&server);

    let run = ask(&oncall, "once");
    once.kill();
    ended(&oncall, run, "unknown", &once, 1);

    let run = ask(&oncall, "again");
    again.kill();
    ended(&oncall, run, "succeeded", &again, 2);
    let tickets = again.tickets();
    assert_ne!(tickets[0], tickets[1], "another try is another start");
    drop(server);
    installation.done(&["audit", "verify"], "");
}

/// The server that sent the step had a clock that ran ahead, so how long ago that was is not known: the node, which knows
/// nothing of the step, might have been booted since.
#[test]
fn what_was_sent_nobody_knows_when_is_not_started_again() {
    let (sshd, shared) = (Sshd::start(), shared_folder());
    let once = Starts(shared.path().join("once"));
    let job = job("once", &once, "");
    let installation = Installation::new(Install::new(), &sshd, &[ACCOUNT], &[("once", job.as_str())]);
    let library = own_clock();
    let ahead = [("LD_PRELOAD", library.to_str().unwrap()), ("FAKETIME", "+1h"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let server = Server::start_with(&installation.install, &ahead);
    let run = ask(&installation.oncall(&server), "once");
    while once.tickets().is_empty() {
        std::thread::yield_now();
    }
    // At once, before it is noted that the node has begun.
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    for file in once.kill() {
        std::fs::remove_file(file).unwrap();
    }
    let server = installation.serve();
    ended(&installation.oncall(&server), run, "unknown", &once, 1);
}

/// The server was killed, and meanwhile the node lost all that it had of the step.
#[test]
fn only_what_is_idempotent_is_started_again_where_the_node_knows_nothing_of_it() {
    let (sshd, shared) = (Sshd::start(), shared_folder());
    let [once, again] = ["once", "again"].map(|name| Starts(shared.path().join(name)));
    let (first, second) = (job("once", &once, ""), job("again", &again, "idempotent: true\n"));
    let jobs = [("once", first.as_str()), ("again", second.as_str())];
    let installation = Installation::new(Install::new(), &sshd, &[ACCOUNT], &jobs);
    let server = installation.serve();
    let oncall = installation.oncall(&server);
    let runs = ["once", "again"].map(|job| ask(&oncall, job));
    for run in runs {
        until(&oncall, run, &["running"]);
    }
    // Neither writes anything, so only this says that they have begun.
    let database = format!("sqlite:{}", installation.install.data().join("interlock.db").display());
    let db = Db::open(&database, &Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for run in runs {
        let steps = || runtime.block_on(db.read(move |c| store::runs::steps(c, RunNumber::new(run)))).unwrap();
        while !steps()[0].begun {
            std::thread::yield_now();
        }
    }
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    for starts in [&once, &again] {
        for file in starts.kill() {
            std::fs::remove_file(file).unwrap();
        }
    }
    let server = installation.serve();
    let oncall = installation.oncall(&server);
    ended(&oncall, runs[0], "unknown", &once, 1);
    ended(&oncall, runs[1], "succeeded", &again, 2);
    let tickets = again.tickets();
    assert_eq!(tickets[0], tickets[1], "it is the same try");
    drop(server);
    installation.done(&["audit", "verify"], "");
}
