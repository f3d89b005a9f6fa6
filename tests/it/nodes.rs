//! Steps on real nodes over SSH: outcomes, streams, stopping, what is said when a node cannot be reached, and that no
//! secret is seen on the way.

use std::time::{Duration, Instant};

use interlock::domain::ids::{HostName, NodeName, Ticket};
use interlock::domain::mask::{Masker, Piece};
use interlock::domain::node::Jump;
use interlock::domain::secret::SecretText;
use interlock::exec::ssh::{KeyExchange, SshExecutor};
use interlock::exec::{
    CancelSignal, Chunk, Earlier, EnvValue, Executor as _, Known, StepOutcome, StepRequest, Stream, Target,
    UploadedFile, cancel_pair,
};
use tokio::sync::mpsc;

use crate::sshd::{SHELLS, Sshd, other_key};

pub(crate) fn ticket() -> Ticket {
    Ticket::parse(&uuid::Uuid::new_v4().simple().to_string()).unwrap()
}

pub(crate) fn request(body: &str) -> StepRequest {
    StepRequest {
        run: 1,
        step: "step".into(),
        attempt: 1,
        interpreter: "/bin/sh".into(),
        body: body.as_bytes().to_vec(),
        env: Vec::new(),
        files: Vec::new(),
        timeout: Some(Duration::from_secs(60)),
        ticket: ticket(),
        fence: 1,
        earlier: Earlier::Never,
        known: Known::default(),
    }
}

pub(crate) struct Ended {
    pub(crate) outcome: StepOutcome,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

pub(crate) async fn run(executor: &SshExecutor, target: &Target, request: &StepRequest) -> Ended {
    let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
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
    let (ended, (out, err)) = tokio::join!(executor.run_step(target, request, sender, CancelSignal::never()), collect);
    ended.receipt.give().await;
    Ended { outcome: ended.outcome, out, err }
}

fn executor() -> (SshExecutor, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (SshExecutor::new(directory.path(), KeyExchange::Quick).unwrap(), directory)
}

pub(crate) fn refusal(ended: &Ended) -> (&'static str, &str) {
    match &ended.outcome {
        StepOutcome::CouldNotStart { code, message } => (code, message),
        other => panic!("{other:?}"),
    }
}

/// Processes whose command line matches, on this machine; it is also the node.
fn processes(pattern: &str) -> usize {
    let output = std::process::Command::new("pgrep").args(["-fc", pattern]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn every_login_shell_gives_streams_and_codes_apart() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    for shell in SHELLS {
        let target = sshd.target(&format!("ilk-{shell}"));
        for code in [0, 3, 127, 255] {
            let ended =
                run(&executor, &target, &request(&format!("printf o; printf e >&2; id -un; exit {code}"))).await;
            assert_eq!(ended.outcome, StepOutcome::Exited(code), "{shell} {}", String::from_utf8_lossy(&ended.err));
            assert_eq!(String::from_utf8_lossy(&ended.out), format!("oilk-{shell}\n"));
            assert_eq!(ended.err, b"e", "{shell}");
        }
    }
    let ended = run(&executor, &sshd.target("ilk-sh"), &request("kill -KILL $$")).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(137));
    executor.close().await;
}

#[tokio::test]
async fn noise_of_a_login_shell_is_not_output() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let ended = run(&executor, &sshd.target("ilk-noisy"), &request("echo mine; echo my >&2; exit 4")).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(4));
    assert_eq!((ended.out.as_slice(), ended.err.as_slice()), (b"mine\n".as_slice(), b"my\n".as_slice()));
    let ended = run(&executor, &sshd.target("ilk-closed"), &request("echo mine")).await;
    let (code, message) = refusal(&ended);
    assert_eq!(code, "no_shell");
    assert!(message.contains("not available"), "{message}");
    executor.close().await;
}

