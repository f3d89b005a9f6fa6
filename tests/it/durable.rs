//! Steps that outlive what carries them: lost connections, nodes that die, second starts, stubborn processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interlock::exec::ssh::{KeyExchange, SshExecutor};
use interlock::exec::{
    CancelSignal, Chunk, Earlier, Ended, Executor as _, StepOutcome, StepRequest, Stream, Target, cancel_pair,
};
use tokio::sync::mpsc;

use crate::nodes::request;
use crate::proxy::{Mood, Proxy};
use crate::servers::rounds;
use crate::sshd::Sshd;

pub(crate) fn executor(patience: u64) -> (SshExecutor, tempfile::TempDir) {
    let directory = tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap();
    let executor =
        SshExecutor::new(directory.path(), KeyExchange::Quick).unwrap().with_patience(Duration::from_secs(patience));
    (executor, directory)
}

/// What a step came to.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    pub(crate) remarks: Vec<String>,
}

/// Runs a step; `at` is called with what was heard so far, each time something was.
pub(crate) async fn run(
    executor: &SshExecutor,
    target: &Target,
    request: &StepRequest,
    cancel: CancelSignal,
    mut at: impl FnMut(&Heard),
) -> (Ended, Heard) {
    let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
    let collect = async {
        let mut heard = Heard::default();
        while let Some(chunk) = receiver.recv().await {
            match chunk.stream {
                Stream::Stdout => heard.out.extend(chunk.bytes),
                Stream::Stderr => heard.err.extend(chunk.bytes),
                Stream::Remark => heard.remarks.push(String::from_utf8(chunk.bytes).unwrap()),
            }
            at(&heard);
        }
        heard
    };
    tokio::join!(executor.run_step(target, request, sender, cancel), collect)
}

/// One of the files of a step on the node.
pub(crate) fn file(account: &str, request: &StepRequest, name: &str) -> PathBuf {
    Path::new("/home").join(account).join(".interlock").join(format!("{}.{name}", request.ticket))
}

/// What there is of a step on the node, without its ticket.
fn files(account: &str, request: &StepRequest) -> Vec<String> {
    let folder = Path::new("/home").join(account).join(".interlock");
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let own = names.filter_map(|name| Some(name.strip_prefix(&format!("{}.", request.ticket))?.to_owned()));
    let mut own: Vec<String> = own.collect();
    own.sort();
    own
}

/// A script that writes numbered lines for a while, once a start into a file.
pub(crate) fn counting(counter: &Path) -> String {
    format!(
        "echo start >> {}; i=0; while [ $i -lt 60 ]; do echo line $i; echo warn $i >&2; sleep 0.05; i=$((i+1)); done; exit 4",
        counter.display()
    )
}

pub(crate) fn counted() -> (Vec<u8>, Vec<u8>) {
    let lines = |word: &str| (0..60).map(|i| format!("{word} {i}\n")).collect::<String>().into_bytes();
    (lines("line"), lines("warn"))
}

pub(crate) fn shared_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("ilk-shared").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

#[tokio::test]
async fn a_connection_that_breaks_again_and_again_loses_no_byte() {
    let sshd = Sshd::start();
    let proxy = Proxy::before("127.0.0.1", sshd.port);
    let (executor, _dir) = executor(60);
    let shared = shared_folder();
    let counter = shared.path().join("count");
    let mut target = sshd.target("ilk-dash");
    target.port = proxy.port;
    target.known_hosts = sshd.host_key.known_hosts_line(&sshd.host, proxy.port);
    let step = request(&counting(&counter));
    let mut cuts = 0;
    let (ended, heard) = run(&executor, &target, &step, CancelSignal::never(), |heard| {
        let lines = heard.out.iter().filter(|b| **b == b'\n').count();
        if lines > 12 * (cuts + 1) && cuts < 3 {
            cuts += 1;
            proxy.cut();
        }
    })
    .await;
    assert_eq!((ended.outcome, cuts), (StepOutcome::Exited(4), 3));
    let (out, err) = counted();
    assert_eq!(String::from_utf8_lossy(&heard.out), String::from_utf8_lossy(&out));
    assert_eq!(String::from_utf8_lossy(&heard.err), String::from_utf8_lossy(&err));
    assert!(heard.remarks[0].contains("goes on"), "{:?}", heard.remarks);
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "start\n");
    executor.close().await;
}

