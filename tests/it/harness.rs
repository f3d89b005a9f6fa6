//! A whole Interlock for tests: a data folder of its own, definitions from memory, people, an engine that is stepped by
//! hand, and a server on a free port. Nothing here waits for a time to pass: tests step until nothing is left to do.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use interlock::app::clock::Clock;
use interlock::app::planning::RunRequest;
use interlock::app::runs::{RunFilter, RunView};
use interlock::app::wakes::Sharing;
use interlock::app::{App, Settings};
use interlock::domain::access::{Actor, Permission, Principal, Via};
use interlock::domain::ids::{GroupName, JobRef, KeyPath, ProjectName, RunNumber, UserName};
use interlock::domain::option::{RawValue, RawValues};
use interlock::domain::plan::Origin;
use interlock::domain::run::State;
use interlock::domain::secret::SecretText;
use interlock::domain::time::{Seconds, Timestamp};
use interlock::engine::{Engine, Executors};
use interlock::enrich::Asker;
use interlock::exec::fake::FakeExecutor;
use interlock::exec::ssh::{KeyExchange, SshExecutor};
use interlock::feed::{Feed, JournalAt, Machine};
use interlock::store::secrets::SecretKind;
use interlock::store::{Db, Options, RootKey};
use tokio::sync::watch;

use crate::client::Client;
use crate::store_contract::databases::{Fresh, postgres};

/// Where a test's data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Sqlite,
    Postgres,
}

/// Makes a test on each database of a function that takes a [`Base`].
macro_rules! on_both_databases {
    ($($name:ident)+) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(crate::harness::Base::Sqlite); })+
        }
        mod on_postgres {
            $(#[test] fn $name() { super::$name(crate::harness::Base::Postgres); })+
        }
    };
}
pub(crate) use on_both_databases;

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The root key of every test.
pub(crate) const ROOT_KEY: [u8; 32] = [7; 32];

/// How steps are carried out.
enum Hands {
    Fake(FakeExecutor),
    Ssh(Arc<SshExecutor>),
}

/// The database that a test works on, kept as long as the test needs it.
#[derive(Clone)]
enum Database {
    /// The usual file in the data folder.
    File,
    /// A PostgreSQL database of the test's own.
    Fresh(Arc<Fresh>),
    /// One that the test looks after itself.
    Elsewhere(String),
}

impl Database {
    fn new(base: Base) -> Self {
        match base {
            Base::Sqlite => Self::File,
            Base::Postgres => Self::Fresh(Arc::new(postgres())),
        }
    }

    fn url(&self, data: &Path) -> String {
        match self {
            Self::File => data.join("interlock.db").display().to_string(),
            Self::Fresh(fresh) => fresh.url.clone(),
            Self::Elsewhere(url) => url.clone(),
        }
    }
}

/// A running Interlock.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Clock,
    engine: Engine,
    hands: Hands,
    server: Option<(ServerHandle, std::thread::JoinHandle<()>)>,
    address: String,
    data: Arc<tempfile::TempDir>,
    base: Database,
    runtime: Arc<tokio::runtime::Runtime>,
    /// Whether the test means to leave work behind.
    pub(crate) leaves_work: bool,
}

/// A moment to start manual clocks at.
pub(crate) fn noon() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

impl TestApp {
    /// With scripted steps and a clock that is moved by hand.
    pub(crate) fn fake() -> Self {
        Self::fake_on(Base::Sqlite)
    }

    /// As [`TestApp::fake`], on either database.
    pub(crate) fn fake_on(base: Base) -> Self {
        Self::fake_in(fresh_folder(), base)
    }

    /// As [`TestApp::fake`], in a data folder that is there.
    pub(crate) fn fake_in(data: Arc<tempfile::TempDir>, base: Base) -> Self {
        Self::with(Clock::manual(noon()), Hands::Fake(FakeExecutor::new()), data, Database::new(base))
    }

    /// As [`TestApp::fake`], on a database that the test looks after.
    pub(crate) fn fake_at_url(url: &str) -> Self {
        let (hands, base) = (Hands::Fake(FakeExecutor::new()), Database::Elsewhere(url.to_owned()));
        Self::with(Clock::manual(noon()), hands, fresh_folder(), base)
    }

