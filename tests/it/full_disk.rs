//! A real file system that is full: a small one in memory, mounted for the test. What cannot be kept is said, what was
//! said is kept, and when there is room again everything goes on without a restart.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use interlock::domain::ids::{NodeName, RunNumber, StepName};
use interlock::domain::run::State;
use interlock::exec::fake::{End, Script};
use interlock::exec::{Chunk, StepOutcome, Stream};
use interlock::store::output::{self, EarlierOutput, Lines, Reader, Wanted, Writer};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::client::Client;
use crate::harness::{Base, TestApp, noon};

/// A file system of so many MiB. Unmounted when dropped, so it has to be made before whatever lies on it.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn new(mib: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap();
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success(), "a file system could not be mounted; run the tests as root");
        Self { folder }
    }

    fn data_folder(&self) -> Arc<tempfile::TempDir> {
        Arc::new(tempfile::tempdir_in(self.folder.path()).unwrap())
    }

    /// Takes so much room, or all that is left; what is returned gives it back.
    fn take(&self, name: &str, most: usize) -> Filler {
        let path = self.folder.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        let (mut piece, mut taken) = (vec![0; 64 * 1024], 0);
        while !piece.is_empty() && taken < most {
            match file.write_all(&piece) {
                Ok(()) => taken += piece.len(),
                // What does not fit is tried in smaller pieces, so that nothing is left.
                Err(_) => piece.truncate(piece.len() / 2),
            }
        }
        Filler(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.folder.path()).status());
    }
}

struct Filler(PathBuf);

impl Filler {
    fn give_back(self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

const SECRET: &str = "a-shared-secret-of-32-characters";
const LINE: usize = 1024;

fn load(test: &TestApp) {
    let access = "roles: {all: [{allow: [view, run], on: '**'}]}\nmembers: {all: ['service:hook', 'user:eve']}\n";
    let job = "name: talk\noptions: [{name: id, required: true}]\nnodes: {filter: 'tags: web'}\nsteps: [{name: talk, run: talk}]\n";
    let hook = "webhook:\n  name: talk\n  eventPlugin: webhook-run-job\n  config: {jobId: talk, argString: '-id ${data.id}'}\n  run_as: hook\n  verify: {kind: token, secrets: [keys/ops/hook]}\n";
    let note = hook.replace("name: talk", "name: note") + "  when: {data.never: {type: exists}}\n";
    test.load(
        "ops",
        &[
            ("access.yaml", access),
            ("nodes.yaml", "web1: {hostname: 192.0.2.1, tags: web, environment: staging}\n"),
            ("jobs/talk.yaml", job),
            ("webhooks/talk.yaml", hook),
            ("webhooks/note.yaml", &note),
        ],
    );
    test.key("keys/ops/hook", SECRET);
    test.person("eve");
}

fn deliver(client: &Client, id: &str) -> crate::client::Answer {
    client.with("idempotency-key", id).post("/hooks/talk", &json!({"id": id}))
}

/// A delivery that is kept and starts nothing.
fn note(client: &Client) -> crate::client::Answer {
    client.post("/hooks/note", &json!({}))
}

fn sender(test: &TestApp) -> Client {
    test.anonymous().with("x-interlock-token", SECRET)
}

/// Delivers until one does not fit any more: the database has some room of its own. How many did, and the answer.
fn deliver_until_full(test: &TestApp) -> (usize, crate::client::Answer) {
    let client = sender(test);
    for n in 0..2_000 {
        let answer = deliver(&client, &format!("d-{n}"));
        if answer.status != 202 {
            return (n, answer);
        }
    }
    panic!("the disk never became full");
}

/// A step that writes so many lines, a little at a time as a node sends it, and then ends so.
fn talks(test: &TestApp, lines: usize, end: End) {
    let text = (0..lines).map(|n| format!("{n:<width$}\n", width = LINE - 1)).collect::<String>();
    let piece = |bytes: &[u8]| Chunk { stream: Stream::Stdout, bytes: bytes.to_vec(), end: 0 };
    let output = text.as_bytes().chunks(8 * LINE).map(piece).collect();
    test.steps().script("web1", "talk", Script { output, end });
}

fn log(test: &TestApp, run: i64) -> Vec<Value> {
    let eve = test.signed_in("eve");
    let (mut all, mut path) = (Vec::new(), format!("/api/v1/runs/{run}/log"));
    loop {
        let page = eve.get(&path).expect(200).json();
        let items = page["items"].as_array().unwrap().clone();
        if items.is_empty() {
            return all;
        }
        all.extend(items);
        path = format!("/api/v1/runs/{run}/log?offset={}", page["next"]);
    }
}

#[test]
fn a_delivery_that_does_not_fit_is_to_be_sent_again_and_then_taken() {
    let disk = SmallDisk::new(8);
    let test = TestApp::fake_in(disk.data_folder(), Base::Sqlite);
    load(&test);
    let filler = disk.take("filler", usize::MAX);
    let (taken, refused) = deliver_until_full(&test);
    refused.refused(507, "disk_full");
    assert!(refused.header("retry-after").is_some());
    let said = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(said.contains("disk") && said.contains("full") && said.contains("make room"), "{said}");
    // What can be read still is.
    assert_eq!(test.anonymous().get("/readyz").status, 200);
    filler.give_back();
    let again = deliver(&sender(&test), &format!("d-{taken}")).expect(202).json();
    assert_eq!((&again["duplicate"], &again["verdict"]), (&json!(false), &json!("ran")), "nothing half done: {again}");
    test.settle();
    assert_eq!(test.steps().calls().len(), taken + 1, "one run for each that was accepted");
}

#[test]
fn a_run_on_a_full_disk_keeps_its_true_state_and_says_what_is_missing() {
    let disk = SmallDisk::new(16);
    let filler = disk.take("filler", 8 * 1024 * 1024);
    let test = TestApp::fake_in(disk.data_folder(), Base::Sqlite);
    load(&test);
    let release = Arc::new(Notify::new());
    talks(&test, 16 * 1024, End::OnRelease(Arc::clone(&release), StepOutcome::Exited(0)));
    let run = deliver(&sender(&test), "big").expect(202).json()["run"].as_i64().unwrap();
    let number = RunNumber::new(run);
    // The log takes what the database would need: nothing can be reported until there is room.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            test.until_started(1);
            // A log that is cut back after half a line gives room again, so it is taken until none is left.
            let rest: Vec<Filler> = (0..20)
                .map(|n| {
                    let piece = disk.take(&format!("rest-{n}"), usize::MAX);
                    while note(&sender(&test)).status == 202 {}
                    piece
                })
                .collect();
            // The step ends while nobody can write that down.
            release.notify_one();
            note(&sender(&test)).refused(507, "disk_full");
            assert_eq!(test.state(number), State::Running);
            rest.into_iter().for_each(Filler::give_back);
            filler.give_back();
        });
        test.settle();
    });
    let ended = test.run(number).run;
    assert_eq!(ended.state, State::Succeeded, "{}", ended.end_reason);
    assert!(ended.log_truncated && ended.end_reason.contains("disk was full"), "{}", ended.end_reason);
    test.settle();
    assert!(test.runs_in(&State::ALL).iter().all(|run| run.state == State::Succeeded));
}