/// Takes most of a minute, so only the long rounds do it.
#[tokio::test]
async fn a_link_that_lets_nothing_through_is_noticed() {
    if rounds(1) > 1 {
        return;
    }
    let sshd = Sshd::start();
    let proxy = Proxy::before("127.0.0.1", sshd.port);
    let (executor, _dir) = executor(300);
    let mut target = sshd.target("ilk-dash");
    target.port = proxy.port;
    target.known_hosts = sshd.host_key.known_hosts_line(&sshd.host, proxy.port);
    let mut step = request("echo up; sleep 3; echo over; exit 5");
    step.timeout = None;
    let (ended, heard) = run(&executor, &target, &step, CancelSignal::never(), |heard| {
        let mood = if heard.remarks.is_empty() { Mood::Swallows } else { Mood::Passes };
        proxy.set(mood);
    })
    .await;
    assert_eq!((ended.outcome, heard.out.as_slice()), (StepOutcome::Exited(5), b"up\nover\n".as_slice()));
    executor.close().await;
}

#[tokio::test]
async fn a_node_out_of_reach_for_too_long_is_unknown_and_a_later_look_finds_the_truth() {
    let sshd = Sshd::start();
    let proxy = Proxy::before("127.0.0.1", sshd.port);
    let (impatient, _dir) = executor(2);
    let shared = shared_folder();
    let counter = shared.path().join("count");
    let mut target = sshd.target("ilk-bash");
    target.port = proxy.port;
    target.known_hosts = sshd.host_key.known_hosts_line(&sshd.host, proxy.port);
    let mut step = request(&counting(&counter));
    let (ended, heard) = run(&impatient, &target, &step, CancelSignal::never(), |heard| {
        if !heard.out.is_empty() {
            proxy.set(Mood::Refuses);
            proxy.cut();
        }
    })
    .await;
    assert!(matches!(ended.outcome, StepOutcome::Unknown { .. }), "{:?}", ended.outcome);
    proxy.set(Mood::Passes);
    // Whoever asks under the same ticket gets the rest, and how it ended.
    step.earlier = Earlier::Perhaps(Duration::from_secs(3));
    step.known.out = u64::try_from(heard.out.len()).unwrap();
    step.known.err = u64::try_from(heard.err.len()).unwrap();
    step.fence = 2;
    let (ended, later) = run(&impatient, &target, &step, CancelSignal::never(), |_| {}).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(4));
    let (out, err) = counted();
    assert_eq!(([heard.out, later.out].concat(), [heard.err, later.err].concat()), (out.clone(), err.clone()));
    // It stays so until the server has said that it has all of it.
    step.known = interlock::exec::Known::default();
    let (ended, whole) = run(&impatient, &target, &step, CancelSignal::never(), |_| {}).await;
    assert_eq!((ended.outcome, whole.out, whole.err), (StepOutcome::Exited(4), out, err));
    ended.receipt.give().await;
    // Then only the mark that the ticket was used stays.
    assert_eq!(files("ilk-bash", &step), ["rc"]);
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "start\n");
    // A server that was left behind is not heard, and the ticket is used up for good.
    step.fence = 1;
    step.earlier = Earlier::Never;
    let (ended, _) = run(&impatient, &target, &step, CancelSignal::never(), |_| {}).await;
    assert!(matches!(&ended.outcome, StepOutcome::Unknown { message } if message.contains("another server")));
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "start\n");
    impatient.close().await;
}

