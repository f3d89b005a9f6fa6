//! `true` on many nodes at once, cold and warm: through the whole product, over the bare SSH crate, and by others.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openssh::{KnownHosts, Session, SessionBuilder};

use crate::api::Api;
use crate::fleet::Fleet;
use crate::peers::{self, Figures, ParallelSsh};
use crate::server::{Server, command};
use crate::settle;

const SIZES: [usize; 2] = [50, 100];
const COLD: usize = 5;
const WARM: usize = 15;

/// How many nodes one run reaches when no limit is to be hit.
const MANY: usize = 500;

/// A server that knows the fleet: jobs `true50`, … run `true` on the first nodes.
pub(crate) fn server(fleet: &Fleet, sizes: &[usize]) -> (Server, Api) {
    let mut definitions = vec![("nodes.yaml".to_owned(), fleet.inventory(sizes))];
    definitions.extend(sizes.iter().map(|size| {
        let job = format!(
            "name: true{size}\nnodes: {{filter: 'tags: first{size}', concurrency: {size}}}\n\
             steps: [{{name: noop, run: 'true'}}]\n"
        );
        (format!("jobs/true{size}.yaml"), job)
    }));
    definitions.extend(crate::output::jobs());
    let definitions: Vec<(&str, String)> =
        definitions.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    let server = Server::start(&definitions);
    let api = Api::open(&server, &fleet.key());
    let names = fleet.names();
    let mut arguments = vec!["node", "enrol", "--yes"];
    arguments.extend(names.iter().map(String::as_str));
    command(&server.data(), &arguments, "");
    (server, api)
}

/// The table of everything that runs `true` on nodes.
pub(crate) fn table(fleet: &Fleet, with_peers: bool) {
    let (mut server, mut api) = server(fleet, &SIZES);
    for size in SIZES {
        println!("`true` on {size} nodes; load {}", crate::load());
        let peer = if with_peers { ParallelSsh::start(fleet, size) } else { Err("not asked for".to_owned()) };
        let job = format!("true{size}");
        let bare = Bare::new(size);
        let mut turns = Turns { fleet, server: &mut server, api: &mut api, job, bare, peer };
        show("", &turns.measured());
        let mut hurried = Figures::default();
        for _ in 0..WARM {
            hurried.warm.push(turns.api.run(&turns.job));
        }
        row("  one run right after the other", &hurried);
        match fleet.in_memory() {
            Ok(_homes) => show(", homes in memory", &turns.measured()),
            Err(why) => println!("homes in memory are left out: {why}"),
        }
        if let Err(why) = &turns.peer {
            println!("{:<48} left out: {why}", "parallel-ssh");
        }
        drop(turns);
        if with_peers {
            for (name, figures) in peers::all(fleet, size) {
                match figures {
                    Ok(figures) => row(name, &figures),
                    Err(why) => println!("{name:<48} left out: {why}"),
                }
            }
        }
        println!("  load afterwards {}\n", crate::load());
    }
}

/// Interlock, a bare loop, and the quickest of the others: what is held against each other is measured in turn, so that
/// whatever else the machine does slows all of them.
struct Turns<'b> {
    fleet: &'b Fleet,
    server: &'b mut Server,
    api: &'b mut Api,
    job: String,
    bare: Bare,
    peer: Result<ParallelSsh, String>,
}

#[derive(Default)]
struct Measured {
    own: Figures,
    bare: Figures,
    peer: Figures,
    /// The processor time of the server in all warm rounds.
    busy: Duration,
}

impl Turns<'_> {
    fn measured(&mut self) -> Measured {
        let mut all = Measured::default();
        for _ in 0..COLD {
            // A server that was just started knows no connection.
            self.server.restart();
            self.api.reopen(self.server);
            sure(all.own.cold_round(self.fleet, || Ok(self.api.run(&self.job))));
            self.bare.close();
            sure(all.bare.cold_round(self.fleet, || Ok(self.bare.cold(self.fleet))));
            self.with_peer(|peer, fleet| {
                peer.close()?;
                all.peer.cold_round(fleet, || peer.round())
            });
        }
        for _ in 0..WARM {
            let before = self.server.cpu();
            sure(all.own.warm_round(|| Ok(self.api.run(&self.job))));
            all.busy += self.server.cpu() - before;
            sure(all.bare.warm_round(|| Ok(self.bare.warm())));
            self.with_peer(|peer, _| all.peer.warm_round(|| peer.round()));
        }
        all
    }

    /// Does something with the peer, as long as it is there.
    fn with_peer(&mut self, turn: impl FnOnce(&mut ParallelSsh, &Fleet) -> Result<(), String>) {
        if let Ok(peer) = &mut self.peer
            && let Err(why) = turn(peer, self.fleet)
        {
            self.peer = Err(why);
        }
    }
}