    /// Another server on the same database and data folder, at the same time, with steps of its own.
    pub(crate) fn beside(&self) -> Self {
        let hands = Hands::Fake(FakeExecutor::new());
        Self::with(self.clock.clone(), hands, Arc::clone(&self.data), self.base.clone())
    }

    /// With scripted steps, at a given time.
    pub(crate) fn fake_at(at: Timestamp) -> Self {
        Self::with(Clock::manual(at), Hands::Fake(FakeExecutor::new()), fresh_folder(), Database::File)
    }

    /// With real nodes and the real time.
    pub(crate) fn ssh() -> Self {
        Self::ssh_on(Base::Sqlite)
    }

    /// As [`TestApp::ssh`], on either database.
    pub(crate) fn ssh_on(base: Base) -> Self {
        let data = fresh_folder();
        let ssh = SshExecutor::new(&data.path().join("ssh"), KeyExchange::Quick).unwrap();
        Self::with(Clock::System, Hands::Ssh(Arc::new(ssh)), data, Database::new(base))
    }

    fn with(clock: Clock, hands: Hands, data: Arc<tempfile::TempDir>, base: Database) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let runtime = Arc::new(runtime);
        let settings = Settings {
            data: data.path().to_owned(),
            public_url: "http://127.0.0.1".to_owned(),
            server: "test-server".to_owned(),
            is_gone: |_| false,
        };
        let db = Db::open(&base.url(data.path()), &Options::default()).unwrap();
        let opened = runtime.block_on(App::open(db, &RootKey::new(ROOT_KEY), clock.clone(), settings)).unwrap();
        let app = Arc::new(opened);
        let executors = match &hands {
            Hands::Fake(fake) => Executors { ssh: Arc::new(fake.clone()), local: Arc::new(fake.clone()) },
            Hands::Ssh(ssh) => Executors { ssh: Arc::clone(ssh) as _, local: Arc::clone(ssh) as _ },
        };
        let logs = data.path().join("logs");
        let machine = Machine { id: "this-machine".to_owned(), host: "web1".to_owned() };
        let journal = JournalAt::Folder(data.path().join("journal"));
        let feed = Feed::new(true, &[logs], machine).with_journal(Some(journal));
        let programs = data.path().join("programs");
        let engine = Engine::new(Arc::clone(&app), executors).watching(feed).asking(Asker::new(true, &[programs]));
        let (server, address) = serve(&app);
        Self { app, clock, engine, hands, server: Some(server), address, data, base, runtime, leaves_work: false }
    }

    /// Ends this server and starts another one on the same folder, at the same time.
    pub(crate) fn restart(mut self) -> Self {
        self.leaves_work = true;
        let (data, clock, base) = (Arc::clone(&self.data), self.clock.clone(), self.base.clone());
        let hands = match &self.hands {
            Hands::Fake(fake) => Hands::Fake(fake.clone()),
            Hands::Ssh(ssh) => Hands::Ssh(Arc::clone(ssh)),
        };
        drop(self);
        Self::with(clock, hands, data, base)
    }

    /// Waits for a use case.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The scripted executor.
    pub(crate) fn steps(&self) -> &FakeExecutor {
        match &self.hands {
            Hands::Fake(fake) => fake,
            Hands::Ssh(_) => panic!("this test runs on real nodes"),
        }
    }

    /// Where the data lies.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The address of its database.
    pub(crate) fn database(&self) -> String {
        self.base.url(self.data())
    }

    /// Changes the SQLite database behind Interlock's back.
    pub(crate) fn sql(&self, statements: &str) {
        use diesel::Connection;
        use diesel::connection::SimpleConnection;
        let mut database = diesel::SqliteConnection::establish(&self.database()).unwrap();
        database.batch_execute(&format!("PRAGMA busy_timeout = 10000; {statements}")).unwrap();
    }

    /// Two columns of text from the SQLite database.
    pub(crate) fn sql_rows(&self, query: &str) -> Vec<(String, String)> {
        use diesel::prelude::*;
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            first: String,
            #[diesel(sql_type = diesel::sql_types::Text)]
            second: String,
        }
        let mut database = diesel::SqliteConnection::establish(&self.database()).unwrap();
        let query = format!("WITH found(first, second) AS ({query}) SELECT first, second FROM found");
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut database).unwrap();
        rows.into_iter().map(|row| (row.first, row.second)).collect()
    }

    /// Brings a project in.
    pub(crate) fn load(&self, project: &str, files: &[(&str, &str)]) {
        self.try_load(project, files).unwrap();
    }

    /// Brings a project in, or says what is wrong with it.
    pub(crate) fn try_load(
        &self,
        project: &str,
        files: &[(&str, &str)],
    ) -> Result<(), interlock::app::error::AppError> {
        let files: Vec<(String, Vec<u8>)> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        self.wait(self.app.apply(&operator(), &project_name(project), &files, "test", "test")).map(|_| ())
    }

    /// Adds a person.
    pub(crate) fn person(&self, name: &str) {
        self.person_in(name, &[]);
    }

    /// Adds a person in groups.
    pub(crate) fn person_in(&self, name: &str, groups: &[&str]) {
        let groups: BTreeSet<GroupName> = groups.iter().map(|g| GroupName::parse(g).unwrap()).collect();
        let password = SecretText::new(PASSWORD.to_owned());
        self.wait(self.app.add_user(&operator(), user(name), groups, false, password, "test")).unwrap();
    }

    /// Adds somebody who administers the installation.
    pub(crate) fn administrator(&self, name: &str) {
        let password = SecretText::new(PASSWORD.to_owned());
        self.wait(self.app.add_user(&operator(), user(name), BTreeSet::new(), true, password, "test")).unwrap();
    }

    /// Puts a secret into the key store.
    pub(crate) fn key(&self, path: &str, value: &str) {
        self.key_of(path, SecretKind::Secret, value);
    }

    /// Puts a key of a kind into the key store.
    pub(crate) fn key_of(&self, path: &str, kind: SecretKind, value: &str) {
        let (path, value) = (KeyPath::parse(path).unwrap(), SecretText::new(value.to_owned()));
        self.wait(self.app.put_key(&operator(), path, kind, value, "test")).unwrap();
    }

    /// Makes a token; its text and its id.
    pub(crate) fn token(&self, owner: Principal, scopes: Option<&[Permission]>) -> (String, String) {
        let scopes = scopes.map(|s| s.iter().copied().collect());
        let life = Seconds::new(3_600);
        let (text, view) = self.wait(self.app.create_token(&operator(), owner, "test", scopes, life, "test")).unwrap();
        (text.expose().to_owned(), view.id)
    }

    /// Somebody who has not signed in.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(&self.address)
    }

    /// Somebody with a token.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        Client::new(&self.address).with("authorization", &format!("Bearer {token}"))
    }

    /// Somebody who has just signed in.
    pub(crate) fn signed_in(&self, name: &str) -> Client {
        Client::new(&self.address).sign_in(name, PASSWORD)
    }

    /// A person as use cases see them, with a fresh session.
    pub(crate) fn actor(&self, name: &str) -> Actor {
        Actor {
            principal: Principal::User(user(name)),
            groups: BTreeSet::new(),
            via: Via::Session { authenticated_at: self.clock.now() },
            administrator: false,
        }
    }

    /// Asks for a run as a person.
    pub(crate) fn ask(
        &self,
        who: &str,
        project: &str,
        job: &str,
        options: &[(&str, &str)],
    ) -> Result<RunView, interlock::app::error::AppError> {
        let values: RawValues =
            options.iter().map(|(name, value)| ((*name).to_owned(), RawValue::Text((*value).to_owned()))).collect();
        let request = RunRequest {
            project: project_name(project),
            job: JobRef::parse(job).unwrap(),
            values,
            reason: "because a test asks".to_owned(),
            nodes: None,
            node_filter: None,
            start_at: None,
            origin: Origin::Api,
            dry_run: false,
        };
        self.wait(self.app.request_run(&self.actor(who), request, "test"))
    }

    /// The state of a run.
    pub(crate) fn state(&self, run: RunNumber) -> State {
        self.wait(self.app.state_of(run)).unwrap()
    }

    /// The run as the operator sees it.
    pub(crate) fn run(&self, run: RunNumber) -> interlock::app::runs::RunDetail {
        self.wait(self.app.run(&operator(), run)).unwrap()
    }

    /// Lets this server hear others on its database, and them hear it.
    pub(crate) fn shares(&self) -> Sharing {
        self.wait(async { self.app.share_wakes() }).unwrap().unwrap()
    }

    /// Lets the engine run by itself, looking so often when it hears nothing, until it is stopped.
    pub(crate) fn works(&self, look: Duration) -> Works {
        let fake = self.steps();
        let executors = Executors { ssh: Arc::new(fake.clone()), local: Arc::new(fake.clone()) };
        let engine = Arc::new(Engine::new(Arc::clone(&self.app), executors).looking_every(look));
        let (stop, stopping) = watch::channel(false);
        let loops = self.runtime.spawn(Arc::clone(&engine).run(stopping));
        Works { engine, stop, loops, runtime: Arc::clone(&self.runtime) }
    }

    /// Lets the engine look for work once.
    pub(crate) fn step(&self) -> usize {
        self.wait(self.engine.step()).unwrap()
    }

    /// Fetches what sources watch and what is due now, once. How many events that made.
    pub(crate) fn watch(&self) -> usize {
        self.wait(self.engine.watch()).unwrap()
    }

    /// Lets rules look, asks outside about what waits for labels, and lets rules look again. How many events waited.
    pub(crate) fn label(&self) -> usize {
        self.settle();
        let waited = self.wait(self.engine.label()).unwrap();
        self.settle();
        waited
    }

    /// The folder below which sources may read.
    pub(crate) fn logs(&self) -> std::path::PathBuf {
        let logs = self.data.path().join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        logs
    }

    /// The folder of the journal that sources may read.
    pub(crate) fn journal(&self) -> std::path::PathBuf {
        let journal = self.data.path().join("journal");
        std::fs::create_dir_all(&journal).unwrap();
        journal
    }

    /// Steps until nothing is left to do.
    pub(crate) fn settle(&self) {
        loop {
            let done = self.step();
            self.wait(self.engine.settle());
            if done == 0 {
                return;
            }
        }
    }

    /// Waits until so many steps were started in all.
    pub(crate) fn until_started(&self, count: usize) {
        self.wait(self.steps().started(count));
    }

    /// Every action on the record, oldest first, as `actor action resource`.
    pub(crate) fn record(&self) -> Vec<interlock::domain::audit::Entry> {
        let filter = interlock::app::audit::Filter::default();
        let mut before = None;
        let mut all = Vec::new();
        loop {
            let page = self.wait(self.app.audit(&operator(), filter.clone(), before, 200)).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            all.extend(page);
        }
        all.reverse();
        all
    }

    /// Runs in one of these states.
    pub(crate) fn runs_in(&self, states: &[State]) -> Vec<RunView> {
        let filter = RunFilter { states: states.to_vec(), limit: 200, ..RunFilter::default() };
        self.wait(self.app.runs(&operator(), filter)).unwrap().runs
    }
}