#[tokio::test]
async fn nodes_run_at_once_and_many_steps_share_a_connection() {
    let (one, two) = (Sshd::start(), Sshd::start_at("127.0.0.2", None));
    let (executor, _dir) = executor();
    let meeting = tempfile::Builder::new().prefix("ilk-meet").tempdir_in("/tmp").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(meeting.path(), open).unwrap();
    // Each waits for the other's file: this ends well only if both run at the same time.
    let body = |mine: &str, other: &str| {
        let d = meeting.path().display();
        request(&format!(
            "touch {d}/{mine}; i=0; while [ ! -e {d}/{other} ]; do sleep 0.1; i=$((i+1)); [ $i -lt 200 ] || exit 1; done"
        ))
    };
    let (a, b) = (one.target("ilk-dash"), two.target("ilk-fish"));
    let (left, right) = (body("a", "b"), body("b", "a"));
    let (left, right) = tokio::join!(run(&executor, &a, &left), run(&executor, &b, &right));
    assert_eq!((left.outcome, right.outcome), (StepOutcome::Exited(0), StepOutcome::Exited(0)));
    // More steps than sshd allows sessions.
    let many = (0..14).map(|i| {
        let (executor, target) = (&executor, &a);
        async move { run(executor, target, &request(&format!("sleep 0.2; exit {i}"))).await.outcome }
    });
    let outcomes = futures_util::future::join_all(many).await;
    assert_eq!(outcomes, (0..14).map(StepOutcome::Exited).collect::<Vec<_>>());
    executor.close().await;
}

#[tokio::test]
async fn a_canceled_step_is_gone_with_its_children() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let target = sshd.target("ilk-zsh");
    let mark = 40_000_000 + std::process::id();
    let body = request(&format!(
        "trap '' TERM; (trap '' TERM; sleep {mark}; sleep {mark}) & echo up; sleep {mark}; sleep {mark}"
    ));
    let (handle, signal) = cancel_pair();
    let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
    let before = Instant::now();
    let cancel = async {
        assert_eq!(receiver.recv().await.unwrap().bytes, b"up\n");
        handle.cancel();
        while receiver.recv().await.is_some() {}
    };
    let (ended, ()) = tokio::join!(executor.run_step(&target, &body, sender, signal), cancel);
    assert_eq!(ended.outcome, StepOutcome::Canceled);
    assert_eq!(processes(&format!("^sleep {mark}")), 0);
    assert!(before.elapsed() < Duration::from_secs(25));
    executor.close().await;
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_stopped() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let mut late = request("echo begun; sleep 600");
    late.timeout = Some(Duration::from_millis(500));
    let ended = run(&executor, &sshd.target("ilk-tcsh"), &late).await;
    assert_eq!((ended.outcome, ended.out.as_slice()), (StepOutcome::TimedOut, b"begun\n".as_slice()));
    executor.close().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_nothing_is_lost() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let target = sshd.target("ilk-bash");
    // The step ends its own connection: the sshd process that serves it.
    let body = request(
        "echo before; d=$0; { read -r code; read -r p rest; } < ${d%script}begin; while :; do p=$(ps -o ppid= -p $p | tr -d ' '); case $(ps -o args= -p $p) in sshd:*) kill -KILL $p; break;; esac; [ $p -gt 1 ] || exit 9; done; echo after; echo late >&2; exit 7",
    );
    let ended = run(&executor, &target, &body).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(7));
    assert_eq!((ended.out.as_slice(), ended.err.as_slice()), (b"before\nafter\n".as_slice(), b"late\n".as_slice()));
    executor.close().await;
}

#[tokio::test]
async fn what_keeps_a_node_from_answering_is_said() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let good = sshd.target("ilk-sh");
    let step = request("echo ran");

    let wrong_key = Target { key: Some(other_key()), key_id: "keys/ops/wrong".into(), ..good.clone() };
    for _ in 0..2 {
        let ended = run(&executor, &wrong_key, &step).await;
        let (code, message) = refusal(&ended);
        assert_eq!(code, "permission_denied", "{message}");
        assert!(message.contains("keys/ops/wrong") && message.contains("`ilk-sh`"), "{message}");
    }
    let ended = run(&executor, &wrong_key, &step).await;
    assert!(refusal(&ended).1.contains("not tried again"), "{:?}", ended.outcome);

    let unknown = Target { known_hosts: String::new(), ..good.clone() };
    let ended = run(&executor, &unknown, &step).await;
    let (code, message) = refusal(&ended);
    assert_eq!(code, "host_key_unknown");
    assert!(message.contains("interlock node enrol ilk-sh"), "{message}");

    let other = Sshd::start();
    let changed = Target { known_hosts: other.host_key.known_hosts_line(&sshd.host, sshd.port), ..good.clone() };
    let ended = run(&executor, &changed, &step).await;
    let (code, message) = refusal(&ended);
    assert_eq!(code, "host_key_changed");
    assert!(message.contains("HAS CHANGED"), "{message}");

    let port = other.port;
    drop(other);
    let ended = run(&executor, &Target { port, ..good.clone() }, &step).await;
    let (code, message) = refusal(&ended);
    assert_eq!(code, "node_down");
    assert!(message.contains(&format!("127.0.0.1:{port}")) && message.contains("refused"), "{message}");

    let nowhere = Target { host: HostName::parse("no-such-host.invalid").unwrap(), ..good.clone() };
    assert_eq!(refusal(&run(&executor, &nowhere, &step).await).0, "unknown_host");
    let no_key = Target { key: None, ..good.clone() };
    assert_eq!(refusal(&run(&executor, &no_key, &step).await).0, "no_key");
    let bad_key = Target { key: Some(SecretText::new("not a key".into())), ..good.clone() };
    assert_eq!(refusal(&run(&executor, &bad_key, &step).await).0, "bad_key");
    executor.close().await;
}

