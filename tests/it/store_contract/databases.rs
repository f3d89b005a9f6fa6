//! A fresh database of each kind for every test.
//!
//! PostgreSQL comes from `TEST_DATABASE_URL` if that is set, otherwise from a private cluster that the first test of
//! the process starts. A shell looks after it: when the test process is gone, however that came about, the shell's
//! standard input ends, and it stops the server and removes its folder.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use interlock::store::{Db, Options};

/// A database to test on; gone when dropped.
pub(crate) struct Fresh {
    pub(super) name: &'static str,
    pub(super) db: Db,
    pub(crate) url: String,
    pub(super) folder: tempfile::TempDir,
    postgres: Option<String>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(name) = &self.postgres {
            let mut admin = PgConnection::establish(&server().url("postgres")).unwrap();
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).unwrap();
        }
    }
}

pub(super) fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("interlock.db").display());
    Fresh { name: "sqlite", db: open(&url), url, folder, postgres: None }
}

pub(crate) fn postgres() -> Fresh {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("interlock_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::establish(&server().url("postgres")).unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let url = server().url(&name);
    Fresh { name: "postgres", db: open(&url), url, folder: tempfile::tempdir().unwrap(), postgres: Some(name) }
}

pub(super) fn open(url: &str) -> Db {
    Db::open(url, &Options::default()).unwrap()
}

/// One of each kind. The name says which one a failed assertion is about.
pub(super) fn both() -> [Fresh; 2] {
    [sqlite(), postgres()]
}

struct Server {
    /// With `{}` in place of the database's name.
    pattern: String,
    /// Keeps the cluster up.
    _cluster: Option<Cluster>,
}

impl Server {
    fn url(&self, database: &str) -> String {
        self.pattern.replace("{}", database)
    }
}

#[expect(clippy::disallowed_methods, reason = "the test command, not Interlock, chooses the server to test on")]
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => Server { pattern: with_other_database(&url), _cluster: None },
        Err(_) => {
            let folder = std::env::temp_dir().join(format!("interlock-pg-{}", std::process::id()));
            let cluster = Cluster::start(&folder);
            Server { pattern: cluster.url("{}"), _cluster: Some(cluster) }
        }
    })
}

fn with_other_database(url: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, String::new()), |(b, q)| (b, format!("?{q}")));
    let (scheme, rest) = base.split_once("://").expect("TEST_DATABASE_URL is postgres://…");
    let host = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{host}/{{}}{query}")
}

/// `$1` programs, `$2` folder, `$3…` what to put before a program so that it does not run as root.
const KEEP: &str = r#"
programs=$1 folder=$2
shift 2
[ -d "$folder/data" ] || "$@" "$programs/initdb" -D "$folder/data" --no-sync -A trust -U postgres -E UTF8 --locale=C \
  >"$folder/initdb.log" 2>&1 || exit 1
"$@" "$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c full_page_writes=off \
  -c synchronous_commit=off -c deadlock_timeout=20ms -c max_connections=200 >"$folder/server.log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -INT $server
wait $server
[ -e "$folder/comes-back" ] || rm -rf "$folder"
"#;

/// A PostgreSQL of this process.
pub(crate) struct Cluster {
    folder: PathBuf,
    keeper: Child,
}

impl Cluster {
    /// Starts one in a folder, which goes away with it.
    pub(crate) fn start(folder: &Path) -> Self {
        // Left over from an earlier process of the same number that could not clean up.
        drop(std::fs::remove_dir_all(folder));
        std::fs::create_dir(folder).unwrap();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        Self { folder: folder.to_owned(), keeper: keep(folder) }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        url_in(&self.folder, database)
    }

    /// Stops it, cutting every connection; its data stays until it is started again.
    pub(crate) fn stop(&mut self) {
        let comes_back = self.folder.join("comes-back");
        std::fs::write(&comes_back, "").unwrap();
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
        std::fs::remove_file(comes_back).unwrap();
    }

    /// Ends it as a crash does: nothing is said to anybody, nothing is written any more.
    pub(crate) fn crash(&mut self) {
        let data = self.folder.join("data");
        let first = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let process = first.lines().next().unwrap().to_owned();
        assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
        self.stop();
        // Its other processes notice by themselves; until then nobody else may have the data.
        while std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .any(|p| std::fs::read_link(p.path().join("cwd")).is_ok_and(|cwd| cwd == data))
        {
            std::thread::yield_now();
        }
    }

    /// Starts it again after [`Self::stop`] or [`Self::crash`].
    pub(crate) fn start_again(&mut self) {
        self.keeper = keep(&self.folder);
    }
}

fn url_in(folder: &Path, database: &str) -> String {
    format!("postgres:///{database}?host={}&user=postgres", folder.display())
}

/// Starts the shell and waits until the server answers.
fn keep(folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", KEEP, "keep-postgres"]).arg(binaries()).arg(folder);
    if rustix::process::geteuid().is_root() {
        command.args(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut keeper = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while PgConnection::establish(&url_in(folder, "postgres")).is_err() {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let log = || format!("{}{}", read("initdb.log"), read("server.log"));
        assert!(keeper.try_wait().unwrap().is_none(), "PostgreSQL did not start: {}", log());
        assert!(Instant::now() < deadline, "PostgreSQL did not answer within a minute: {}", log());
        std::thread::yield_now();
    }
    keeper
}

/// The folder of the newest installed PostgreSQL.
fn binaries() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    found.push("/usr/local/bin".into());
    found.push("/usr/bin".into());
    found.retain(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).exists()));
    let first = found.into_iter().next();
    first.unwrap_or_else(|| panic!("PostgreSQL is not installed; set TEST_DATABASE_URL or install its server package"))
}