/// An engine that runs by itself.
pub(crate) struct Works {
    engine: Arc<Engine>,
    stop: watch::Sender<bool>,
    loops: tokio::task::JoinHandle<()>,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl Works {
    /// Waits until everything that was begun has ended.
    pub(crate) fn stop(self) {
        self.stop.send_replace(true);
        self.runtime.block_on(async {
            self.loops.await.unwrap();
            self.engine.settle().await;
        });
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.server.take() {
            self.runtime.block_on(handle.stop(false));
            let _ = thread.join();
        }
        if let Hands::Ssh(ssh) = &self.hands {
            self.runtime.block_on(ssh.close());
        }
        if self.leaves_work || std::thread::panicking() {
            return;
        }
        let left = self.runs_in(&[State::Queued, State::Running, State::Canceling]);
        let left: Vec<String> = left.iter().map(|r| format!("#{} {} is {}", r.number, r.job, r.state)).collect();
        assert!(left.is_empty(), "the test left work behind: {}", left.join(", "));
    }
}

fn fresh_folder() -> Arc<tempfile::TempDir> {
    // Control sockets lie below it, and their path has to be short.
    Arc::new(tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap())
}

fn serve(app: &Arc<App>) -> ((ServerHandle, std::thread::JoinHandle<()>), String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    let app = Arc::clone(app);
    let thread = std::thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let server = interlock::web::server::build(app, listener, 2).unwrap();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    ((receiver.recv().unwrap(), thread), address)
}

/// Who works on the data folder.
pub(crate) fn operator() -> Actor {
    Actor {
        principal: Principal::Operator("test".to_owned()),
        groups: BTreeSet::new(),
        via: Via::CommandLine,
        administrator: false,
    }
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn project_name(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}