/// The server that goes on has counted what was there, and no more than that is in its log, whatever the other one could
/// still write before it was shut out.
#[test]
fn on_a_full_disk_too_a_run_that_is_taken_over_has_its_output_once() {
    let disk = SmallDisk::new(2);
    let (data, run) = (disk.data_folder(), RunNumber::new(7));
    let lines = |texts: &[&str]| {
        let (node, step) = (NodeName::parse("web1").unwrap(), StepName::parse("talk").unwrap());
        let mut lines = Lines::new(noon(), node, step, 1, output::Stream::Stdout);
        texts.iter().for_each(|text| lines.push(text.as_bytes(), 1, true));
        vec![lines]
    };
    let mut old = Writer::open(data.path(), run, 1, None).unwrap();
    old.append(&lines(&["x".repeat(10_000).as_str(); 100])).unwrap();
    let filler = disk.take("filler", usize::MAX);
    let earlier = EarlierOutput::find(data.path(), run).unwrap();
    let refused = Writer::open(data.path(), run, 2, Some(&earlier)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::StorageFull);

    filler.give_back();
    old.append(&lines(&["late"])).unwrap();
    let mut new = Writer::open(data.path(), run, 2, Some(&earlier)).unwrap();
    assert!(old.append(&lines(&["too late"])).is_err());
    new.append(&lines(&["next"])).unwrap();
    let page = Reader::new(data.path(), run).read(0, usize::MAX, &Wanted::default()).unwrap();
    assert_eq!((page.entries.len(), page.entries[100].line.bytes.as_slice()), (101, b"next".as_slice()));
}

#[test]
fn a_full_disk_of_logs_alone_stops_no_run() {
    let disk = SmallDisk::new(4);
    let test = TestApp::fake_in(disk.data_folder(), Base::Postgres);
    load(&test);
    talks(&test, 8 * 1024, End::With(StepOutcome::Exited(0)));
    test.steps().script("web1", "talk", Script::exits(0).says("short\n"));
    let run = deliver(&sender(&test), "big").expect(202).json()["run"].as_i64().unwrap();
    test.settle();
    let ended = test.run(RunNumber::new(run)).run;
    assert_eq!(ended.state, State::Succeeded);
    assert!(ended.log_truncated && ended.end_reason.contains("disk was full"), "{}", ended.end_reason);
    let kept = log(&test, run);
    // What is there is whole, and from the start on.
    for (n, entry) in kept.iter().take(100).enumerate() {
        assert_eq!(entry["text"].as_str().unwrap().trim_end(), n.to_string());
    }
    let page = test.signed_in("eve").get(&format!("/runs/{run}")).expect(200).text();
    assert!(page.contains("incomplete: some of it could not be kept"), "{page}");

    // With room again the next run's log is whole, without a restart.
    std::fs::remove_dir_all(test.data().join("runs")).unwrap();
    let next = deliver(&sender(&test), "small").expect(202).json()["run"].as_i64().unwrap();
    test.settle();
    let ended = test.run(RunNumber::new(next)).run;
    assert!(!ended.log_truncated && ended.end_reason.is_empty());
    assert_eq!(log(&test, next).len(), 1);
}
