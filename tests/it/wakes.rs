//! Servers on one PostgreSQL wake each other: one only answers, the other only carries runs out, and it looks for work by
//! itself so rarely that without being woken these tests would not end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use interlock::app::wakes::Sharing;
use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;
use interlock::exec::StepOutcome;
use interlock::exec::fake::{End, Script};
use tokio::sync::{Notify, broadcast};

use crate::harness::{TestApp, Works};
use crate::store_contract::databases::{Fresh, postgres};

const NEVER: Duration = Duration::from_secs(24 * 3_600);

const ACCESS: &str = "roles: {all: [{allow: [view, run, cancel], on: '**'}]}\nmembers: {all: ['user:eve']}\n";

/// Two servers; the first answers, the second works.
struct Pair {
    web: TestApp,
    worker: TestApp,
    fresh: Fresh,
}

impl Pair {
    fn new() -> Self {
        let fresh = postgres();
        let web = TestApp::fake_at_url(&fresh.url);
        let worker = web.beside();
        web.load(
            "ops",
            &[
                ("access.yaml", ACCESS),
                ("nodes.yaml", "n1: {hostname: 192.0.2.1}\n"),
                ("jobs/a.yaml", "name: a\nnodes: {filter: '.*'}\nsteps: [{name: one, run: 'true'}]\n"),
            ],
        );
        web.person("eve");
        Self { web, worker, fresh }
    }

    /// Lets both hear each other.
    fn share(&self) -> [Sharing; 2] {
        let sharing = [self.web.shares(), self.worker.shares()];
        self.listeners(2, &[]);
        sharing
    }

    fn works(&self, look: Duration) -> Works {
        self.worker.works(look)
    }

    fn ask(&self) -> RunNumber {
        self.web.ask("eve", "ops", "a", &[]).unwrap().number
    }

    #[track_caller]
    fn until(&self, run: RunNumber, state: State) {
        patiently(&format!("run {run} is not {state}"), || self.web.state(run) == state);
    }

    /// Waits until so many listen, none of them one of these; their process ids on the database server.
    #[track_caller]
    fn listeners(&self, count: usize, but: &[i32]) -> Vec<i32> {
        let mut database = PgConnection::establish(&self.fresh.url).unwrap();
        let mut found = Vec::new();
        patiently(&format!("{count} do not listen"), || {
            found = listening(&mut database);
            found.len() == count && but.iter().all(|pid| !found.contains(pid))
        });
        found
    }
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pid: i32,
}

fn listening(database: &mut PgConnection) -> Vec<i32> {
    let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'interlock listens' AND state = 'idle'";
    let found: Vec<Backend> = diesel::sql_query(query).load(database).unwrap();
    found.into_iter().map(|backend| backend.pid).collect()
}

#[track_caller]
fn patiently(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} after a minute");
        std::thread::yield_now();
    }
}

/// Waits until a signal about this run comes.
fn hears(test: &TestApp, signals: &mut broadcast::Receiver<RunNumber>, run: RunNumber) {
    let heard = test.wait(async {
        let until_it_comes = async { while signals.recv().await != Ok(run) {} };
        tokio::time::timeout(Duration::from_secs(60), until_it_comes).await
    });
    assert!(heard.is_ok(), "nothing was heard of run {run}");
}

#[test]
fn a_run_that_is_asked_for_at_one_server_starts_at_another_at_once() {
    let pair = Pair::new();
    let (_sharing, works) = (pair.share(), pair.works(NEVER));
    for _ in 0..5 {
        let run = pair.ask();
        pair.until(run, State::Succeeded);
    }
    works.stop();
}

#[test]
fn a_cancel_reaches_the_server_that_carries_the_run_out() {
    let pair = Pair::new();
    let (_sharing, works) = (pair.share(), pair.works(NEVER));
    pair.worker.steps().script("n1", "one", Script::hangs());
    let run = pair.ask();
    pair.worker.until_started(1);
    let mut cancels = pair.worker.app.live.cancels();
    pair.web.wait(pair.web.app.cancel_run(&pair.web.actor("eve"), run, "test")).unwrap();
    hears(&pair.worker, &mut cancels, run);
    pair.until(run, State::Canceled);
    works.stop();
}

#[test]
fn a_page_follows_a_run_of_another_server() {
    let pair = Pair::new();
    let (_sharing, works) = (pair.share(), pair.works(NEVER));
    let release = Arc::new(Notify::new());
    let ends = End::OnRelease(Arc::clone(&release), StepOutcome::Exited(0));
    pair.worker.steps().script("n1", "one", Script { end: ends, ..Script::exits(0).says("from the other server\n") });
    let mut changes = pair.web.app.live.runs();
    let run = pair.ask();
    // The web server's own signal of the new run, then those of the worker.
    hears(&pair.web, &mut changes, run);
    pair.worker.until_started(1);
    let eve = pair.web.signed_in("eve");
    let page = std::thread::spawn(move || eve.get(&format!("/runs/{run}/stream")).expect(200).text());
    hears(&pair.web, &mut changes, run);
    release.notify_one();
    let followed = page.join().unwrap();
    assert!(followed.contains("from the other server"), "{followed}");
    assert!(followed.contains("event: end\ndata: succeeded"), "{followed}");
    works.stop();
}

#[test]
fn what_is_not_heard_is_found_by_looking_and_the_listener_comes_back() {
    let pair = Pair::new();
    let works = pair.works(Duration::from_millis(50));
    let alone = pair.ask();
    pair.until(alone, State::Succeeded);

    let _sharing = pair.share();
    let mut database = PgConnection::establish(&pair.fresh.url).unwrap();
    let before = listening(&mut database);
    for pid in &before {
        diesel::sql_query(format!("SELECT pg_terminate_backend({pid})")).execute(&mut database).unwrap();
    }
    let unheard = pair.ask();
    pair.until(unheard, State::Succeeded);

    pair.listeners(2, &before);
    let mut cancels = pair.worker.app.live.cancels();
    let any = RunNumber::new(4_711);
    pair.web.app.live.cancel_asked(any);
    hears(&pair.worker, &mut cancels, any);
    works.stop();
}

#[test]
fn what_a_server_tells_does_not_come_back_to_it() {
    let pair = Pair::new();
    let _sharing = pair.share();
    let (mut own, mut other) = (pair.web.app.live.cancels(), pair.worker.app.live.cancels());
    let (first, second) = (RunNumber::new(1), RunNumber::new(2));
    pair.web.app.live.cancel_asked(first);
    hears(&pair.worker, &mut other, first);
    pair.worker.app.live.cancel_asked(second);
    // Once from itself, and then the next thing is what the other one told.
    assert_eq!(pair.web.wait(own.recv()), Ok(first));
    assert_eq!(pair.web.wait(own.recv()), Ok(second));
}

#[test]
fn one_file_has_no_one_to_wake() {
    let test = TestApp::fake();
    assert!(test.wait(async { test.app.share_wakes() }).unwrap().is_none());
}
