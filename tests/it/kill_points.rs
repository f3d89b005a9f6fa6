//! The server is killed at every moment of a run's life. Afterwards each run has ended in one true state, each step was
//! started once on its node, and the log is what the node wrote.

use std::os::unix::process::ExitStatusExt as _;

use interlock::domain::moment::Moment;
use serde_json::json;

use crate::program::{Install, Server};
use crate::servers::{Counters, Installation, OVER, a_test_of_each_moment, ask, rounds, until};
use crate::sshd::Sshd;

a_test_of_each_moment! {
    starts_nothing_twice_and_loses_nothing, Moment::OF_A_RUN;
    accepted: Accepted,
    row_committed: RowCommitted,
    lease_taken: LeaseTaken,
    bootstrap_sent: BootstrapSent,
    acknowledgement_lost: AcknowledgementLost,
    first_output: FirstOutput,
    exit_unread: ExitUnread,
    code_uncommitted: CodeUncommitted,
}

fn starts_nothing_twice_and_loses_nothing(moment: Moment) {
    let sshd = Sshd::start();
    let counters = Counters::new();
    let accounts = ["ilk-dash", "ilk-bash"];
    let installation = Installation::new(Install::new(), &sshd, &accounts, &[("count", &counters.job(20))]);
    let path = "/api/v1/projects/ops/jobs/count/runs";
    let mut expected = 0;
    for round in 0..rounds(50) {
        let what = format!("{} round {round}", moment.as_str());
        let dying = Server::start_with(&installation.install, &[("INTERLOCK_DIE_AT", moment.as_str())]);
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
        counters.check(&client, newest, &accounts, &what);
    }
    // Afterwards it works as ever, and the record is whole.
    let server = installation.serve();
    let client = installation.oncall(&server);
    assert_eq!(until(&client, ask(&client, "count"), &OVER)["state"], "succeeded");
    drop(server);
    installation.done(&["audit", "verify"], "");
}