#[tokio::test]
async fn many_starts_of_one_ticket_are_one() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(30);
    let shared = shared_folder();
    for account in ["ilk-sh", "ilk-fish"] {
        let counter = shared.path().join(account);
        let target = sshd.target(account);
        let mut step = request(&format!("echo start >> {}; sleep 0.5; echo done; exit 3", counter.display()));
        step.earlier = Earlier::Perhaps(Duration::ZERO);
        let starts = (0..6).map(|_| run(&executor, &target, &step, CancelSignal::never(), |_| {}));
        for (ended, heard) in futures_util::future::join_all(starts).await {
            assert_eq!((ended.outcome, heard.out.as_slice()), (StepOutcome::Exited(3), b"done\n".as_slice()));
        }
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), "start\n");
    }
    executor.close().await;
}

#[tokio::test]
async fn what_the_node_cannot_know_is_unknown() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(30);
    let target = sshd.target("ilk-dash");
    let unknown = |ended: &Ended, word: &str| match &ended.outcome {
        StepOutcome::Unknown { message } => assert!(message.contains(word), "{message}"),
        other => panic!("{other:?}"),
    };
    // The node was booted since: what it wrote down names another boot.
    let step = request("echo up; sleep 600");
    let (handle, signal) = cancel_pair();
    let begin = file("ilk-dash", &step, "begin");
    let ((ended, _), ()) = tokio::join!(run(&executor, &target, &step, signal, |_| {}), async {
        while std::fs::read_to_string(&begin).unwrap_or_default().matches(" end\n").count() < 2 {
            tokio::task::yield_now().await;
        }
        let text = std::fs::read_to_string(&begin).unwrap();
        let boot = text.split_whitespace().nth(1).unwrap();
        std::fs::write(&begin, text.replacen(boot, "00000000-0000-0000-0000-000000000000", 1)).unwrap();
        let again = StepRequest { earlier: Earlier::Surely, ..step.clone() };
        let (ended, _) = run(&executor, &target, &again, CancelSignal::never(), |_| {}).await;
        unknown(&ended, "booted");
        handle.cancel();
    });
    assert_eq!(ended.outcome, StepOutcome::Canceled);

    // The supervisor was killed, and the step with it.
    let mut step = request("echo up; sleep 600");
    let begin = file("ilk-dash", &step, "begin");
    let ((ended, _), ()) = tokio::join!(run(&executor, &target, &step, CancelSignal::never(), |_| {}), async {
        // The supervisor's line, and one for the step itself.
        let begun = || std::fs::read_to_string(&begin).unwrap_or_default();
        while begun().matches("end\n").count() < 2 {
            tokio::task::yield_now().await;
        }
        let text = begun();
        let processes: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(processes.len(), 2, "{text}");
        for process in processes {
            assert!(Command::new("kill").args(["-KILL", process]).status().unwrap().success());
        }
    });
    unknown(&ended, "supervisor");

    // What was kept of it is gone: it is not started again.
    for name in files("ilk-dash", &step) {
        std::fs::remove_file(file("ilk-dash", &step, &name)).unwrap();
    }
    step.earlier = Earlier::Surely;
    unknown(&run(&executor, &target, &step, CancelSignal::never(), |_| {}).await.0, "knows nothing");
    // Nor where the node was booted after the first start may have been sent.
    step.earlier = Earlier::Perhaps(Duration::from_secs(u64::from(u32::MAX)));
    unknown(&run(&executor, &target, &step, CancelSignal::never(), |_| {}).await.0, "knows nothing");
    executor.close().await;
}

#[tokio::test]
async fn what_left_its_session_is_stopped_as_well() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(30);
    let target = sshd.target("ilk-zsh");
    let mark = 50_000_000 + std::process::id();
    let step = request(&format!(
        "setsid sleep {mark} & (setsid sh -c 'trap \"\" TERM; sleep {mark}; sleep {mark}') & echo up; wait"
    ));
    let (handle, signal) = cancel_pair();
    let (ended, _) = run(&executor, &target, &step, signal, |_| handle.cancel()).await;
    assert_eq!(ended.outcome, StepOutcome::Canceled);
    let left = Command::new("pgrep").args(["-fc", &format!("^sleep {mark}")]).output().unwrap();
    assert_eq!(left.stdout, b"0\n");
    executor.close().await;
}

