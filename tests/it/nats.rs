//! Debian's NATS server with a folder of its own, and somebody who publishes.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::{Client, ConnectOptions};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until it goes out of scope.
pub(crate) struct NatsServer {
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    configuration: PathBuf,
    process: Option<Child>,
}

impl NatsServer {
    /// With streams, and these lines in its configuration; `FOLDER` stands for its folder.
    pub(crate) fn start(more: &str) -> Self {
        Self::start_in(tempfile::Builder::new().prefix("nats").tempdir_in("/tmp").unwrap(), more, true)
    }

    /// Without streams.
    pub(crate) fn without_streams() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "", false)
    }

    /// In a folder that has what its configuration names.
    pub(crate) fn start_in(folder: tempfile::TempDir, more: &str, streams: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = folder.path().join("nats.conf");
        let place = folder.path().to_str().unwrap();
        let streams = if streams { format!("jetstream {{ store_dir: {place}/streams }}\n") } else { String::new() };
        let more = more.replace("FOLDER", place);
        fs::write(&configuration, format!("listen: 127.0.0.1:{port}\n{streams}{more}")).unwrap();
        let mut this = Self { port, folder, configuration, process: None };
        this.run();
        this
    }

    /// Runs it, again after [`NatsServer::kill`].
    pub(crate) fn run(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        command.arg("-c").arg(&self.configuration).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap_or_else(|e| panic!("nats-server: {e}; tests/run installs it")));
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "the NATS server does not answer: {log}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Somebody who publishes, as nobody in particular.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::connect(ConnectOptions::new(), &self.url())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian puts it where only an administrator looks.
fn program() -> &'static str {
    if Path::new("/usr/sbin/nats-server").exists() { "/usr/sbin/nats-server" } else { "nats-server" }
}

/// Somebody who publishes, and looks after streams.
pub(crate) struct Publisher {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Publisher {
    pub(crate) fn connect(options: ConnectOptions, url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(options.connect(url)).unwrap();
        Self { runtime, client }
    }

    fn streams(&self) -> jetstream::Context {
        let _in = self.runtime.enter();
        jetstream::new(self.client.clone())
    }

    /// Makes a stream of these subjects, kept on disk.
    pub(crate) fn stream(&self, name: &str, subjects: &[&str]) {
        let config = jetstream::stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
            max_message_size: -1,
            ..Default::default()
        };
        self.runtime.block_on(self.streams().create_stream(config)).unwrap();
    }

    pub(crate) fn delete_stream(&self, name: &str) {
        self.runtime.block_on(self.streams().delete_stream(name)).unwrap();
    }

    /// Publishes, and waits until the stream has it.
    pub(crate) fn publish(&self, subject: &str, body: impl Into<Vec<u8>>) {
        self.publish_with(subject, &[], body);
    }

    pub(crate) fn publish_with(&self, subject: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
        let mut map = async_nats::HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let body = body.into();
        self.runtime
            .block_on(async {
                self.streams().publish_with_headers(subject.to_owned(), map, body.into()).await.unwrap().await
            })
            .unwrap();
    }

    /// The consumers of a stream, each with what it did not deliver and what it delivered without an acknowledgement.
    pub(crate) fn consumers(&self, stream: &str) -> Vec<(String, u64, usize)> {
        use futures_util::TryStreamExt as _;
        self.runtime.block_on(async {
            let stream = self.streams().get_stream(stream).await.unwrap();
            let all: Vec<_> = stream.consumers().try_collect().await.unwrap();
            all.into_iter().map(|info| (info.name, info.num_pending, info.num_ack_pending)).collect()
        })
    }

    /// Waits until each message of a stream's one consumer is delivered and acknowledged.
    #[track_caller]
    pub(crate) fn until_acknowledged(&self, stream: &str) {
        let began = Instant::now();
        loop {
            let now = self.consumers(stream);
            if now.len() == 1 && (now[0].1, now[0].2) == (0, 0) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{now:?}");
        }
    }

    pub(crate) fn delete_consumer(&self, stream: &str, name: &str) {
        let done = self.runtime.block_on(self.streams().delete_consumer_from_stream(name, stream));
        done.unwrap();
    }

    /// Makes a durable consumer by hand.
    pub(crate) fn consumer(&self, stream: &str, config: pull::Config) {
        self.runtime.block_on(self.streams().create_consumer_on_stream(config, stream)).unwrap();
    }
}
