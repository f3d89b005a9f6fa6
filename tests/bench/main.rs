//! Figures, each beside something that is measured in the same run: `cargo bench --bench figures`, or only some parts of
//! them: `cargo bench --bench figures -- fanout output`. The parts: `accept`, `warm`, `fanout`, `own` (`fanout` without the
//! other programs), `many`, `output`, `supervisor`, `memory`, `rules`, `events`, `backtest`.
//!
//! Nothing here asserts a time; tests assert behaviour. Everything stays on loopback and ends by itself.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints and may stop"
)]

mod api;
mod client_end;
mod events;
mod fanout;
mod fleet;
mod http;
mod load;
mod output;
mod peers;
mod rules;
mod server;
mod ssh;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl, SqliteConnection};

/// How long each load lasts.
const ROUND: Duration = Duration::from_secs(5);
/// How many events are stored before the look at what growth costs.
const MANY: u64 = 200_000;

fn main() {
    // `cargo test --benches` and `nextest` call with other arguments; only `cargo bench` measures.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    println!("load average before              {:>8}", load());
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |part: &str| if chosen.is_empty() { part != "own" } else { chosen.iter().any(|c| c == part) };
    if wanted("accept") || wanted("warm") {
        let server = server::Server::start(&ssh::definitions());
        if wanted("accept") {
            accepting(&server);
        }
        if wanted("warm") {
            ssh::warm_run(&server);
        }
    }
    if ["fanout", "own", "output", "supervisor"].into_iter().any(wanted) {
        match fleet::Fleet::start(100) {
            Err(why) => println!("no nodes could be started here, so all that needs many is left out: {why}"),
            Ok(fleet) => {
                if wanted("fanout") || wanted("own") {
                    fanout::table(&fleet, wanted("fanout"));
                }
                if wanted("output") {
                    output::throughput(&fleet);
                }
                if wanted("supervisor") {
                    output::supervisor(&fleet);
                }
            }
        }
    }
    if wanted("memory") {
        output::memory();
    }
    if wanted("rules") {
        rules::matched();
    }
    if wanted("events") {
        events::started();
        events::saturated();
    }
    if wanted("backtest") {
        events::backtest();
    }
    if wanted("many") {
        fanout::many();
    }
}

/// What else the machine does: the mean number of processes that wanted a processor in the last minute.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "looks again and again, and must leave the processor to what is measured"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until the machine has nothing to do any more, so that what a run leaves to be done afterwards does not count
/// against what is measured next; at most three seconds.
fn settle() {
    let idle = || {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> =
            text.lines().next().unwrap_or_default().split_whitespace().filter_map(|n| n.parse().ok()).collect();
        (ticks.get(3).copied().unwrap_or(0), ticks.iter().sum::<u64>())
    };
    let (began, mut quiet) = (Instant::now(), 0);
    let mut before = idle();
    while quiet < 2 && began.elapsed() < Duration::from_secs(3) {
        pause(Duration::from_millis(100));
        let now = idle();
        let (idle, all) = (now.0 - before.0, now.1 - before.1);
        quiet = if idle * 10 >= all * 9 { quiet + 1 } else { 0 };
        before = now;
    }
}

/// Webhooks, and the server before and after them.
fn accepting(server: &server::Server) {
    println!("start to first answered request  {:>8.0} ms", server.first_answer.as_secs_f64() * 1e3);
    println!("resident memory idle             {:>8.1} MiB", server.resident_mib());
    println!("size of the binary               {:>8.1} MiB", server.binary_mib());
    println!();
    bare_loop(server);
    let senders = Senders::new(server);
    senders.accepted(64, ROUND);
    senders.accepted(8, ROUND);
    senders.rejected(8, ROUND);
    senders.until_stored(MANY);
    senders.accepted(64, ROUND);
    bare_loop(server);
    println!("resident memory after the load   {:>8.1} MiB", server.resident_mib());
    println!();
}

/// One SQLite insert and commit after another, synchronous=FULL, on the same disk.
fn bare_loop(server: &server::Server) {
    let path = server.folder().join("bare.db");
    let mut db = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    db.batch_execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body TEXT)",
    )
    .unwrap();
    let body = server::BODY;
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < ROUND {
        let one = Instant::now();
        let insert = diesel::sql_query("INSERT INTO t (body) VALUES (?)").bind::<diesel::sql_types::Text, _>(body);
        insert.execute(&mut db).unwrap();
        times.push(one.elapsed());
    }
    let (count, took) = (times.len(), began.elapsed());
    println!("{}", figures("bare SQLite insert and commit, one at a time", count, took, &mut times));
}

/// Who posts deliveries, counting them.
struct Senders<'s> {
    server: &'s server::Server,
    accepted: Arc<AtomicU64>,
}

impl<'s> Senders<'s> {
    fn new(server: &'s server::Server) -> Self {
        Self { server, accepted: Arc::new(AtomicU64::new(0)) }
    }

    /// Deliveries that are verified, stored for good and answered.
    fn accepted(&self, connections: usize, lasting: Duration) {
        let stored = self.accepted.load(Ordering::Relaxed);
        let what = format!("accepted, {connections} connections, {stored} stored before");
        self.measured(&what, connections, true, &self.accepted, lasting);
    }

    /// Deliveries with a bad signature.
    fn rejected(&self, connections: usize, lasting: Duration) {
        let what = format!("bad signature rejected, {connections} connections");
        self.measured(&what, connections, false, &Arc::new(AtomicU64::new(0)), lasting);
    }

    /// Posts without measuring until so many events are stored.
    fn until_stored(&self, count: u64) {
        while self.accepted.load(Ordering::Relaxed) < count {
            let (request, lasting) = (server::delivery(true), Duration::from_secs(1));
            load::send(self.server.address, 64, &request, ACCEPTED, &self.accepted, lasting);
        }
    }

    fn measured(&self, what: &str, connections: usize, good: bool, ids: &Arc<AtomicU64>, lasting: Duration) {
        let (request, status) = (server::delivery(good), if good { ACCEPTED } else { REJECTED });
        let (server, own) = (self.server.cpu(), load::cpu_of("self"));
        let load::Measured { mut times, took } =
            load::send(self.server.address, connections, &request, status, ids, lasting);
        let (server, own) = (self.server.cpu() - server, load::cpu_of("self") - own);
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / times.len() as f64;
        let share = 100.0 * server.as_secs_f64() / (server + own).as_secs_f64();
        let cpu = format!("CPU each: server {:.0} us ({share:.0} %), load {:.0} us", each(server), each(own));
        println!("{}   {cpu}", figures(what, times.len(), took, &mut times));
    }
}

const ACCEPTED: &str = "HTTP/1.1 202 ";
const REJECTED: &str = "HTTP/1.1 403 ";

fn figures(what: &str, count: usize, took: Duration, times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let rate = count as f64 / took.as_secs_f64();
    format!("{what:<50} {rate:>9.0} /s   p50 {:>7.2} ms   p99 {:>7.2} ms", at(0.5), at(0.99))
}
