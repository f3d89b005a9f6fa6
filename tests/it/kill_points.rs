//! The server is killed at every moment of a run's life. Afterwards each run has ended in one true state, each step was
//! started once on its node, and the log is what the node wrote.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use interlock::domain::moment::Moment;
use serde_json::json;

use crate::servers::{Installation, OVER, ask, output, rounds, until};
use crate::sshd::Sshd;

/// Counts its starts, writes on both streams over a while, and ends.
fn job(counters: &Path) -> String {
    format!(
        "name: count\nnodes: {{filter: '.*', concurrency: 2}}\nsteps:\n  - name: count\n    script: |\n      \
         echo start >> {}/$RUN_NUMBER.$(id -un)\n      i=0; while [ $i -lt 200 ]; do echo line $i of $RUN_NUMBER; \
         [ $((i % 20)) -ne 7 ] || {{ echo warn $i >&2; sleep 0.02; }}; i=$((i+1)); done\n",
        counters.display()
    )
}

fn lines(run: i64) -> (String, String) {
    let out = (0..200).map(|i| format!("line {i} of {run}\n")).collect();
    let err = (0..200).filter(|i| i % 20 == 7).map(|i| format!("warn {i}\n")).collect();
    (out, err)
}

#[test]
fn a_killed_server_starts_nothing_twice_and_loses_nothing() {
    let sshd = Sshd::start();
    let counters = tempfile::Builder::new().prefix("ilk-count").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(counters.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let accounts = ["ilk-dash", "ilk-bash"];
    let installation = Installation::new(&sshd, &accounts, &[("count", &job(counters.path()))]);
    let path = "/api/v1/projects/ops/jobs/count/runs";
    let mut expected = 0;
    for moment in Moment::ALL {
        for round in 0..rounds(50) {
            let what = format!("{} round {round}", moment.as_str());
            let dying = installation.serve_with(&[], &[("INTERLOCK_DIE_AT", moment.as_str())]);
            let client = installation.oncall(&dying);
            // The server may die before it has answered.
            let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.post(path, &json!({})).status));
            let status = dying.ended();
            assert_eq!(status.signal(), Some(9), "{what}: the server ends there");

            let server = installation.serve();
            let client = installation.oncall(&server);
            let runs = client.get("/api/v1/runs?limit=1").expect(200).json();
            let newest = runs["items"][0]["number"].as_i64().unwrap_or(0);
            if moment == Moment::Accepted {
                // Nothing was promised, and nothing is there.
                assert!(asked.is_err() && newest == expected, "{what}: {newest}");
                continue;
            }
            expected += 1;
            assert_eq!(newest, expected, "{what}: what was stored is there, once");
            let run = until(&client, newest, &OVER);
            assert_eq!(run["state"], "succeeded", "{what}: {run}");
            let (out, err) = lines(newest);
            for (i, account) in accounts.iter().enumerate() {
                let count = std::fs::read_to_string(counters.path().join(format!("{newest}.{account}"))).unwrap();
                assert_eq!(count, "start\n", "{what}: one start on {account}");
                let node = format!("n{i}");
                assert_eq!(output(&client, newest, &node, "stdout"), out, "{what}: {node}");
                assert_eq!(output(&client, newest, &node, "stderr"), err, "{what}: {node}");
            }
        }
    }
    // Afterwards it works as ever, and the record is whole.
    let server = installation.serve();
    let client = installation.oncall(&server);
    assert_eq!(until(&client, ask(&client, "count"), &OVER)["state"], "succeeded");
    drop(server);
    installation.done(&["audit", "verify"], "");
}
