//! What nodes have and have not: a machine of their own, a home that runs nothing, an sshd that stands still.

use std::process::Command;
use std::time::Duration;

use interlock::exec::{CancelSignal, Earlier, StepOutcome, StepRequest};

use crate::durable::{counted, counting, executor, file, run, shared_folder};
use crate::nodes::request;
use crate::sshd::Sshd;

/// A start is sent again where it is not known whether it arrived.
#[tokio::test]
async fn a_container_that_was_made_in_between_starts_nothing() {
    let shared = shared_folder();
    let counter = shared.path().join("count");
    let (executor, _dir) = executor(30);
    let again = |seconds| StepRequest {
        earlier: Earlier::Perhaps(Duration::from_secs(seconds)),
        ..request(&format!("echo start >> {}", counter.display()))
    };
    // The machine that the tests run on is older than that.
    let (machine, container) = (Sshd::start(), Sshd::start_in_container());
    let (ended, _) = run(&executor, &machine.target("ilk-dash"), &again(10), CancelSignal::never(), |_| {}).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(0));
    let (ended, _) = run(&executor, &container.target("ilk-dash"), &again(10), CancelSignal::never(), |_| {}).await;
    assert!(
        matches!(&ended.outcome, StepOutcome::Unknown { message } if message.contains("knows nothing")),
        "{:?}",
        ended.outcome
    );
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "start\n");
    executor.close().await;
}

/// The step's script is read and never executed as a file, so it needs no such right.
#[tokio::test]
async fn a_home_that_runs_nothing_is_enough() {
    let mounts = "mount -t tmpfs -o noexec,mode=755,uid=$(id -u ilk-sh) tmpfs /home/ilk-sh";
    let sshd = Sshd::start_in("127.0.0.1", None, "", mounts);
    let (executor, _dir) = executor(30);
    let step = request("echo out; mount | grep -c 'on /home/ilk-sh .*noexec'; exit 6");
    let (ended, heard) = run(&executor, &sshd.target("ilk-sh"), &step, CancelSignal::never(), |_| {}).await;
    assert_eq!((ended.outcome, heard.out.as_slice()), (StepOutcome::Exited(6), b"out\n1\n".as_slice()));
    assert!(heard.remarks.is_empty(), "{:?}", heard.remarks);
    ended.receipt.give().await;
    executor.close().await;
}

/// The processes below one, whatever their depth.
fn below(process: u32) -> Vec<u32> {
    let found = Command::new("pgrep").args(["-P", &process.to_string()]).output().unwrap();
    let children: Vec<u32> = String::from_utf8(found.stdout).unwrap().lines().map(|l| l.parse().unwrap()).collect();
    children.iter().copied().chain(children.iter().flat_map(|child| below(*child))).collect()
}

#[tokio::test]
async fn an_sshd_that_stands_still_for_a_while_loses_nothing() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor(60);
    let shared = shared_folder();
    let counter = shared.path().join("count");
    let step = request(&counting(&counter));
    let file = file("ilk-dash", &step, "out");
    let signal = |word: &str, processes: &[u32]| {
        let all = processes.iter().map(u32::to_string);
        assert!(Command::new("kill").arg(word).args(all).status().unwrap().success());
    };
    let mut stopped = Vec::new();
    let (ended, heard) = run(&executor, &sshd.target("ilk-dash"), &step, CancelSignal::never(), |_| {
        if stopped.is_empty() {
            let is_sshd =
                |p: &u32| std::fs::read_to_string(format!("/proc/{p}/comm")).is_ok_and(|name| name.starts_with("sshd"));
            stopped = below(sshd.id()).into_iter().filter(is_sshd).collect();
            signal("-STOP", &stopped);
            // The step goes on to its end meanwhile.
            while !std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with("line 59\n")) {
                std::thread::yield_now();
            }
            signal("-CONT", &stopped);
        }
    })
    .await;
    assert!(!stopped.is_empty());
    assert_eq!(ended.outcome, StepOutcome::Exited(4));
    assert_eq!((heard.out, heard.err), counted());
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "start\n");
    ended.receipt.give().await;
    tokio::time::timeout(Duration::from_secs(30), executor.close()).await.unwrap();
}
