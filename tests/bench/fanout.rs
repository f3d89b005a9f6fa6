//! `true` on many nodes at once, cold and warm: through the whole product, over the bare SSH crate, and by others.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openssh::{KnownHosts, Session, SessionBuilder};

use crate::api::Api;
use crate::fleet::Fleet;
use crate::peers::{self, Figures};
use crate::server::{Server, command};
use crate::settle;

const SIZES: [usize; 2] = [50, 100];
const COLD: usize = 3;
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
        let job = format!("true{size}");
        let mut own = cold(fleet, &mut server, &mut api, &job);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut bare = Figures::default();
        let mut sessions = Vec::new();
        for _ in 0..COLD {
            runtime.block_on(close(std::mem::take(&mut sessions)));
            let round = || {
                let began = Instant::now();
                sessions = runtime.block_on(connect(fleet, size));
                runtime.block_on(everywhere(&sessions));
                Ok::<_, Infallible>(began.elapsed())
            };
            let Ok(()) = bare.cold_round(fleet, round);
        }
        let mut busy = Duration::ZERO;
        // In turn, so that whatever else the machine does slows both.
        let mut in_turn = |server: &Server, api: &Api, own: &mut Figures, bare: &mut Figures| {
            for _ in 0..WARM {
                settle();
                let before = server.cpu();
                own.warm.push(api.run(&job));
                busy += server.cpu() - before;
                settle();
                let began = Instant::now();
                runtime.block_on(everywhere(&sessions));
                bare.warm.push(began.elapsed());
            }
        };
        in_turn(&server, &api, &mut own, &mut bare);
        let (mut own_in_memory, mut bare_beside) = (Figures::default(), Figures::default());
        let in_memory = fleet.in_memory();
        if in_memory.is_ok() {
            own_in_memory = cold(fleet, &mut server, &mut api, &job);
            in_turn(&server, &api, &mut own_in_memory, &mut bare_beside);
        }
        drop(in_memory);
        runtime.block_on(close(sessions));
        row("Interlock, request to `succeeded`, all recorded", &own);
        println!(
            "  processor time of the server in a warm run {:>31.1} ms",
            busy.as_secs_f64() * 1e3 / (2 * WARM) as f64
        );
        let mut hurried = Figures::default();
        for _ in 0..WARM {
            hurried.warm.push(api.run(&job));
        }
        row("  one run right after the other", &hurried);
        row("bare loop over the openssh crate, native-mux", &bare);
        println!("  warm, beside the bare loop {:>47.1} times", median(&own.warm) / median(&bare.warm));
        if !own_in_memory.warm.is_empty() {
            row("Interlock, the nodes' homes in memory", &own_in_memory);
            row("bare loop beside that", &bare_beside);
            let times = median(&own_in_memory.warm) / median(&bare_beside.warm);
            println!("  warm, beside the bare loop {times:>47.1} times");
        }
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

/// Runs of servers that have just been started and know no connection.
fn cold(fleet: &Fleet, server: &mut Server, api: &mut Api, job: &str) -> Figures {
    let mut figures = Figures::default();
    for _ in 0..COLD {
        server.restart();
        api.reopen(server);
        let Ok(()) = figures.cold_round(fleet, || Ok::<_, Infallible>(api.run(job)));
    }
    figures
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

async fn close(sessions: Vec<Session>) {
    join_all(sessions.into_iter().map(Session::close)).await;
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
