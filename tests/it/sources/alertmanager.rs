//! Alerts end to end: Debian's Prometheus and Alertmanager, with configurations and folders of their own, tell a server.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::alerts::{ACCESS, NODES, ROTATE, RULE, SECRET};
use super::whole;
use crate::client::Client;
use crate::program::{Install, Server, ends};

const PATIENCE: Duration = Duration::from_secs(100);

/// A webhook whose own job only says what it would do.
const HOOK: &str = "
webhook:
  name: disk-alert
  eventPlugin: webhook-run-job
  config: {jobId: ops/rotate_logs, argString: '-host ${data.receiver}'}
  run_as: hook
  verify: {kind: alertmanager, secrets: [keys/ops/am]}
  mode: dry_run
";

/// A program that runs until the test is over.
struct Running(Child);

impl Running {
    fn start(program: &str, folder: &Path, arguments: &[String]) -> Self {
        let log = fs::File::create(folder.join(format!("{program}.log"))).unwrap();
        let started = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self(started.unwrap_or_else(|e| panic!("{program}: {e}; tests/run installs it")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on this machine where nobody listens yet.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// What Prometheus holds to be wrong.
fn write_alert(folder: &Path, expression: &str) {
    let labels = "{severity: warning, env: staging, instance: 'log1:9100'}";
    let rule = format!(
        "groups:\n  - name: disks\n    interval: 1s\n    rules:\n      - alert: DiskAlmostFull\n        expr: {expression}\n        labels: {labels}\n        annotations: {{summary: 'little is left'}}\n"
    );
    fs::write(folder.join("rules.yml"), rule).unwrap();
}

/// The documentation's configuration of Alertmanager, for this server and in more of a hurry.
fn alertmanager_yml(server: &str, token: &Path) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md")).unwrap();
    let block = page.split("```yml\n# alertmanager.yml\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let base = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    [
        ("https://interlock.example.com", base.as_str()),
        ("/etc/prometheus/interlock-token", token.to_str().unwrap()),
        ("group_wait: 10s", "group_wait: 1s"),
        ("group_interval: 1m", "group_interval: 1s"),
        ("repeat_interval: 4h", "repeat_interval: 2s"),
    ]
    .iter()
    .fold(block, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

fn of_type(client: &Client, kind: &str) -> Vec<Value> {
    let page = client.get("/api/v1/events?source=webhook:disk-alert&limit=199").expect(200).json();
    page["items"].as_array().unwrap().iter().filter(|e| e["type"] == kind).cloned().collect()
}

#[test]
fn a_real_alert_becomes_one_event_and_a_rule_says_what_it_would_do() {
    let install = Install::new();
    install.write("project.yaml", "description: alerts\n");
    install.write("access.yaml", &ACCESS.replace("user:ann", "user:oncall"));
    install.write("nodes.yaml", NODES);
    install.write("jobs/rotate.yaml", ROTATE);
    install.write("webhooks/disk-alert.yaml", HOOK);
    install
        .write("rules/r.yaml", &RULE.replace("action:", "  trigger.status: {type: equals, pattern: firing}\naction:"));
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["key", "put", "keys/ops/am", "--type", "secret"], SECRET), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    let server = Server::start(&install);
    let client = Client::new(&server.address).with("authorization", &format!("Bearer {}", token.trim()));

    let folder = install.path();
    let (prometheus, alertmanager) = (free_address(), free_address());
    let secret = folder.join("interlock-token");
    fs::write(&secret, SECRET).unwrap();
    fs::write(folder.join("alertmanager.yml"), alertmanager_yml(&server.address, &secret)).unwrap();
    write_alert(folder, "vector(1)");
    let config = json!({
        "global": {"evaluation_interval": "1s"}, "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    });
    fs::write(folder.join("prometheus.yml"), config.to_string()).unwrap();
    let flags = |config: &str, store: &str, listen: &str| {
        vec![format!("--config.file={config}"), store.to_owned(), format!("--web.listen-address={listen}")]
    };
    let mut of_alertmanager = flags("alertmanager.yml", "--storage.path=alertmanager", &alertmanager);
    of_alertmanager.push("--cluster.listen-address=".to_owned());
    let _alertmanager = Running::start("prometheus-alertmanager", folder, &of_alertmanager);
    let mut of_prometheus = flags("prometheus.yml", "--storage.tsdb.path=prometheus", &prometheus);
    // It may tell for the first time before it knows of an Alertmanager.
    of_prometheus.push("--rules.alert.resend-delay=1s".to_owned());
    let watching = Running::start("prometheus", folder, &of_prometheus);

    let logs =
        || ["prometheus", "prometheus-alertmanager"].map(|p| fs::read_to_string(folder.join(format!("{p}.log"))));
    let until = |what: &str, done: &dyn Fn() -> Option<Value>| {
        let began = Instant::now();
        loop {
            if let Some(found) = done() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what} never came: {:?}", logs());
            std::thread::yield_now();
        }
    };
    let decided = |status: &'static str| {
        let client = &client;
        move || {
            let all = of_type(client, "prometheus.alert").into_iter().map(|e| whole(client, &e));
            let mut all =
                all.filter(|e| e["payload"]["status"] == status && !e["verdicts"].as_array().unwrap().is_empty());
            all.next()
        }
    };
    let event = until("the alert", &decided("firing"));
    let payload = &event["payload"];
    let labels =
        json!({"alertname": "DiskAlmostFull", "severity": "warning", "env": "staging", "instance": "log1:9100"});
    assert_eq!(payload["labels"], labels);
    assert_eq!(payload["annotations"]["summary"], "little is left");
    assert_eq!(payload["receiver"], "interlock");
    let identity =
        format!("alert {} {} firing", payload["fingerprint"].as_str().unwrap(), payload["startsAt"].as_str().unwrap());
    assert_eq!(event["dedupe_key"], identity);
    let verdict = &event["verdicts"][0];
    assert_eq!((&verdict["rule"], &verdict["outcome"]), (&json!("restart_on_disk_full"), &json!("would")), "{event}");
    assert_eq!(verdict["detail"], "Would ask for a run of ops/rotate_logs on log1.");

    // It is over: news of its own, which the rule leaves alone.
    write_alert(folder, "vector(1) > 2");
    rustix::process::kill_process(rustix::process::Pid::from_child(&watching.0), rustix::process::Signal::HUP).unwrap();
    let resolved = until("the end of the alert", &decided("resolved"));
    assert_eq!(resolved["payload"]["fingerprint"], payload["fingerprint"]);
    assert_eq!(resolved["verdict"], "not_matched", "{resolved}");
    let firing = of_type(&client, "prometheus.alert").len() - 1;
    assert_eq!(firing, 1, "however often it was told");
    assert!(!of_type(&client, "webhook.disk-alert").is_empty());
    drop(watching);
    assert_eq!(server.stop(), Some(0));
}
