//! `interlock serve`: the server with its loops.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::limits::{self, OpenFiles};
use super::{Done, Failure, Global, apply, enrichers, folder, notify, out, sources, start};
use crate::app::App;
use crate::engine::Engine;
use crate::enrich::Asker;
use crate::exec::ssh::KeyExchange;
use crate::feed::Feed;
use crate::notify::Courier;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4440", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The address that people use, when a proxy stands before this one [default: http://ADDRESS:PORT]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Definitions to bring in at the first start [default: ./jobs, where no project is there yet]
    #[arg(long, value_name = "DIR")]
    jobs: Option<PathBuf>,
    /// What this server does: answer people and programs, carry runs out, or both
    #[arg(long, value_enum, default_value = "all")]
    role: Role,
    #[command(flatten)]
    notify: notify::Options,
    #[command(flatten)]
    sources: sources::Options,
    #[command(flatten)]
    enrichers: enrichers::Options,
}

/// The ways to the outside that loops need.
pub(super) struct Outside {
    courier: Courier,
    feed: Feed,
    asker: Asker,
    key_exchange: KeyExchange,
}

impl Outside {
    fn equip(self, engine: Engine) -> Engine {
        engine.telling(self.courier).watching(self.feed).asking(self.asker)
    }
}

/// What a server does, where several share a database and a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Role {
    /// Pages and API; runs are carried out elsewhere
    Web,
    /// Runs and everything that time does; no address
    Worker,
    /// Both
    All,
}

/// What becomes of runs that are under way when the server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// They go on on their nodes, and the next server goes on with them.
    GoOn,
    /// They end first.
    EndFirst,
}

pub(super) fn run(global: Global, options: Options) -> Done {
    crate::telemetry::start("info,async_nats=warn");
    #[cfg(debug_assertions)]
    super::die::when_told();
    let outside = Outside {
        courier: options.notify.courier()?,
        feed: options.sources.feed()?,
        asker: options.enrichers.asker()?,
        key_exchange: global.ssh.key_exchange(),
    };
    block_on(async move {
        if options.role == Role::Worker {
            let app = start::app(&global, options.public_url.as_deref().unwrap_or("http://127.0.0.1:4440")).await?;
            notify::install(&app, &outside.courier);
            out::line("Interlock carries runs out; it listens nowhere");
            let _sharing = app.share_wakes()?;
            return work(app, outside, Stops::listen()).await;
        }
        let listener = listen(&options.listen)?;
        let address = listener.local_addr().map_err(|e| Failure::Broken(e.to_string()))?;
        let public_url = options.public_url.unwrap_or_else(|| format!("http://{address}"));
        let app = start::app(&global, &public_url).await?;
        notify::install(&app, &outside.courier);
        match &options.jobs {
            Some(dir) => first_definitions(&app, dir).await?,
            None => example_definitions(&app).await?,
        }
        if let Some(link) = app.setup_link().await? {
            out::line(&format!(
                "No administrator yet. Open this link once, within a day, to create the first one:\n  {link}"
            ));
        }
        let _sharing = app.share_wakes()?;
        // Whoever reads the next line may ask the server to stop.
        let stops = Stops::listen();
        out::line(&format!("Interlock listens on {public_url}"));
        if options.role == Role::Web {
            return answer(app, listener, stops).await.map(drop);
        }
        serve(app, listener, Some(outside), stops, Leaving::GoOn).await
    })
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Runs what serves, on as many threads as there are processors.
pub(super) fn block_on(work: impl Future<Output = Done>) -> Done {
    actix_rt::System::with_tokio_rt(|| {
        #[expect(
            clippy::expect_used,
            reason = "without threads there is nothing to serve with, and no one to tell but the terminal"
        )]
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads())
            .enable_all()
            .build()
            .expect("threads can be started")
    })
    .block_on(work)
}

/// Binds the address, with a sentence for what usually goes wrong.
pub(super) fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Failure::Broken(format!(
            "{address} is in use by another program; stop it, or choose another address with `--listen 127.0.0.1:PORT`"
        )),
        std::io::ErrorKind::PermissionDenied => Failure::Broken(format!(
            "this account may not listen on {address}; take a port above 1023 and put a proxy before it"
        )),
        _ => Failure::Broken(format!("{address} cannot be listened on: {e}")),
    })
}

