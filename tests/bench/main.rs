//! Figures, each beside something that is measured in the same run: `cargo bench --bench figures`, or only some parts of
//! them: `cargo bench --bench figures -- fanout output`. The parts: `accept`, `warm`, `fanout`, `own` (`fanout` without the
//! other programs), `many`, `output`, `supervisor`, `memory`.
//!
//! Nothing here asserts a time; tests assert behaviour. Everything stays on loopback and ends by itself.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints and may stop"
)]

mod api;
mod fanout;
mod fleet;
mod http;
mod output;
mod peers;
mod server;
mod ssh;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl, SqliteConnection};

/// How long each load lasts.
const ROUND: Duration = Duration::from_secs(5);

fn main() {
    // `cargo test --benches` and `nextest` call with other arguments; only `cargo bench` measures.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
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

/// Webhooks, and the server before and after them.
fn accepting(server: &server::Server) {
    println!("start to first answered request  {:>8.0} ms", server.first_answer.as_secs_f64() * 1e3);
    println!("resident memory idle             {:>8.1} MiB", server.resident_mib());
    println!("size of the binary               {:>8.1} MiB", server.binary_mib());
    println!();
    bare_loop(server);
    for connections in [8, 64] {
        accept(server, connections, true);
    }
    accept(server, 8, false);
    println!("resident memory after the load   {:>8.1} MiB", server.resident_mib());
    println!();
}

/// One SQLite insert and commit after another, synchronous=FULL, on the same disk.
fn bare_loop(server: &server::Server) {
    let path = server.folder().join("bare.db");
    let mut db = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    db.batch_execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)",
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
    print("bare SQLite insert and commit, one at a time", times.len(), began.elapsed(), &mut times);
}

/// Deliveries to a webhook over so many connections: each is verified, stored for good and answered.
fn accept(server: &server::Server, connections: usize, good: bool) {
    let counter = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (address, counter) = (server.address, Arc::clone(&counter));
            std::thread::spawn(move || {
                let mut connection = http::Connection::open(address);
                let mut times = Vec::new();
                while began.elapsed() < ROUND {
                    let id = counter.fetch_add(1, Ordering::Relaxed);
                    let request = server::delivery(&format!("{good}-{connections}-{id}"), good);
                    let one = Instant::now();
                    let status = connection.send(&request);
                    times.push(one.elapsed());
                    assert_eq!(status, if good { 202 } else { 403 });
                }
                times
            })
        })
        .collect();
    let mut times: Vec<Duration> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    let what = if good { "webhook deliveries accepted" } else { "deliveries with a bad signature rejected" };
    print(&format!("{what}, {connections} connections"), times.len(), began.elapsed(), &mut times);
}

fn print(what: &str, count: usize, took: Duration, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let rate = count as f64 / took.as_secs_f64();
    println!("{what:<50} {rate:>9.0} /s   p50 {:>7.2} ms   p99 {:>7.2} ms", at(0.5), at(0.99));
}
