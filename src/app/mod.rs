//! Use cases: authorise, decide in the domain, persist in one transaction together with the record.
//!
//! Every act of a person, a program or an engine loop comes through here, whatever door it came in by. Nothing here knows
//! HTTP, templates, SSH or a table's name.

pub mod access;
pub mod accounts;
pub mod approval_list;
pub mod approvals;
pub mod audit;
pub mod browse;
pub mod catalogue;
pub mod clock;
pub mod definitions;
pub mod editing;
pub mod error;
pub mod events;
pub mod hooks;
pub mod hooks_view;
pub mod idempotency;
pub mod jobs;
pub mod keys;
pub mod live;

pub mod log;
pub mod nodes;
pub mod own;
pub mod password;
pub mod planning;
pub mod prune;
pub mod random;
pub mod record;
pub mod rules;
pub mod run_list;
pub mod runs;
pub mod sessions;
mod sign_off;
mod signed;
mod standing;
pub mod tokens;
pub mod work;

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use crate::domain::access::{Actor, Denied, Permission, Permit, Resource};
use crate::store::anchor::Anchor;
use crate::store::{Db, RootKey, StoreError, Vault};
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
    catalogue: RwLock<Arc<Catalogue>>,
    /// When the last look for changed definitions began.
    looked: tokio::sync::Mutex<Option<Instant>>,
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
            catalogue: RwLock::new(Arc::new(Catalogue::empty()?)),
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
        // Of many who ask at once, one looks for those who came before it began to look.
        if looked.is_some_and(|began| began >= asked) {
            return Ok(self.known());
        }
        let began = Instant::now();
        let stamp = Catalogue::stamp(&self.db).await?;
        let known = self.known();
        let current = if known.is_of(&stamp) { known } else { self.reload().await? };
        *looked = Some(began);
        Ok(current)
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The definitions as last loaded.
    #[must_use]
    pub fn known(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(crate) async fn reload(&self) -> AppResult<Arc<Catalogue>> {
        let fresh = Arc::new(Catalogue::load(&self.db).await?);
        *self.catalogue.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::clone(&fresh);
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