/// Answers and carries runs out until the process is told to stop.
pub(super) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    outside: Option<Outside>,
    stops: Stops,
    leaving: Leaving,
) -> Done {
    let limit = OpenFiles::raise();
    let wanted = limits::widest(&*app.catalogue().await?);
    if limit.nodes() < wanted {
        out::warn(&format!(
            "a job runs on {wanted} nodes at once, but the limit of {} open files is enough for {}; {}",
            limit.now,
            limit.nodes(),
            limits::RAISE
        ));
    }
    let key_exchange = outside.as_ref().map(|o| o.key_exchange).unwrap_or_default();
    let (executors, ssh) = start::executors(&app, key_exchange)?;
    let engine = Engine::new(Arc::clone(&app), executors);
    let engine = Arc::new(match outside {
        Some(outside) => outside.equip(engine),
        None => engine,
    });
    let (stop, stopping) = watch::channel(false);
    let loops = tokio::spawn(Arc::clone(&engine).run(stopping));
    let ended = answer(app, listener, stops).await;
    stop.send_replace(true);
    // The loops end at once; what they started may take its time.
    let _ = loops.await;
    let (ended, again) = match ended {
        Ok(stops) => (Ok(()), Some(stops)),
        Err(failure) => (Err(failure), None),
    };
    leave(&engine, leaving, again).await;
    ssh.close().await;
    ended
}

/// Answers until the process is told to stop; the signals, for another one.
async fn answer(app: Arc<App>, listener: TcpListener, mut stops: Stops) -> Result<Stops, Failure> {
    super::reach::install(&app);
    let server = crate::web::server::build(app, listener, threads().clamp(1, 8))
        .map_err(|e| Failure::Broken(format!("the web server could not start: {e}")))?;
    let handle = server.handle();
    let signals = tokio::spawn(async move {
        stops.told().await;
        out::note("stopping");
        handle.stop(true).await;
        stops
    });
    let broken = |e: &dyn std::fmt::Display| Failure::Broken(format!("the web server broke off: {e}"));
    server.await.map_err(|e| broken(&e))?;
    signals.await.map_err(|e| broken(&e))
}

/// Carries runs out until the process is told to stop.
async fn work(app: Arc<App>, outside: Outside, mut stops: Stops) -> Done {
    let (executors, ssh) = start::executors(&app, outside.key_exchange)?;
    let engine = Arc::new(outside.equip(Engine::new(Arc::clone(&app), executors)));
    let (stop, stopping) = watch::channel(false);
    let loops = tokio::spawn(Arc::clone(&engine).run(stopping));
    stops.told().await;
    stop.send_replace(true);
    let _ = loops.await;
    leave(&engine, Leaving::GoOn, Some(stops)).await;
    ssh.close().await;
    Ok(())
}

async fn leave(engine: &Engine, leaving: Leaving, again: Option<Stops>) {
    if engine.under_way() == 0 {
        return;
    }
    if leaving == Leaving::GoOn {
        out::note("what runs on the nodes goes on there; the next server goes on with it");
        engine.let_go().await;
        return;
    }
    out::note("runs that are under way end first (once more to leave at once)");
    tokio::select! {
        () = engine.settle() => {}
        () = once_more(again) => out::warn("left while runs were under way; what runs on the nodes goes on there"),
    }
}

/// The signals to stop, heard from the moment that this is made.
pub(super) struct Stops(Vec<Signal>);

impl Stops {
    /// Begins to listen. Where the system gives no handler, its own default ends the process.
    pub(super) fn listen() -> Self {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    /// Waits for the next signal.
    async fn told(&mut self) {
        if self.0.is_empty() {
            std::future::pending::<()>().await;
        }
        let all = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(all).await;
    }
}

async fn once_more(stops: Option<Stops>) {
    match stops {
        Some(mut stops) => stops.told().await,
        None => std::future::pending().await,
    }
}

/// Where the example project lies, seen from the top of the repository.
const EXAMPLE: &str = "jobs";

/// At the very first start, brings in the folder `jobs` of the working directory if there is one, so that there is
/// something to look at. What is wrong with it keeps nobody from starting: nobody asked for it.
async fn example_definitions(app: &App) -> Done {
    let dir = Path::new(EXAMPLE);
    if !dir.is_dir() || !app.catalogue().await?.projects.is_empty() {
        return Ok(());
    }
    out::note("no project yet, and no `--jobs DIR`: the folder ./jobs is brought in");
    match first_definitions(app, dir).await {
        Err(Failure::Usage(message) | Failure::Broken(message)) => out::warn(&format!("not brought in: {message}")),
        Err(Failure::Failed) => out::warn("not brought in, see above"),
        Err(Failure::Refused(error)) => out::warn(&format!("not brought in: {error}")),
        Err(Failure::Incomplete) | Ok(()) => {}
    }
    Ok(())
}

/// Brings definitions in where there are none yet.
async fn first_definitions(app: &App, dir: &Path) -> Done {
    let catalogue = app.catalogue().await?;
    for one in folder::read(dir)? {
        if catalogue.projects.contains_key(&one.project) {
            out::note(&format!(
                "project {} is there already; `interlock apply {}` brings changes in",
                one.project,
                one.path.display()
            ));
            continue;
        }
        let plan = apply::apply(app, &start::operator(), &one, false, "first start").await?;
        out::note(&format!(
            "project {}: {} definitions brought in from {}",
            one.project,
            plan.len(),
            one.path.display()
        ));
    }
    Ok(())
}
