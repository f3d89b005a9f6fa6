//! Warm master connections: one for each account, address, way, key and set of trusted host keys.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::agent::Agent;
use super::arrivals::Arrivals;
use super::attendant::Attendant;
use super::config::{self, ControlDirectory, KeyExchange};
use super::keeper::Keeper;
use super::master::Master;
use super::ready::Ready;
use super::receipts::{self, Receipts};
use crate::domain::digest::Digest;
use crate::exec::Target;
use crate::exec::session::{NotOpened, Session};

/// sshd allows 10 sessions a connection by default; two stay free for stopping steps.
const SESSIONS: usize = 8;
/// sshd starts to drop unauthenticated connections beyond 10.
const CONNECTS_PER_HOST: usize = 8;
/// A master without sessions ends after this.
const IDLE: Duration = Duration::from_secs(120);
/// How often it is looked for such masters.
const LOOK: Duration = Duration::from_secs(10);
/// After so many refused keys in a row a node is left alone, or it may ban our address.
const REFUSALS: u32 = 2;
/// For this long.
const COOL_DOWN: Duration = Duration::from_secs(300);
/// Shells that nobody waits for yet are opened so many at a time.
const OPENING: usize = 4;
/// How long nodes may take to hear what they still have to be told before all connections end.
const FAREWELL: Duration = Duration::from_secs(2);

/// All masters of a process.
#[derive(Debug)]
pub(super) struct Pool {
    places: Arc<Places>,
    /// Lets go of masters that nobody uses.
    expiry: Attendant,
    keeper: Keeper,
    agents: tokio::sync::Mutex<HashMap<Digest, Weak<Agent>>>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    opening: Semaphore,
    key_exchange: KeyExchange,
    sockets: Arrivals,
    /// Goes last.
    directory: ControlDirectory,
}

type Places = Mutex<HashMap<Digest, Arc<Place>>>;

/// Where a master is, or will be.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Arc<Semaphore>,
    pub(super) ready: Ready,
    receipts: Arc<Receipts>,
    inner: tokio::sync::Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    master: Option<Arc<Master>>,
    refusals: u32,
    last_refusal: Option<(Instant, String)>,
}

/// A master that nothing runs over, and the right to one session on it.
pub(super) struct Idle {
    pub(super) master: Arc<Master>,
    pub(super) permit: OwnedSemaphorePermit,
}

/// How much a master that is there already is believed to be alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is used as it is.
    Blind,
    /// It is asked first.
    Checked,
}

impl Place {
    /// Its master, when nothing runs over it.
    pub(super) fn idle(&self) -> Option<Idle> {
        if self.sessions.available_permits() < SESSIONS {
            return None;
        }
        let master = self.inner.try_lock().ok()?.master.clone()?;
        let permit = self.sessions.clone().try_acquire_owned().ok()?;
        Some(Idle { master, permit })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(base: &Path, key_exchange: KeyExchange) -> std::io::Result<Self> {
        let directory = ControlDirectory::create(base)?;
        Ok(Self {
            places: Arc::default(),
            expiry: Attendant::default(),
            keeper: Keeper::default(),
            agents: tokio::sync::Mutex::default(),
            hosts: Mutex::default(),
            opening: Semaphore::new(OPENING),
            key_exchange,
            sockets: Arrivals::new(directory.sockets()),
            directory,
        })
    }

    /// A master with room for one more session; connects where there is none. One that is there is taken to be alive,
    /// unless the caller has reason to doubt it: opening a session tells as much, and asking first costs as much.
    pub(super) async fn session(
        &self,
        target: &Target,
        trust: Trust,
    ) -> Result<(Arc<Master>, OwnedSemaphorePermit), NotOpened> {
        let place = self.place(target);
        let permit = place.sessions.clone().acquire_owned().await.map_err(|_| closed())?;
        Ok((self.master(&place, target, trust).await?, permit))
    }

    /// A receipt that is to be given over the target's connection.
    pub(super) fn receipt(&self, target: &Target) -> receipts::Open {
        self.place(target).receipts.begin()
    }

    /// Lets no receipt wait for a quiet moment until what this returns is dropped: the connection is wanted.
    pub(super) fn hurry(&self, target: &Target) -> receipts::Hurry {
        self.place(target).receipts.hurry()
    }

    /// The shell that is kept ready, or about to be.
    pub(super) async fn ready(&self, target: &Target) -> Option<Session> {
        self.known(target)?.ready.take().await
    }

    /// Lets go of the shell that is kept ready.
    pub(super) fn vacate(&self, target: &Target) {
        if let Some(place) = self.known(target) {
            drop(place.ready.vacate());
        }
    }

    /// Waits for the turn to open a shell that nobody waits for.
    pub(super) async fn turn_to_open(&self) -> Option<SemaphorePermit<'_>> {
        self.opening.acquire().await.ok()
    }

    /// Where the target's master is, when there was one.
    pub(super) fn known(&self, target: &Target) -> Option<Arc<Place>> {
        lock(&self.places).get(&config::identity(target)).cloned()
    }

