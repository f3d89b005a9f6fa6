//! Background loops: dispatch, take over from servers that are gone, expire, move logs, sign the record's end.
//!
//! Loops are idempotent and take no input but the stored state. Each is woken by a signal and, as a signal can be lost or
//! come from another process, by a timer. Tests step them with [`Engine::step`] instead of waiting.

mod archive;
mod assignment;
mod backtests;
mod beside;
mod carried;
mod cell;
mod enrichers;
mod events;
mod insist;
mod keeper;
mod notices;
mod output;
mod sources;
mod target;
mod words;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use beside::Beside;
use carried::Carried;

use crate::app::App;
use crate::app::error::AppResult;
use crate::app::work::Assignment;
use crate::domain::ids::RunNumber;
use crate::domain::wake::Wake;
use crate::enrich::Asker;
use crate::exec::Executor;
use crate::feed::Feed;
use crate::notify::Courier;

/// How executors reach nodes.
#[derive(Clone)]
pub struct Executors {
    /// Nodes over SSH.
    pub ssh: Arc<dyn Executor>,
    /// The machine that Interlock runs on.
    pub local: Arc<dyn Executor>,
}

/// The loops of one server.
pub struct Engine {
    app: Arc<App>,
    executors: Executors,
    running: Mutex<JoinSet<()>>,
    carried: Carried,
    /// Takes only this run; for a command that follows its own.
    only: Option<RunNumber>,
    most: usize,
    look: Duration,
    courier: Option<Courier>,
    feed: Option<Feed>,
    asker: Option<Asker>,
}

/// How many runs a server carries out at once.
const MOST_RUNS: usize = 64;

/// How long the loops wait for a signal before they look by themselves.
const LOOK: Duration = Duration::from_millis(500);

impl Engine {
    /// An engine that takes every run.
    #[must_use]
    pub fn new(app: Arc<App>, executors: Executors) -> Self {
        Self {
            app,
            executors,
            running: Mutex::new(JoinSet::new()),
            carried: Carried::default(),
            only: None,
            most: MOST_RUNS,
            look: LOOK,
            courier: None,
            feed: None,
            asker: None,
        }
    }

    /// An engine that waits so long for a signal before it looks by itself.
    #[must_use]
    pub fn looking_every(mut self, look: Duration) -> Self {
        self.look = look;
        self
    }

    /// An engine that tells people of what happens as well.
    #[must_use]
    pub fn telling(mut self, courier: Courier) -> Self {
        self.courier = Some(courier);
        self
    }

    /// An engine that fetches what sources watch as well.
    #[must_use]
    pub fn watching(mut self, feed: Feed) -> Self {
        self.feed = Some(feed);
        self
    }

    /// An engine that asks for labels outside as well.
    #[must_use]
    pub fn asking(mut self, asker: Asker) -> Self {
        self.asker = Some(asker);
        self
    }

    /// Asks outside about the events that wait for labels now, once. How many events that were.
    ///
    /// # Errors
    /// The database.
    pub async fn label(&self) -> AppResult<usize> {
        match &self.asker {
            Some(asker) => enrichers::label(&self.app, asker).await,
            None => Ok(0),
        }
    }

    /// Fetches what sources watch and what is due now, once. How many events that made.
    ///
    /// # Errors
    /// The database.
    pub async fn watch(&self) -> AppResult<usize> {
        match &self.feed {
            Some(feed) => sources::watch(&self.app, feed).await,
            None => Ok(0),
        }
    }

    /// Tells people what is to be told now, once. How much was done.
    ///
    /// # Errors
    /// The database.
    pub async fn tell(&self) -> AppResult<usize> {
        match &self.courier {
            Some(courier) => notices::tell(&self.app, courier).await,
            None => Ok(0),
        }
    }

    /// An engine that takes only one run.
    #[must_use]
    pub fn only(mut self, run: RunNumber) -> Self {
        self.only = Some(run);
        self
    }

    /// Lets time pass, lets rules look at events and starts what may start, once. How much was done.
    ///
    /// # Errors
    /// The database.
    pub async fn step(&self) -> AppResult<usize> {
        let mut done = self.app.pass_time().await?;
        // A command that follows its own run leaves events to the server.
        if self.only.is_none() {
            done += events::step(&self.app).await?;
        }
        done += self.take_over().await?;
        Ok(done + self.start().await?)
    }

