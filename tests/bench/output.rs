//! Much output: how fast it comes, and what memory it takes. And what a warm node and a supervisor cost.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::fleet::Fleet;
use crate::server::Server;

/// Bytes of a line of output, with its end.
const LINE: usize = 100;
const MIB: f64 = 1024.0 * 1024.0;
const STEPS: usize = 40;
const ROUNDS: usize = 5;
/// Nodes that write at once.
const WRITERS: usize = 200;

/// A file of 1 GB, and the first half of it.
const FILE: &str = "/tmp/ilk-bench-lines";
const HALF: &str = "/tmp/ilk-bench-half";

/// The jobs that write, and those that show what a step costs.
pub(crate) fn jobs() -> Vec<(String, String)> {
    let job = |name: &str, filter: &str, command: String| {
        let text = format!(
            "name: {name}\nnodes: {{filter: '{filter}', concurrency: {WRITERS}}}\nsteps: [{{name: one, run: '{command}'}}]\n"
        );
        (format!("jobs/{name}.yaml"), text)
    };
    vec![
        job("half", "name: n000", format!("cat {HALF}")),
        job("whole", "name: n000", format!("cat {FILE}")),
        job("five", &format!("tags: first{WRITERS}"), format!("head -c 5000000 {FILE}")),
        job("one", "name: n000", "true".to_owned()),
        job("bare", "name: bare", "true".to_owned()),
    ]
}

/// A file of lines that goes with its holder.
struct Lines(&'static str);

impl Lines {
    fn write(path: &'static str, megabytes: usize) -> Self {
        let mut text = Vec::with_capacity(10_000 * LINE);
        for n in 0..10_000 {
            text.extend_from_slice(format!("{n:0width$}\n", width = LINE - 1).as_bytes());
        }
        let mut file = std::fs::File::create(path).unwrap();
        for _ in 0..megabytes {
            std::io::Write::write_all(&mut file, &text).unwrap();
        }
        // What the disk has to do for it later is not what is measured.
        file.sync_all().unwrap();
        Self(path)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// 500 MB of one step beside `ssh node cat`: with the client as it comes, and with the cipher that Interlock asks for.
pub(crate) fn throughput(fleet: &Fleet) {
    let _lines = Lines::write(HALF, 500);
    let (_server, api) = crate::fanout::server(fleet, &[]);
    api.run("one");
    println!("500 MB of output, in lines of {LINE} bytes, {ROUNDS} rounds in turn; load {}", crate::load());
    let copy = fleet.folder().join("copy");
    let ssh = |client: &str| {
        let began = Instant::now();
        let to = std::fs::File::create(&copy).unwrap();
        let mut command = Command::new("ssh");
        command.arg("-F").arg(fleet.client(client)).args([fleet.addresses[0].as_str(), "cat", HALF]);
        assert!(command.stdin(Stdio::null()).stdout(to).status().unwrap().success());
        let took = began.elapsed();
        let _ = std::fs::remove_file(&copy);
        took
    };
    let (mut own, mut plain, mut quick) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (times, measured) in [
            (&mut own, &(|| api.run("half")) as &dyn Fn() -> Duration),
            (&mut plain, &|| ssh("plain")),
            (&mut quick, &|| ssh("quick")),
        ] {
            crate::settle();
            times.push(measured());
        }
    }
    let speed = |times: &[Duration]| 500.0 / times.iter().min().unwrap().as_secs_f64();
    println!("Interlock, masked, in lines, recorded            {:>8.0} MB/s", speed(&own));
    println!("`ssh node cat > file`                            {:>8.0} MB/s", speed(&plain));
    println!("  of its throughput                              {:>8.2}", speed(&own) / speed(&plain));
    println!("  with AES as Interlock has it                   {:>8.0} MB/s", speed(&quick));
    println!("  of its throughput                              {:>8.2}\n", speed(&own) / speed(&quick));
}

/// A step under its supervisor beside one that lives as long as its connection.
pub(crate) fn supervisor(fleet: &Fleet) {
    let (_server, api) = crate::fanout::server(fleet, &[]);
    let (mut durable, mut attached) = (Vec::new(), Vec::new());
    for job in ["one", "bare"] {
        api.run(job);
    }
    for _ in 0..STEPS {
        durable.push(api.run("one"));
        attached.push(api.run("bare"));
    }
    println!("one step on one warm node, {STEPS} rounds in turn; load {}", crate::load());
    let shown = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let (durable, attached) = (shown(&mut durable), shown(&mut attached));
    println!("under its supervisor                             {durable:>8.1} ms");
    println!("attached                                         {attached:>8.1} ms");
    println!("  cost of the supervisor                         {:>8.1} ms\n", durable - attached);
}

/// What warm nodes and much output take, above the idle server.
pub(crate) fn memory() {
    let fleet = match Fleet::start(WRITERS) {
        Ok(fleet) => fleet,
        Err(why) => return println!("the memory of {WRITERS} nodes is left out: {why}"),
    };
    let _lines = Lines::write(FILE, 1_000);
    let (server, api) = crate::fanout::server(&fleet, &[WRITERS]);
    let idle = server.resident_mib();
    println!("resident memory of the idle server               {idle:>8.1} MiB");
    peak(&server, &api, idle, "whole", "1 GB from one node");
    peak(&server, &api, idle, &format!("true{WRITERS}"), &format!("`true` on {WRITERS} nodes"));
    let each = WRITERS as f64;
    println!("  a warm node, in the server                     {:>8.2} MiB", (server.resident_mib() - idle) / each);
    println!("  a warm node, in its ssh process (PSS)          {:>8.2} MiB", masters_mib(&server) / each);
    peak(&server, &api, idle, "five", &format!("5 MB from each of {WRITERS} nodes at once"));
    println!("  load {}\n", crate::load());
}

fn peak(server: &Server, api: &Api, idle: f64, job: &str, what: &str) {
    server.forget_peak();
    let took = api.run(job);
    let above = server.peak_mib() - idle;
    println!("{what:<48} {above:>8.1} MiB above idle at most, {:.1} s", took.as_secs_f64());
}

/// The unshared memory of the ssh processes that this server keeps.
fn masters_mib(server: &Server) -> f64 {
    let control = server.runtime().display().to_string();
    let mut total = 0.0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if !line.starts_with("ssh") || !line.contains(&control) {
            continue;
        }
        let rollup = std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
        let pss = rollup.lines().find_map(|l| l.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<f64>().ok());
        total += pss.unwrap_or(0.0) * 1024.0 / MIB;
    }
    total
}