    /// A living master, beside the limit: for stopping steps.
    pub(super) async fn control(&self, target: &Target) -> Result<Arc<Master>, NotOpened> {
        self.master(&self.place(target), target, Trust::Checked).await
    }

    /// Ends all masters and agents.
    pub(super) async fn close(&self) {
        let places: Vec<Arc<Place>> = lock(&self.places).drain().map(|(_, place)| place).collect();
        let told = join_all(places.iter().map(|place| place.receipts.give_all()));
        // A node that does not hear it keeps the step's files for a while.
        let _ = tokio::time::timeout(FAREWELL, told).await;
        join_all(places.iter().map(|place| async {
            drop(place.ready.take().await);
            if let Some(master) = place.inner.lock().await.master.take() {
                master.end().await;
            }
        }))
        .await;
        self.keeper.end();
    }

    fn place(&self, target: &Target) -> Arc<Place> {
        let mut places = lock(&self.places);
        let place = places.entry(config::identity(target)).or_insert_with(|| {
            Arc::new(Place {
                sessions: Arc::new(Semaphore::new(SESSIONS)),
                ready: Ready::default(),
                receipts: Arc::default(),
                inner: tokio::sync::Mutex::default(),
            })
        });
        place.clone()
    }

    async fn master(&self, place: &Place, target: &Target, trust: Trust) -> Result<Arc<Master>, NotOpened> {
        let mut inner = place.inner.lock().await;
        if let Some(master) = &inner.master {
            let alive = if trust == Trust::Blind { !master.ended() } else { master.alive().await };
            if alive {
                return Ok(master.clone());
            }
            inner.master = None;
        }
        if let Some((at, message)) = inner.last_refusal.as_ref().filter(|_| inner.refusals >= REFUSALS)
            && at.elapsed() < COOL_DOWN
        {
            let message = format!(
                "{message} (not tried again for five minutes after {REFUSALS} refusals, so that the node does not ban us)"
            );
            return Err(("permission_denied", message));
        }
        match self.connect(target).await {
            Ok(master) => {
                let master = Arc::new(master);
                *inner = Inner { master: Some(master.clone()), refusals: 0, last_refusal: None };
                Ok(master)
            }
            Err((code, message)) => {
                if code == "permission_denied" {
                    inner.refusals = if inner.refusals >= REFUSALS { 1 } else { inner.refusals + 1 };
                    inner.last_refusal = Some((Instant::now(), message.clone()));
                }
                Err((code, message))
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<Master, NotOpened> {
        let Some(key) = &target.key else {
            return Err((
                "no_key",
                format!("no private key is set for {}; name one by its attribute `ssh-key-storage-path`", target.node),
            ));
        };
        let agent = self
            .agent(key)
            .await
            .map_err(|e| ("bad_key", format!("the key `{}` cannot be used: {e}", target.key_id)))?;
        let directory = self.directory.path();
        let broken =
            |e: std::io::Error| ("control_directory", format!("{} cannot be written: {e}", directory.display()));
        let files = config::write(directory, target, agent.socket(), self.key_exchange).map_err(broken)?;
        let first_hop = target.jumps.first().map_or((&target.host, target.port), |j| (&j.host, j.port));
        let turn = {
            let mut hosts = lock(&self.hosts);
            let name = format!("{} {}", first_hop.0, first_hop.1);
            hosts.entry(name).or_insert_with(|| Arc::new(Semaphore::new(CONNECTS_PER_HOST))).clone()
        };
        let _turn = turn.acquire().await.map_err(|_| closed())?;
        let places = Arc::downgrade(&self.places);
        // It can always be made.
        let _ = self.expiry.call(|| Ok(expire(places)));
        Master::connect(target, &files, &self.sockets, &self.keeper, agent).await
    }

    async fn agent(&self, key: &crate::domain::secret::SecretText) -> Result<Arc<Agent>, super::agent::AgentError> {
        let mut agents = self.agents.lock().await;
        agents.retain(|_, agent| agent.strong_count() > 0);
        let digest = Digest::of(key.expose().as_bytes());
        if let Some(agent) = agents.get(&digest).and_then(Weak::upgrade) {
            return Ok(agent);
        }
        let agent = Arc::new(Agent::start(self.directory.path(), key).await?);
        agents.insert(digest, Arc::downgrade(&agent));
        Ok(agent)
    }
}

/// Lets go of masters that nobody used for a while, or that have ended; with the last one of a key its agent goes too.
async fn expire(places: Weak<Places>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(places) = places.upgrade() else { return };
        lock(&places).retain(|_, place| match place.inner.try_lock() {
            Ok(mut inner) => {
                let used = place.sessions.available_permits() < SESSIONS;
                inner.master.take_if(|master| master.ended() || master.idle(used) > IDLE);
                inner.master.is_some() || used || inner.refusals > 0 || Arc::strong_count(place) > 1
            }
            Err(_) => true,
        });
    }
}

fn closed() -> NotOpened {
    ("closed", "the server is shutting down".to_owned())
}