    /// As [`Engine::step`], without the events, which have a loop of their own.
    async fn pass(&self) -> AppResult<usize> {
        Ok(self.app.pass_time().await? + self.take_over().await? + self.start().await?)
    }

    /// Goes on with runs whose server is gone. How many.
    async fn take_over(&self) -> AppResult<usize> {
        let free = self.most.saturating_sub(self.under_way());
        let orphans =
            if free > 0 { self.app.orphans(self.only, &self.carried.runs(), free).await? } else { Vec::new() };
        Ok(self.carry(orphans))
    }

    /// Starts queued runs. How many.
    async fn start(&self) -> AppResult<usize> {
        let free = self.most.saturating_sub(self.under_way());
        let queued = if free > 0 { self.app.assignments(self.only, free).await? } else { Vec::new() };
        Ok(self.carry(queued))
    }

    fn carry(&self, assignments: Vec<Assignment>) -> usize {
        let count = assignments.len();
        for assignment in assignments {
            let (app, executors) = (Arc::clone(&self.app), self.executors.clone());
            let carrying = self.carried.begin(assignment.number);
            lock(&self.running).spawn(async move {
                let _carrying = carrying;
                assignment::carry_out(Arc::clone(&app), executors, assignment).await;
                // Its place is free once this is over; another run may be waiting for that.
                app.live.heard(Wake::Work);
            });
        }
        count
    }

    /// Waits until everything that this engine started has ended.
    pub async fn settle(&self) {
        loop {
            let mut set = std::mem::take(&mut *lock(&self.running));
            if set.is_empty() {
                return;
            }
            while set.join_next().await.is_some() {}
        }
    }

    /// Stops carrying out what is under way. Steps go on on their nodes, and whoever takes the runs over finds them.
    pub async fn let_go(&self) {
        let mut set = std::mem::take(&mut *lock(&self.running));
        set.shutdown().await;
    }

    /// Runs the loops until told to stop. What is under way then is the caller's to wait for or to let go of.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let beside = self.loops();
        let mut time = tokio::time::interval(self.look);
        time.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heads = tokio::time::interval(Duration::from_secs(60));
        let mut old = tokio::time::interval(Duration::from_secs(3_600));
        loop {
            tokio::select! {
                // What is signalled comes often, what only time brings does not.
                () = self.app.live.work() => or_again("runs could not be started", self.start().await),
                _ = time.tick() => or_again("the engine could not look for work", self.pass().await),
                _ = heads.tick() => or_again("the end of the record could not be signed", self.app.sign_head().await),
                _ = old.tick() => or_again("what is old could not be removed", self.app.prune().await),
                () = told_to_stop(&mut stop) => break,
            }
        }
        // What was under way is begun again by whoever looks next.
        beside.shutdown().await;
        or_again("the end of the record could not be signed", self.app.sign_head().await);
    }

    /// Begins all loops but that of the runs.
    fn loops(&self) -> Beside {
        let mut beside = Beside::default();
        let (app, look) = (Arc::clone(&self.app), self.look);
        if self.app.archive().is_some() {
            let app = Arc::clone(&app);
            beside.keep("moves logs", move || archive::keep(Arc::clone(&app)));
        }
        if let Some(courier) = self.courier.clone() {
            let app = Arc::clone(&app);
            beside.keep("tells people", move || notices::keep(Arc::clone(&app), courier.clone()));
        }
        if let Some(feed) = self.feed.clone() {
            let app = Arc::clone(&app);
            beside.keep("watches sources", move || sources::keep(Arc::clone(&app), feed.clone()));
        }
        if let Some(asker) = self.asker.clone() {
            let app = Arc::clone(&app);
            beside.keep("asks for labels", move || enrichers::keep(Arc::clone(&app), asker.clone()));
        }
        let own = Arc::clone(&app);
        beside.keep("looks after backtests", move || backtests::keep(Arc::clone(&own)));
        if self.only.is_none() {
            beside.keep("looks at events", move || events::keep(Arc::clone(&app), look));
        }
        beside
    }

    /// How many runs this engine carries out now.
    pub fn under_way(&self) -> usize {
        let mut running = lock(&self.running);
        while running.try_join_next().is_some() {}
        running.len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The loops go on whatever fails.
fn or_again<T>(what: &str, done: AppResult<T>) {
    if let Err(error) = done {
        tracing::error!(error.cause = %error, "{what}; it is tried again");
    }
}

/// Waits until the loops are told to stop, or nobody is left who could tell them.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}