fn sure(round: Result<(), Infallible>) {
    let Ok(()) = round;
}

/// The loop over the bare crate.
struct Bare {
    runtime: tokio::runtime::Runtime,
    size: usize,
    sessions: Vec<Session>,
}

impl Bare {
    fn new(size: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, size, sessions: Vec::new() }
    }

    fn close(&mut self) {
        self.runtime.block_on(join_all(std::mem::take(&mut self.sessions).into_iter().map(Session::close)));
    }

    fn cold(&mut self, fleet: &Fleet) -> Duration {
        let began = Instant::now();
        self.sessions = self.runtime.block_on(connect(fleet, self.size));
        self.runtime.block_on(everywhere(&self.sessions));
        began.elapsed()
    }

    fn warm(&self) -> Duration {
        let began = Instant::now();
        self.runtime.block_on(everywhere(&self.sessions));
        began.elapsed()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.close();
    }
}

fn show(how: &str, all: &Measured) {
    row(&format!("Interlock, all recorded{how}"), &all.own);
    println!("  processor time of the server in a warm run {:>31.1} ms", all.busy.as_secs_f64() * 1e3 / WARM as f64);
    row("bare loop over the openssh crate, native-mux", &all.bare);
    println!("  warm, beside the bare loop {:>47.1} times", median(&all.own.warm) / median(&all.bare.warm));
    if !all.peer.warm.is_empty() {
        row("parallel-ssh", &all.peer);
        println!("  cold, beside parallel-ssh {:>22.2} times", median(&all.own.cold) / median(&all.peer.cold));
    }
}

/// A run over so many nodes that limits of the machine count.
pub(crate) fn many() {
    let fleet = match Fleet::start(MANY) {
        Ok(fleet) => fleet,
        Err(why) => return println!("{MANY} nodes are left out: {why}"),
    };
    let (server, api) = server(&fleet, &[MANY]);
    println!("`true` on {MANY} nodes; load {}", crate::load());
    let mut own = Figures { cold: vec![api.run(&format!("true{MANY}"))], ..Figures::default() };
    for _ in 0..3 {
        settle();
        own.warm.push(api.run(&format!("true{MANY}")));
    }
    row("Interlock, request to `succeeded`, all recorded", &own);
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    println!("  open files of the server with {MANY} warm nodes {files:>28}");
    println!("  resident memory {:>58.1} MiB\n", server.resident_mib());
}

async fn connect(fleet: &Fleet, count: usize) -> Vec<Session> {
    let one = |address: &String| {
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .config_file(fleet.client("quick"))
            .control_directory(fleet.folder());
        let address = address.clone();
        async move { builder.connect_mux(address).await.unwrap() }
    };
    join_all(fleet.addresses[..count].iter().map(one)).await
}

async fn everywhere(sessions: &[Session]) {
    let one = async |session: &Session| assert!(session.command("true").status().await.unwrap().success());
    join_all(sessions.iter().map(one)).await;
}

/// Beside the times, the processor time of the client's end in a cold round: what is left where nodes are other machines.
fn row(name: &str, figures: &Figures) {
    let shown = |times: &[Duration]| match times.iter().min() {
        Some(best) => format!("{:>6.0} (best {:>5.0}) ms", median(times), best.as_secs_f64() * 1e3),
        None => format!("{:>22}", "-"),
    };
    let client = if figures.client.is_empty() {
        String::new()
    } else {
        format!("   client's end {:>6.0} ms", median(&figures.client))
    };
    println!("{name:<48} cold {}   warm {}{client}", shown(&figures.cold), shown(&figures.warm));
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |t| t.as_secs_f64() * 1e3)
}
