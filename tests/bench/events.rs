//! The way from an event to a run: how long it takes, what it costs those who post, and how fast a rule is held against the
//! past.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl, SqliteConnection};

use crate::server::{self, Server, command};
use crate::{figures, load};

/// How long events come at each rate.
const LASTING: Duration = Duration::from_secs(10);
/// How long it is waited for runs that are still to start, after the last event.
const PATIENCE: Duration = Duration::from_secs(100);
/// Rules that each look at every event where matching is to have too much to do.
const BUSY: usize = 300;

/// One rule that is live, and a job that does nothing on this machine.
fn acting() -> Vec<(&'static str, String)> {
    let project = "description: figures\nlocal_execution: true\nproduction_sources: ['rule:act']\n";
    let rule = "name: act\ntrigger: {type: webhook.load}\n\
                action: {ref: noop}\nowner: service:load\nmode: live\n";
    let job = "name: noop\nsteps: [{name: noop, run: 'true'}]\n";
    let nodes = "here: {hostname: 192.0.2.1}\n";
    let files = [("project.yaml", project), ("nodes.yaml", nodes), ("jobs/noop.yaml", job), ("rules/act.yaml", rule)];
    with_hook(files.map(|(path, text)| (path, text.to_owned())).to_vec())
}

/// Rules whose criteria no index can answer.
fn looking(count: usize) -> Vec<(&'static str, String)> {
    let rule = |n: usize| {
        format!(
            "name: r{n}\ntrigger: {{type: webhook.load}}\ncriteria:\n  trigger.receiver: {{type: regex, pattern: '^never{n}$'}}\naction: nothing\nowner: service:load\n"
        )
    };
    let rules = (0..count).map(rule).collect::<Vec<_>>().join("---\n");
    let job = "name: noop\nnodes: {filter: '.*'}\nsteps: [{name: noop, run: 'true'}]\n";
    let nodes = "here: {hostname: 192.0.2.1}\n";
    let mut files = vec![("nodes.yaml", nodes.to_owned()), ("jobs/noop.yaml", job.to_owned())];
    if count > 0 {
        files.push(("rules/many.yaml", rules));
    }
    with_hook(files)
}

fn with_hook(mut files: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let hook = "webhook:\n  name: load\n  eventPlugin: webhook-run-job\n  config: {jobId: noop, argString: ''}\n  \
                verify: {kind: hmac, header: X-Signature, secrets: [keys/bench/load]}\n  run_as: load\n  \
                when: {data.severity: {type: equals, pattern: never}}\n";
    files.push(("webhooks/load.yaml", hook.to_owned()));
    files
}

/// From the answer to a sender to the start of the run that a live rule asks for.
pub(crate) fn started() {
    println!("events a second      verdict p50 / p99          run started p50 / p99      of them not started");
    for rate in [10_u64, 100, 1_000] {
        let server = Server::start(&acting());
        promote(&server);
        let sent = at_a_rate(&server, rate);
        let mut db = database(&server);
        let until = Instant::now() + PATIENCE;
        let open = "SELECT (SELECT count(*) FROM events WHERE NOT matched) + (SELECT count(*) FROM runs WHERE started_at IS NULL) AS n";
        while count(&mut db, open) > 0 && Instant::now() < until {
            crate::pause(Duration::from_millis(200));
        }
        let verdict = times(
            &mut db,
            "SELECT (julianday(v.created_at) - julianday(e.received_at)) * 86400000.0 AS ms FROM verdicts v JOIN events e ON e.id = v.event_id",
        );
        let started = times(
            &mut db,
            "SELECT (julianday(r.started_at) - julianday(e.received_at)) * 86400000.0 AS ms FROM verdicts v JOIN events e ON e.id = v.event_id JOIN runs r ON r.number = v.run WHERE r.started_at IS NOT NULL",
        );
        let late = sent.saturating_sub(started.len() as u64);
        println!("{rate:>15}      {:<22}     {:<22}     {late} of {sent}", spread(&verdict), spread(&started));
        if started.is_empty() {
            println!("                {}", why(&mut db));
        }
    }
    println!();
}

/// Two people and two weeks stand between a rule and its being live; here the row that says so is written instead.
fn promote(server: &Server) {
    let mut db = database(server);
    db.batch_execute(
        "PRAGMA busy_timeout = 5000;
         INSERT INTO rule_states (definition_id, digest, project, rule, live_revision, breaker, breaker_reason, changes)
         SELECT id, digest, project, name, revision, 'closed', '', 0 FROM definitions WHERE kind = 'rule'",
    )
    .unwrap();
}

/// Posts so many events a second, evenly; how many.
fn at_a_rate(server: &Server, rate: u64) -> u64 {
    let ids = Arc::new(AtomicU64::new(0));
    let total = rate * LASTING.as_secs();
    // A burst every tenth of a second, over as many connections as it has events, at most 64.
    let bursts = LASTING.as_secs() * 10;
    let began = Instant::now();
    for burst in 0..bursts {
        let wanted = total * (burst + 1) / bursts;
        let due = Duration::from_millis(burst * 100);
        crate::pause(due.saturating_sub(began.elapsed()));
        load::send_until(server.address, 16, &server::delivery(true), crate::ACCEPTED, &ids, wanted);
    }
    ids.load(Ordering::Relaxed)
}