#[tokio::test]
async fn a_node_behind_another_is_reached_with_both_keys_checked() {
    let (bastion, inner) = (Sshd::start(), Sshd::start_at("127.0.0.3", None));
    // One key for both, as one agent offers it.
    std::fs::copy(bastion.directory().join("authorized_keys"), inner.directory().join("authorized_keys")).unwrap();
    let (executor, _dir) = executor();
    let mut target = inner.target("ilk-sh");
    target.key = Some(bastion.user_key.clone());
    target.jumps = vec![Jump { user: None, host: bastion.host.clone(), port: bastion.port }];
    let ended = run(&executor, &target, &request("exit 0")).await;
    assert_eq!(refusal(&ended).0, "host_key_unknown", "{:?}", ended.outcome);
    target.known_hosts =
        format!("{}\n{}", target.known_hosts, bastion.host_key.known_hosts_line(&bastion.host, bastion.port));
    let ended = run(&executor, &target, &request("echo $SSH_CONNECTION | cut -d' ' -f3; exit 6")).await;
    assert_eq!(ended.outcome, StepOutcome::Exited(6));
    assert_eq!(ended.out, b"127.0.0.3\n");
    executor.close().await;
}

#[tokio::test]
async fn no_secret_is_seen_in_any_process_list_or_left_behind() {
    let sshd = Sshd::start();
    let (executor, dir) = executor();
    let target = sshd.target("ilk-fish");
    let secret = format!("s3cr3t-{}", uuid::Uuid::new_v4());
    let mut step = request("echo up; read x < \"$WAIT\"; [ ${#OPTION_PASSWORD} -gt 10 ]");
    let pipe = sshd.directory().join("pipe");
    assert!(std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&pipe).status().unwrap().success());
    step.env = vec![
        ("OPTION_PASSWORD".into(), EnvValue::Secret(SecretText::new(secret.clone()))),
        ("WAIT".into(), EnvValue::Text(pipe.display().to_string())),
    ];
    assert!(!format!("{step:?}").contains(&secret));
    let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
    let watch = async {
        assert_eq!(receiver.recv().await.unwrap().bytes, b"up\n");
        let list = std::process::Command::new("ps").args(["-eww", "-o", "args="]).output().unwrap().stdout;
        assert!(memchr::memmem::find(&list, b".script\n").is_some(), "the step has to be in the list");
        assert!(memchr::memmem::find(&list, secret.as_bytes()).is_none());
        let key_line: String = sshd.user_key.expose().lines().nth(1).unwrap().to_owned();
        for place in [dir.path(), std::path::Path::new("/tmp")] {
            let found = std::process::Command::new("grep")
                .args(["-rls", "-D", "skip", "--exclude-dir=ilk-sshd*", "-e", &secret])
                .arg(place)
                .output()
                .unwrap();
            assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
        }
        let found = std::process::Command::new("grep")
            .args(["-rls", "-D", "skip", "-e", &key_line])
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(found.stdout.is_empty(), "the private key became a file");
        std::fs::write(&pipe, "go\n").unwrap();
        while receiver.recv().await.is_some() {}
    };
    let (ended, ()) = tokio::join!(executor.run_step(&target, &step, sender, CancelSignal::never()), watch);
    ended.receipt.give().await;
    assert_eq!(ended.outcome, StepOutcome::Exited(0));
    executor.close().await;
}

