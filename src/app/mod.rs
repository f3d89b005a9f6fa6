//! Use cases: authorise, decide in the domain, persist in one transaction together with the record.
//!
//! Every act of a person, a program or an engine loop comes through here, whatever door it came in by. Nothing here knows
//! HTTP, templates, SSH or a table's name.

pub mod access;
pub mod accounts;
pub mod addresses;
pub mod approval_list;
pub mod approvals;
pub mod archive;
mod asking_again;
pub mod audit;
pub mod break_glass;
pub mod browse;
pub mod catalogue;
pub mod chat;
mod choosing;
pub mod clock;
mod closing;
mod deciding;
pub mod definitions;
pub mod delegating;
pub mod editing;
pub mod enrichment;
pub mod error;
pub mod events;
pub mod folded;
pub mod frozen;
pub mod health;
pub mod hooks;
pub mod hooks_view;
pub mod idempotency;
mod installation;
pub mod jobs;
pub mod keys;
pub mod live;
pub mod log;
pub mod log_search;
pub mod nodes;
pub mod notices;
pub mod own;
pub mod password;
pub mod pins;
pub mod planning;
pub mod prune;
pub mod random;
pub mod reach;
pub mod record;
mod request_timers;
pub(crate) mod requesting;
mod review_timers;
pub mod rules;
mod run_document;
pub mod run_list;
pub mod runs;
mod scope;
pub mod sessions;
mod sign_off;
mod signed;
mod signers;
pub mod sources;
mod standing;
mod stored_log;
mod takeover;
mod taking;
mod telling;
pub mod tokens;
pub mod wakes;
pub mod work;

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use crate::domain::access::{Actor, Denied, Permission, Permit, Resource};
use crate::domain::lease::LeaseWatch;
use crate::store::anchor::Anchor;
use crate::store::{Db, Mark, RootKey, StoreError, Vault};
use catalogue::Catalogue;
use clock::Clock;
use error::{AppError, AppResult};
use live::Live;
use password::Passwords;

/// Everything that the use cases work with. One a process, shared.
#[derive(Debug)]
pub struct App {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) vault: Vault,
    pub(crate) keys: Keys,
    pub(crate) passwords: Passwords,
    pub(crate) anchor: Anchor,
    /// Wakes loops and listeners.
    pub live: Live,
    /// Settings that handlers show or use.
    pub settings: Settings,
    reach: std::sync::OnceLock<Arc<dyn reach::Reach>>,
    archive: std::sync::OnceLock<archive::Archive>,
    installation: std::sync::OnceLock<String>,
    leases: std::sync::Mutex<LeaseWatch>,
    /// Who may carry a backtest out now.
    backtests: tokio::sync::Semaphore,
    chat: std::sync::OnceLock<chat::Chat>,
    learned: enrichment::Learned,
    questions: enrichment::Together,
    seen: RwLock<Seen>,
    /// When the last look for changed definitions began, and whether it failed.
    looked: tokio::sync::Mutex<Option<(Instant, AppResult<()>)>>,
}

/// The definitions as last loaded, with how far the database had come before they were looked at.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) mark: Option<Mark>,
}

/// Settings of this process that use cases need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// The address that people reach Interlock at, without a slash at the end.
    pub public_url: String,
    /// The name of this server in leases and logs.
    pub server: String,
    /// Whether the server of that name is known to be gone, so that its runs can be taken over at once.
    pub is_gone: fn(&str) -> bool,
}

impl Settings {
    /// Whether people come over https, so that cookies can be kept off plain connections.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// Keys derived from the root key, one a purpose.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Chains the record.
    pub(crate) audit: [u8; 32],
    /// Makes webhook address tokens.
    pub(crate) hooks: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl App {
    /// Puts the use cases together and loads the definitions.
    ///
    /// # Errors
    /// When the database or the vault cannot be used.
    pub async fn open(db: Db, root: &RootKey, clock: Clock, settings: Settings) -> AppResult<Self> {
        let keys = Keys { audit: *root.audit(), hooks: *root.derive("interlock webhook address v1") };
        let (root_key, now) = (root.clone(), clock.now());
        let vault =
            db.write(move |c| Vault::open(c, &root_key, now)).await.map_err(|e: StoreError| AppError::from(e))?;
        let anchor = Anchor::new(&settings.data.join("audit-heads.jsonl"), root);
        let app = Self {
            db,
            clock,
            vault,
            keys,
            passwords: Passwords::default(),
            anchor,
            live: Live::default(),
            settings,
            reach: std::sync::OnceLock::new(),
            archive: std::sync::OnceLock::new(),
            installation: std::sync::OnceLock::new(),
            leases: std::sync::Mutex::default(),
            backtests: tokio::sync::Semaphore::new(1),
            chat: std::sync::OnceLock::new(),
            learned: enrichment::Learned::default(),
            questions: enrichment::Together::default(),
            seen: RwLock::new(Seen { catalogue: Arc::new(Catalogue::empty()?), mark: None }),
            looked: tokio::sync::Mutex::new(None),
        };
        app.reload().await?;
        Ok(app)
    }

    /// The definitions as they are now. Looks whether another process changed them, which costs one small query.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn catalogue(&self) -> AppResult<Arc<Catalogue>> {
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        // Of many who ask at once, one looks for those who came before it began to look. They share its failure too, or
        // they would wait for a database that is away one after the other.
        if let Some((began, outcome)) = looked.as_ref()
            && *began >= asked
        {
            return outcome.clone().map(|()| self.known());
        }
        let began = Instant::now();
        let current = self.look().await;
        *looked = Some((began, current.as_ref().map(|_| ()).map_err(Clone::clone)));
        current
    }

    async fn look(&self) -> AppResult<Arc<Catalogue>> {
        let mark = self.db.mark();
        let stamp = Catalogue::stamp(&self.db).await?;
        let known = self.known();
        if !known.is_of(&stamp) {
            return self.reload().await;
        }
        let mut seen = self.seen.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Another one may have been loaded meanwhile; its own mark goes with it.
        if Arc::ptr_eq(&seen.catalogue, &known) {
            seen.mark = mark;
        }
        Ok(known)
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The definitions as last loaded.
    #[must_use]
    pub fn known(&self) -> Arc<Catalogue> {
        self.seen().catalogue
    }

    /// The definitions as last loaded, and what tells whether they still hold.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) async fn reload(&self) -> AppResult<Arc<Catalogue>> {
        let mark = self.db.mark();
        let fresh = Arc::new(Catalogue::load(&self.db).await?);
        let seen = Seen { catalogue: Arc::clone(&fresh), mark };
        *self.seen.write().unwrap_or_else(std::sync::PoisonError::into_inner) = seen;
        Ok(fresh)
    }

    /// Asks the policy, as last loaded.
    ///
    /// # Errors
    /// [`Denied`] with the line that decided.
    pub fn authorize(&self, actor: &Actor, permission: Permission, resource: &Resource) -> Result<Permit, Denied> {
        self.known().policy.authorize(actor, permission, resource)
    }

    /// The permit of Interlock itself, for what follows from earlier decisions.
    pub(crate) fn own_permit(&self, permission: Permission) -> AppResult<Permit> {
        self.authorize(&Actor::system(), permission, &Resource::System)
            .map_err(|denied| AppError::fault(denied.to_string()))
    }
}