#[tokio::test]
async fn a_cancel_that_no_node_hears_is_not_confirmed() {
    let sshd = Sshd::start();
    let proxy = Proxy::before("127.0.0.1", sshd.port);
    let (executor, _dir) = executor(2);
    let mut target = sshd.target("ilk-dash");
    target.port = proxy.port;
    target.known_hosts = sshd.host_key.known_hosts_line(&sshd.host, proxy.port);
    let step = request("echo up; sleep 30");
    let (handle, signal) = cancel_pair();
    let (ended, _) = run(&executor, &target, &step, signal, |_| {
        proxy.set(Mood::Refuses);
        proxy.cut();
        handle.cancel();
    })
    .await;
    match ended.outcome {
        StepOutcome::Unknown { message } => assert!(message.contains("not confirmed"), "{message}"),
        other => panic!("{other:?}"),
    }
    // With the node back, it is.
    proxy.set(Mood::Passes);
    let (handle, signal) = cancel_pair();
    handle.cancel();
    let again = StepRequest { earlier: Earlier::Surely, ..step };
    let (ended, _) = run(&executor, &target, &again, signal, |_| {}).await;
    assert_eq!(ended.outcome, StepOutcome::Canceled);
    executor.close().await;
}

#[tokio::test]
async fn a_step_that_had_not_begun_cannot_begin_after_its_cancel() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(30);
    let target = sshd.target("ilk-dash");
    let shared = shared_folder();
    let counter = shared.path().join("count");
    let mut step = request(&format!("echo start >> {}", counter.display()));
    step.earlier = Earlier::Perhaps(Duration::from_secs(1));
    // As a server finds it that takes a canceled run over: it may have been sent, and has to be stopped.
    let lock = file("ilk-dash", &step, "script");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    assert!(Command::new("chown").args(["-R", "ilk-dash:"]).arg(lock.parent().unwrap()).status().unwrap().success());
    let (handle, signal) = cancel_pair();
    handle.cancel();
    let (ended, _) = run(&executor, &target, &step, signal, |_| {}).await;
    assert_eq!(ended.outcome, StepOutcome::Canceled);
    let (ended, _) = run(&executor, &target, &step, CancelSignal::never(), |_| {}).await;
    match &ended.outcome {
        StepOutcome::CouldNotStart { code, .. } => assert_eq!(*code, "never_started"),
        other => panic!("{other:?}"),
    }
    assert!(!counter.exists());
    executor.close().await;
}

#[tokio::test]
async fn a_node_without_a_place_runs_the_step_attached_and_says_so() {
    let (plain, bare) = (Sshd::start(), Sshd::start_with("127.0.0.1", None, "SetEnv TMPDIR=/proc\n"));
    let (executor, _dir) = executor(30);
    let step = request("echo out $#; echo err >&2; exit 6");
    let (ended, heard) = run(&executor, &plain.target("ilk-bare"), &step, CancelSignal::never(), |_| {}).await;
    assert_eq!((ended.outcome, heard.out.as_slice()), (StepOutcome::Exited(6), b"out 0\n".as_slice()));
    assert!(heard.remarks[0].contains("/tmp"), "{:?}", heard.remarks);
    ended.receipt.give().await;

    let step = request("echo out $#; echo err >&2; exit 6");
    let (ended, heard) = run(&executor, &bare.target("ilk-bare"), &step, CancelSignal::never(), |_| {}).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(6));
    assert_eq!((heard.out.as_slice(), heard.err.as_slice()), (b"out 0\n".as_slice(), b"err\n".as_slice()));
    assert!(heard.remarks[0].contains("attached"), "{:?}", heard.remarks);
    // Stopping works there too.
    let step = request("echo up; sleep 600");
    let (handle, signal) = cancel_pair();
    let (ended, _) = run(&executor, &bare.target("ilk-bare"), &step, signal, |heard| {
        if !heard.out.is_empty() {
            handle.cancel();
        }
    })
    .await;
    assert_eq!(ended.outcome, StepOutcome::Canceled);
    executor.close().await;
}

