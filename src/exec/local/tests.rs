use std::time::{Duration, Instant};

use super::*;
use crate::domain::ids::{HostName, NodeName, Ticket};
use crate::domain::secret::SecretText;
use crate::exec::{Earlier, EnvValue, Known, StepOutcome, Stream, UploadedFile, cancel_pair};

const SHELLS: [&[&str]; 4] = [&["/bin/sh"], &["busybox", "sh"], &["bash", "--posix"], &["dash"]];

fn target() -> Target {
    Target {
        node: NodeName::parse("here").unwrap(),
        host: HostName::parse("localhost").unwrap(),
        port: 22,
        user: None,
        jumps: vec![],
        known_hosts: String::new(),
        key: None,
        key_id: String::new(),
    }
}

fn ticket() -> Ticket {
    Ticket::parse(&uuid::Uuid::new_v4().simple().to_string()).unwrap()
}

fn request(body: &str) -> StepRequest {
    StepRequest {
        run: 1,
        step: "s".into(),
        attempt: 1,
        interpreter: "/bin/sh".into(),
        body: body.as_bytes().to_vec(),
        env: vec![],
        files: vec![],
        timeout: None,
        ticket: ticket(),
        fence: 1,
        earlier: Earlier::Never,
        known: Known::default(),
    }
}

fn executor(shell: &[&str]) -> LocalExecutor {
    LocalExecutor::new(vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()), ("HOME".into(), "/root".into())])
        .with_shell(shell)
}

async fn run(executor: &LocalExecutor, request: &StepRequest, cancel: CancelSignal) -> (StepOutcome, Vec<u8>, Vec<u8>) {
    let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
    let target = target();
    let collect = async {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(chunk) = receiver.recv().await {
            match chunk.stream {
                Stream::Stdout => out.extend(chunk.bytes),
                Stream::Stderr => err.extend(chunk.bytes),
                Stream::Remark => {}
            }
        }
        (out, err)
    };
    let (ended, (out, err)) = tokio::join!(executor.run_step(&target, request, sender, cancel), collect);
    ended.receipt.give().await;
    (ended.outcome, out, err)
}

#[tokio::test]
async fn every_byte_but_nul_arrives_in_every_shell() {
    let mut all: String = (1u8..=0x7f).map(char::from).collect();
    all.push_str("é\u{80}\u{81}\u{84}\u{88}\u{a0}\u{fff}\u{1f389}\\0101\\n%s%b\n\n");
    let values = [all.clone(), String::new(), "\n".into(), ".".into(), "a\\".into(), " a ".into(), all.repeat(300)];
    for shell in SHELLS {
        let mut request = request("for i in 0 1 2 3 4 5 6; do eval \"printf '%s|' \\\"\\$V$i\\\"\"; done; exit 3");
        request.env = values.iter().enumerate().map(|(i, v)| (format!("V{i}"), EnvValue::Text(v.clone()))).collect();
        let (outcome, out, err) = run(&executor(shell), &request, CancelSignal::never()).await;
        assert_eq!(outcome, StepOutcome::Exited(3), "{shell:?} {}", String::from_utf8_lossy(&err));
        let expected: String = values.iter().map(|v| format!("{v}|")).collect();
        assert!(out == expected.as_bytes(), "{shell:?}");
    }
}

#[tokio::test]
async fn files_and_binary_scripts_arrive_whole() {
    let bytes: Vec<u8> = (0..=255u8).cycle().take(300_000).collect();
    for shell in SHELLS {
        let mut request =
            request("cat \"$A\"; stat -c %a \"$A\" \"$B\" \"$0\"; cat \"$B\"; basename \"$B\"; umask >&2");
        request.body.extend(b"\nexit 7\n#\xff\xfe");
        request.files = vec![
            UploadedFile { variable: "A".into(), name: "a b'\"$(x)\\é".into(), bytes: bytes.clone() },
            UploadedFile { variable: "B".into(), name: "b".into(), bytes: vec![] },
        ];
        let (outcome, out, err) = run(&executor(shell), &request, CancelSignal::never()).await;
        assert_eq!(outcome, StepOutcome::Exited(7), "{shell:?} {}", String::from_utf8_lossy(&err));
        let mut expected = bytes.clone();
        expected.extend(b"600\n600\n600\nb\n");
        assert!(out == expected, "{shell:?}");
        assert!(!err.starts_with(b"0077"), "{shell:?}");
    }
}

