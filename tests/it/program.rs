//! The program itself, as people start it: a data folder of its own, its output and exit codes, and a server that is
//! stopped when it goes out of scope.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

/// A data folder, and a folder of definitions beside it.
pub(crate) struct Install {
    folder: tempfile::TempDir,
    /// Where the database is, if not in the data folder.
    database: Option<String>,
}

impl Install {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap(), database: None }
    }

    /// With its database elsewhere.
    pub(crate) fn on(database: &str) -> Self {
        Self { database: Some(database.to_owned()), ..Self::new() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        command.arg("--data").arg(self.data()).args(arguments);
        if let Some(url) = &self.database {
            command.args(["--database", url]);
        }
        command.env_remove("INTERLOCK_TOKEN").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join("ops").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// What it printed, if it ended with this code.
#[track_caller]
pub(crate) fn ends(output: &Output, code: i32) -> (String, String) {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

/// A server, stopped when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    said: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(install: &Install) -> Self {
        Self::start_with(install, &[])
    }

    /// With more variables in its environment.
    pub(crate) fn start_with(install: &Install, variables: &[(&str, &str)]) -> Self {
        let mut command = install.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// That carries runs out and has no address.
    pub(crate) fn worker(install: &Install) -> Self {
        Self::until_it_says(install.command(&["serve", "--role", "worker"]), "Interlock carries runs out")
    }

    /// By this command.
    pub(crate) fn spawn(command: Command) -> Self {
        Self::until_it_says(command, "Interlock listens on ")
    }

    /// Starts it; what follows these words is its address.
    fn until_it_says(mut command: Command, words: &str) -> Self {
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, address: String::new(), said };
        let mut all = String::new();
        while server.address.is_empty() {
            let mut line = String::new();
            assert!(server.said.read_line(&mut line).unwrap() > 0, "the server ended: {all}");
            if let Some(address) = line.trim().strip_prefix(words) {
                address.clone_into(&mut server.address);
                return server;
            }
            all.push_str(&line);
        }
        server
    }

    /// Asks the server to stop and takes its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        while self.said.read_line(&mut rest).unwrap() > 0 {}
        self.process.wait().unwrap().code()
    }
}

impl Server {
    /// Waits until the process ends by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), signal).unwrap();
    }

    /// Ends the process at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