/// Other than ed25519, with which Interlock signs itself.
#[tokio::test]
async fn a_key_of_another_kind_has_an_agent_that_ends_with_it() {
    let sshd = Sshd::start();
    let (executor, dir) = executor();
    let agents = format!("^ssh-agent.*{}", dir.path().display());
    assert_eq!(run(&executor, &sshd.target("ilk-sh"), &request("exit 3")).await.outcome, StepOutcome::Exited(3));
    assert_eq!(processes(&agents), 0);
    let key = dir.path().join("ecdsa");
    let made = std::process::Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let allowed = sshd.directory().join("authorized_keys");
    let both = [std::fs::read(&allowed).unwrap(), std::fs::read(key.with_extension("pub")).unwrap()].concat();
    std::fs::write(&allowed, both).unwrap();
    let text = std::fs::read_to_string(&key).unwrap();
    let target = Target { key: Some(SecretText::new(text)), key_id: "keys/ops/other".into(), ..sshd.target("ilk-sh") };
    assert_eq!(run(&executor, &target, &request("exit 4")).await.outcome, StepOutcome::Exited(4));
    assert_eq!(processes(&agents), 1);
    executor.close().await;
    drop(executor);
    let until = Instant::now() + Duration::from_secs(20);
    while processes(&agents) > 0 {
        assert!(Instant::now() < until, "the agent with the key is still there");
    }
}

#[tokio::test]
async fn a_secret_cut_in_two_writes_is_masked() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let secret = SecretText::new("correct-horse battery".into());
    let masker = Masker::new(std::slice::from_ref(&secret));
    let mut step = request(
        "printf 'a correct-'; sleep 0.3; printf 'horse bat'; sleep 0.3; printf 'tery b '\nprintf %s \"$OPTION_P\" | base64 >&2",
    );
    step.env = vec![("OPTION_P".into(), EnvValue::Secret(secret))];
    let (sender, mut receiver) = mpsc::channel::<Chunk>(8);
    let collect = async {
        let (mut out, mut err) = (masker.stream(), masker.stream());
        let (mut shown, mut chunks) = (Vec::new(), 0);
        let mut errors = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            match chunk.stream {
                Stream::Stdout => {
                    chunks += 1;
                    shown.extend(out.push(&chunk.bytes));
                }
                Stream::Stderr => errors.extend(err.push(&chunk.bytes)),
                Stream::Remark => {}
            }
        }
        shown.extend(out.finish());
        errors.extend(err.finish());
        let text = |pieces: Vec<Piece>| pieces.into_iter().flat_map(|piece| piece.bytes).collect::<Vec<u8>>();
        (text(shown), text(errors), chunks)
    };
    let target = sshd.target("ilk-dash");
    let (ended, (shown, errors, chunks)) =
        tokio::join!(executor.run_step(&target, &step, sender, CancelSignal::never()), collect);
    assert_eq!(ended.outcome, StepOutcome::Exited(0));
    assert!(chunks > 1, "the test has to see the secret in pieces");
    assert_eq!(shown, b"a [secret] b ");
    assert!(errors.starts_with(b"[secret]") && errors.len() < 14, "{}", String::from_utf8_lossy(&errors));
    executor.close().await;
}

#[tokio::test]
async fn uploaded_files_arrive_whole() {
    let sshd = Sshd::start();
    let (executor, _dir) = executor();
    let bytes: Vec<u8> = (0..=255u8).cycle().take(500_000).collect();
    let mut step = request("cat \"$OPTION_CERT\"; stat -c ' %a' \"$OPTION_CERT\"");
    step.files =
        vec![UploadedFile { variable: "OPTION_CERT".into(), name: "my 'cert'.pem".into(), bytes: bytes.clone() }];
    for shell in ["fish", "tcsh"] {
        let ended = run(&executor, &sshd.target(&format!("ilk-{shell}")), &step).await;
        assert_eq!(ended.outcome, StepOutcome::Exited(0));
        assert!(ended.out == [bytes.as_slice(), b" 600\n"].concat());
    }
    executor.close().await;
}

#[tokio::test]
async fn a_long_control_directory_still_works() {
    let sshd = Sshd::start();
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("x".repeat(90)).join("and a space");
    let mut target = sshd.target("ilk-sh");
    target.node = NodeName::parse("n").unwrap();
    // The longest that still has room for sockets.
    let just = directory.path().join("y".repeat(61 - directory.path().as_os_str().len()));
    for (wanted, is_taken) in [(long, false), (just.clone(), true), (just.with_extension("y"), false)] {
        let executor = SshExecutor::new(&wanted, KeyExchange::Quick).unwrap();
        assert_eq!(std::fs::read_dir(&wanted).is_ok_and(|mut inside| inside.next().is_some()), is_taken);
        assert_eq!(run(&executor, &target, &request("exit 2")).await.outcome, StepOutcome::Exited(2));
        executor.close().await;
    }
}