/// A rule held against many stored events by the command, beside a tenth of them.
pub(crate) fn backtest() {
    const MANY: u64 = 1_000_000;
    let server = Server::start(&acting());
    let folder = server.folder().join("rule.yaml");
    let rule = "name: act\ntrigger: {type: source.many}\ncriteria:\n  trigger.labels.severity: {type: equals, pattern: warning}\n  trigger.labels.instance: {type: regex, pattern: '^web[0-9]+$'}\n  trigger.status: {type: equals, pattern: firing}\naction: {ref: noop}\nowner: service:load\nguard: {dedupe: {key: '{{ trigger.fingerprint }}', window: 1h}, rate: {limit: 1000, window: 10m}, breaker: {count: 100000, window: 1h}}\n";
    std::fs::write(&folder, rule).unwrap();
    let mut db = database(&server);
    let (mut stored, mut each_of_first) = (0, None);
    for wanted in [MANY / 10, MANY] {
        store(&mut db, stored, wanted);
        stored = wanted;
        let began = Instant::now();
        let printed = command(&server.data(), &["rule", "backtest", folder.to_str().unwrap(), "--since", "90d"], "");
        let took = began.elapsed();
        let each = took.as_secs_f64() * 1e6 / wanted as f64;
        let first = *each_of_first.get_or_insert(each);
        println!(
            "backtest over {wanted:>9} events {:>8.1} s   {each:>6.1} us an event, {:.2} times that of the first; {}",
            took.as_secs_f64(),
            each / first,
            printed.lines().next().unwrap_or_default()
        );
    }
    println!();
}

/// Puts events where intake puts them, ten a second.
fn store(db: &mut SqliteConnection, from: u64, to: u64) {
    db.batch_execute(&format!(
        "PRAGMA busy_timeout = 60000; BEGIN;
         WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to})
         INSERT INTO events (id, project, received_at, source, event_type, payload, headers, dedupe_key, verdict, detail, run, depth, matched)
         SELECT printf('01900000-0000-7000-8000-%012x', i), 'bench',
                strftime('%Y-%m-%d %H:%M:%f', 'now', '-2 days', '+' || (i / 10.0) || ' seconds'),
                'api', 'source.many',
                printf('{{\"status\":\"firing\",\"fingerprint\":\"f%d\",\"labels\":{{\"alertname\":\"DiskAlmostFull\",\"severity\":\"%s\",\"instance\":\"web%d\",\"job\":\"node\"}},\"annotations\":{{\"summary\":\"a disk fills up on web%d\"}}}}', i % 5000, CASE WHEN i % 3 = 0 THEN 'warning' ELSE 'info' END, i % 500, i % 500),
                '{{}}', 'many-' || i, 'not_matched', '', NULL, 0, TRUE FROM n;
         COMMIT; ANALYZE events;"
    ))
    .unwrap();
}

/// What it costs those who post that rules have more to look at than there is time for.
pub(crate) fn saturated() {
    for (what, rules) in [("no rule listens", 0), ("300 rules look at each event", BUSY)] {
        let server = Server::start(&looking(rules));
        let ids = Arc::new(AtomicU64::new(0));
        let sent = load::send(server.address, 8, &server::delivery(true), crate::ACCEPTED, &ids, LASTING);
        let load::Measured { mut times, took } = sent;
        let waiting = count(&mut database(&server), "SELECT count(*) AS n FROM events WHERE NOT matched");
        let line = figures(&format!("accepted, 8 connections, {what}"), times.len(), took, &mut times);
        println!("{line}   {waiting} events wait for rules at the end");
    }
    println!();
}

fn database(server: &Server) -> SqliteConnection {
    let path = server.data().join("interlock.db");
    let mut db = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    db.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    db
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

#[derive(diesel::QueryableByName)]
struct Time {
    #[diesel(sql_type = diesel::sql_types::Double)]
    ms: f64,
}

#[derive(diesel::QueryableByName)]
struct Why {
    #[diesel(sql_type = diesel::sql_types::Text)]
    why: String,
}

/// What became of an event.
fn why(db: &mut SqliteConnection) -> String {
    let query = "SELECT outcome || ': ' || detail || ' ' || guards AS why FROM verdicts LIMIT 1";
    diesel::sql_query(query).get_result::<Why>(db).map_or_else(|e| e.to_string(), |w| w.why)
}

fn count(db: &mut SqliteConnection, query: &str) -> i64 {
    diesel::sql_query(query).get_result::<Count>(db).unwrap().n
}

fn times(db: &mut SqliteConnection, query: &str) -> Vec<f64> {
    let mut all: Vec<f64> = diesel::sql_query(query).load::<Time>(db).unwrap().into_iter().map(|t| t.ms).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn spread(times: &[f64]) -> String {
    if times.is_empty() {
        return "none".to_owned();
    }
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    format!("{:.0} ms / {:.0} ms", at(0.5), at(0.99))
}