#[tokio::test]
async fn the_node_keeps_the_time_when_nobody_else_is_there() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(30);
    let target = sshd.target("ilk-dash");
    let mark = 60_000_000 + std::process::id();
    let mut step = request(&format!("setsid sleep {mark} & echo up; sleep {mark}"));
    step.timeout = Some(Duration::from_secs(1));
    let started = {
        let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
        let going = executor.run_step(&target, &step, sender, CancelSignal::never());
        // The server goes away as soon as the step is up.
        tokio::select! {
            _ = going => false,
            chunk = receiver.recv() => chunk.is_some(),
        }
    };
    assert!(started);
    executor.close().await;
    drop(executor);
    let code = || std::fs::read_to_string(file("ilk-dash", &step, "begin")).unwrap().lines().next().unwrap().to_owned();
    while code().trim().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(code().contains(" gone "), "{}", code());
    let left = Command::new("pgrep").args(["-fc", &format!("^sleep {mark}")]).output().unwrap();
    assert_eq!(left.stdout, b"0\n");
    let (later, _dir) = self::executor(30);
    step.earlier = Earlier::Surely;
    let (ended, heard) = run(&later, &target, &step, CancelSignal::never(), |_| {}).await;
    assert_eq!((ended.outcome, heard.out.as_slice()), (StepOutcome::TimedOut, b"up\n".as_slice()));
    ended.receipt.give().await;
    later.close().await;
}

#[tokio::test]
async fn old_marks_are_tidied_away_now_and_then() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(30);
    let target = sshd.target("ilk-fish");
    let base = Path::new("/home/ilk-fish/.interlock");
    let touch = |path: &Path, age: &str| {
        assert!(Command::new("touch").args(["-d", age]).arg(path).status().unwrap().success());
        assert!(Command::new("chown").args(["-R", "ilk-fish:"]).arg(base).status().unwrap().success());
    };
    // As a step has them whose ticket is that digit over and over.
    let make = |digit: &str, name: &str, age: &str| {
        let path = base.join(format!("{}.{name}", digit.repeat(32)));
        std::fs::create_dir_all(base).unwrap();
        std::fs::write(&path, "7 exited 7 end\n1 1 1 end\n").unwrap();
        touch(&path, age);
        path
    };
    let tidying_step = async || {
        let mut step = request("exit 0");
        let ticket = format!("00{}", &step.ticket.as_str()[2..]);
        step.ticket = interlock::domain::ids::Ticket::parse(&ticket).unwrap();
        let (ended, _) = run(&executor, &target, &step, CancelSignal::never(), |_| {}).await;
        assert_eq!(ended.outcome, StepOutcome::Exited(0));
        ended.receipt.give().await;
    };
    let (old, recent) = (make("a", "rc", "4 days ago"), make("b", "rc", "1 day ago"));
    // No server ever asked for these, and one of them is not over.
    let lost = [make("c", "begin", "40 days ago"), make("c", "out", "40 days ago")];
    let waiting = make("d", "begin", "4 days ago");
    let long = make("e", "begin", "40 days ago");
    std::fs::write(&long, "\n1 1 1 end\n").unwrap();
    touch(&long, "40 days ago");
    // What a step brought itself has any name.
    let brought = base.join(format!("{}.1", "f".repeat(32)));
    std::fs::create_dir_all(&brought).unwrap();
    std::fs::write(brought.join("rc"), "7 exited 7 end\n").unwrap();
    touch(&brought.join("rc"), "4 days ago");
    touch(&base.join("tidied"), "2 hours ago");
    tidying_step().await;
    assert!(!old.exists() && recent.exists() && waiting.exists() && long.exists() && brought.join("rc").exists());
    assert!(!lost[0].exists() && !lost[1].exists());

    // Looking at all of them takes a node the longer the more there are.
    let late = make("9", "rc", "4 days ago");
    tidying_step().await;
    assert!(late.exists(), "it was done a moment ago");
    touch(&base.join("tidied"), "2 hours ago");
    tidying_step().await;
    assert!(!late.exists());
    std::fs::remove_dir_all(brought).unwrap();
    for file in [recent, waiting, long] {
        std::fs::remove_file(file).unwrap();
    }
    executor.close().await;
}
