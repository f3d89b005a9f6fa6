//! The shell that is kept ready on a warm connection: a step takes it, and one that has died is nothing to speak of.

use std::time::Duration;

use interlock::exec::ssh::{KeyExchange, SshExecutor};
use interlock::exec::{CancelSignal, Executor as _, StepOutcome, Stream, Target};
use tokio::sync::mpsc;

use crate::nodes::request;
use crate::sshd::Sshd;

/// The node's programs that this sshd has started.
fn programs(sshd: &Sshd) -> Vec<String> {
    let port = format!(" {}\0", sshd.port);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let has = |name: &str, text: &str| String::from_utf8_lossy(&read(name)).contains(text);
        if has("cmdline", "/bin/sh\0-s\0interlock\0") && has("environ", &port) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

/// Waits until there is one that waits for a step.
async fn kept(sshd: &Sshd) -> String {
    let one = async {
        // Seen twice, as its hello has to reach us.
        let mut seen = None;
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            let now = match programs(sshd).as_slice() {
                [pid] => std::fs::read_to_string(format!("/proc/{pid}/wchan"))
                    .is_ok_and(|waits| waits.contains("pipe"))
                    .then(|| pid.clone()),
                _ => None,
            };
            if let (Some(pid), true) = (&now, now == seen) {
                return pid.clone();
            }
            seen = now;
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), one).await.unwrap()
}

/// What a step said; Interlock itself has nothing to remark.
async fn said(executor: &SshExecutor, target: &Target, body: &str) -> String {
    let step = request(body);
    let (sender, mut receiver) = mpsc::channel(8);
    let collect = async {
        let mut text = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            let chunk: interlock::exec::Chunk = chunk;
            assert_ne!(chunk.stream, Stream::Remark, "{}", String::from_utf8_lossy(&chunk.bytes));
            text.extend(chunk.bytes);
        }
        text
    };
    let (ended, text) = tokio::join!(executor.run_step(target, &step, sender, CancelSignal::never()), collect);
    assert_eq!(ended.outcome, StepOutcome::Exited(0));
    ended.receipt.give().await;
    String::from_utf8(text).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_step_takes_the_shell_that_was_kept_ready() {
    let sshd = Sshd::start();
    let control = tempfile::tempdir().unwrap();
    let executor = SshExecutor::new(control.path(), KeyExchange::Quick).unwrap();
    let target = sshd.target("ilk-dash");
    said(&executor, &target, "true").await;
    // One that waits may not have reached us with its hello yet; the next one has.
    let mut taken = false;
    let mut first = String::new();
    for _ in 0..20 {
        first = kept(&sshd).await;
        taken = said(&executor, &target, "echo $PPID").await == first;
        if taken {
            break;
        }
    }
    assert!(taken, "no step took the shell that was kept");
    let second = kept(&sshd).await;
    assert_ne!(first, second);
    // The next step gets another one, and nobody hears of it.
    assert!(std::process::Command::new("kill").args(["-9", &second]).status().unwrap().success());
    let parent = said(&executor, &target, "echo $PPID").await;
    assert!(parent != second && !parent.is_empty());
    executor.close().await;
}