#[tokio::test]
async fn streams_stay_apart_and_the_files_go() {
    for shell in SHELLS {
        let request = request("printf out; printf err >&2; echo; echo \"$0\"; env | grep -c ^il_");
        let (outcome, out, err) = run(&executor(shell), &request, CancelSignal::never()).await;
        assert_eq!(outcome, StepOutcome::Exited(1));
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2]), ("out", "0"));
        // The mark that the ticket was used stays, what the step wrote goes.
        let script = std::path::Path::new(lines[1]);
        assert!(lines[1].starts_with("/root/.interlock/") && script.with_extension("rc").exists(), "{text}");
        assert!(!script.with_extension("out").exists() && !script.exists());
        assert_eq!(err, b"err");
    }
}

#[tokio::test]
async fn children_left_behind_do_not_hold_the_step() {
    for shell in SHELLS {
        let before = Instant::now();
        let (outcome, out, _) = run(&executor(shell), &request("sleep 20 & echo done"), CancelSignal::never()).await;
        assert_eq!((outcome, out.as_slice()), (StepOutcome::Exited(0), b"done\n".as_slice()));
        assert!(before.elapsed() < Duration::from_secs(4), "{shell:?}");
    }
}

#[tokio::test]
async fn stopping_is_confirmed_by_the_group_being_gone() {
    for shell in SHELLS {
        let (handle, signal) = cancel_pair();
        let executor = executor(shell);
        let marker = format!("6{:04}", std::process::id() % 10_000);
        // The step's own children, one in a process group of its own.
        let request = request(&format!("set -m; sleep {marker}1 & sleep {marker}2 & echo up; wait"));
        let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
        let target = target();
        let canceler = async {
            receiver.recv().await;
            handle.cancel();
            while receiver.recv().await.is_some() {}
        };
        let (ended, ()) = tokio::join!(executor.run_step(&target, &request, sender, signal), canceler);
        assert_eq!(ended.outcome, StepOutcome::Canceled, "{shell:?}");
        let left = std::process::Command::new("pgrep").args(["-fc", &format!("^sleep {marker}")]).output().unwrap();
        assert_eq!(left.stdout, b"0\n", "{shell:?}");
    }
}

#[tokio::test]
async fn time_out_and_refusals_are_told_apart() {
    let executor = executor(&["/bin/sh"]);
    let mut late = request("sleep 60");
    late.timeout = Some(Duration::from_millis(300));
    assert_eq!(run(&executor, &late, CancelSignal::never()).await.0, StepOutcome::TimedOut);

    let code = |outcome: StepOutcome| match outcome {
        StepOutcome::CouldNotStart { code, .. } => code,
        other => panic!("{other:?}"),
    };
    let mut missing = request("");
    missing.interpreter = "/no/such/interpreter -x".into();
    assert_eq!(code(run(&executor, &missing, CancelSignal::never()).await.0), "no_interpreter");
    let mut bad = request("");
    bad.env = vec![("A".into(), EnvValue::Secret(SecretText::new("a\0b".into())))];
    assert_eq!(code(run(&executor, &bad, CancelSignal::never()).await.0), "bad_request");
    bad.env = vec![("PATH".into(), EnvValue::Text("x".into()))];
    assert_eq!(code(run(&executor, &bad, CancelSignal::never()).await.0), "bad_request");
    let not_a_shell = executor.clone().with_shell(&["/bin/false"]);
    assert_eq!(code(run(&not_a_shell, &request(""), CancelSignal::never()).await.0), "no_shell");
    let (handle, signal) = cancel_pair();
    handle.cancel();
    assert_eq!(run(&executor, &request("exit 1"), signal).await.0, StepOutcome::Canceled);
}

#[tokio::test]
async fn a_slow_listener_loses_nothing_when_the_step_is_stopped() {
    let (handle, signal) = cancel_pair();
    let executor = executor(&["/bin/sh"]);
    let request = request("i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); done; exec sleep 600");
    let (sender, mut receiver) = mpsc::channel::<Chunk>(1);
    let target = target();
    let listener = async {
        let mut all = receiver.recv().await.unwrap().bytes;
        handle.cancel();
        while let Some(chunk) = receiver.recv().await {
            all.extend(chunk.bytes);
            tokio::task::yield_now().await;
        }
        String::from_utf8(all).unwrap()
    };
    let (ended, all) = tokio::join!(executor.run_step(&target, &request, sender, signal), listener);
    assert_eq!(ended.outcome, StepOutcome::Canceled);
    for (i, line) in all.lines().enumerate().take(all.lines().count() - 1) {
        assert_eq!(line, format!("line {i}"));
    }
}
