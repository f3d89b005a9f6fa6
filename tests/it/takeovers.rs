//! Runs whose server died: what it wrote of the output stays, and nobody writes it again.

use crate::durable::shared_folder;
use crate::program::Install;
use crate::servers::{Installation, OVER, ask, log, until};
use crate::sshd::Sshd;

/// A step that writes a line and waits until a folder is gone.
fn job(folder: &std::path::Path) -> String {
    format!(
        "name: wait\noptions: [{{name: token, type: secret, storage: keys/ops/token}}]\nnodes: {{filter: '.*'}}\nsteps:\n  \
         - name: one\n    script: |\n      echo before\n      while [ -d {} ]; do sleep 0.1; done\n      echo after\n",
        folder.display()
    )
}

#[test]
fn a_run_that_cannot_be_gone_on_with_is_unknown_and_keeps_its_log() {
    let (sshd, shared) = (Sshd::start(), shared_folder());
    let installation = Installation::new(Install::new(), &sshd, &["ilk-dash"], &[]);
    installation.done(&["key", "put", "keys/ops/token", "--type", "secret"], "a-secret-of-the-job");
    installation.install.write("jobs/wait.yaml", &job(shared.path()));
    let project = installation.install.path().join("ops");
    installation.done(&["apply", project.to_str().unwrap()], "");

    let server = installation.serve();
    let oncall = installation.oncall(&server);
    let run = ask(&oncall, "wait");
    while log(&oncall, run, "n0", "stdout").0 != "before\n" {
        std::thread::yield_now();
    }
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    installation.done(&["key", "delete", "keys/ops/token"], "");

    let server = installation.serve();
    let oncall = installation.oncall(&server);
    let seen = until(&oncall, run, &OVER);
    let reason = seen["end_reason"].as_str().unwrap();
    assert!(seen["state"] == "unknown" && reason.contains("keys/ops/token"), "{seen}");
    let (text, end) = log(&oncall, run, "n0", "stdout");
    assert_eq!((text.as_str(), &seen["log_bytes"]), ("before\n", &end.into()), "{seen}");
    // What still runs on the node is nobody's any more, as the run says. It ends with the folder.
}
