//! `interlock serve`: the server with its loops.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::sync::watch;

use super::{Done, Failure, Global, apply, folder, out, start};
use crate::app::App;
use crate::engine::Engine;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4440", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The address that people use, when a proxy stands before this one [default: http://ADDRESS:PORT]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Definitions to bring in at the first start
    #[arg(long, value_name = "DIR")]
    jobs: Option<PathBuf>,
}

pub(super) fn run(global: Global, options: Options) -> Done {
    crate::telemetry::start("info");
    #[cfg(debug_assertions)]
    super::die::when_told();
    block_on(async move {
        let listener = listen(&options.listen)?;
        let address = listener.local_addr().map_err(|e| Failure::Broken(e.to_string()))?;
        let public_url = options.public_url.unwrap_or_else(|| format!("http://{address}"));
        let app = start::app(&global, &public_url).await?;
        first_definitions(&app, options.jobs.as_deref()).await?;
        if let Some(link) = app.setup_link().await? {
            out::line(&format!(
                "No administrator yet. Open this link once, within a day, to create the first one:\n  {link}"
            ));
        }
        out::line(&format!("Interlock listens on {public_url}"));
        serve(app, listener).await
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

/// Serves until the process is told to stop; then lets what runs here end.
pub(super) async fn serve(app: Arc<App>, listener: TcpListener) -> Done {
    super::reach::install(&app);
    let (executors, ssh) = start::executors(&app)?;
    let engine = Arc::new(Engine::new(Arc::clone(&app), executors));
    let (stop, stopping) = watch::channel(false);
    let loops = tokio::spawn(engine.run(stopping));
    let server = crate::web::server::build(Arc::clone(&app), listener, threads().clamp(1, 8))
        .map_err(|e| Failure::Broken(format!("the web server could not start: {e}")))?;
    let handle = server.handle();
    let signals = tokio::spawn(async move {
        told_to_stop().await;
        out::note("stopping; runs that are under way end first (once more to leave at once)");
        handle.stop(true).await;
    });
    let ended = server.await;
    signals.abort();
    stop.send_replace(true);
    tokio::select! {
        _ = loops => {}
        () = told_to_stop() => out::warn("left while runs were under way; their state will be `unknown`"),
    }
    ssh.close().await;
    ended.map_err(|e| Failure::Broken(format!("the web server broke off: {e}")))
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            // Without a handler the system's own default ends the process.
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Brings definitions in where there are none yet.
async fn first_definitions(app: &App, jobs: Option<&std::path::Path>) -> Done {
    let Some(dir) = jobs else { return Ok(()) };
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
