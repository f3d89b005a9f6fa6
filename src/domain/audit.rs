//! The record: entries chained by HMAC, so that a changed, missing, moved or inserted row can be named.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::access::Principal;
use super::digest::canonical_json;
use super::time::Timestamp;

/// What happened, before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Who did it.
    pub actor: Principal,
    /// From where: an address, `cli`, `engine`.
    pub source: String,
    /// What, as `noun.verb`: `run.requested`, `approval.approved`, `session.opened`.
    pub action: String,
    /// On what: `run:1234`, `ops:job/services/restart-service`.
    pub resource: String,
    /// The project, if any.
    pub project: Option<String>,
    /// Everything else that matters, without secrets. An object.
    pub detail: serde_json::Value,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// 1, 2, 3 … without a gap.
    pub seq: i64,
    /// When, to the microsecond.
    pub at: Timestamp,
    /// What.
    pub act: Act,
    /// The hash of the entry before; 64 zeros for the first.
    pub previous: String,
    /// HMAC-SHA256 over the previous hash and the entry's canonical JSON.
    pub hash: String,
}

/// The hash that the first entry names as the one before.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The hash of an entry at this place.
#[must_use]
pub fn link(key: &[u8; 32], seq: i64, at: Timestamp, act: &Act, previous: &str) -> String {
    let body = serde_json::json!({
        "seq": seq,
        "at": at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        "act": act,
        "previous": previous,
    });
    // HMAC takes keys of any length, so a 32-byte key cannot be refused.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(canonical_json(&body).as_bytes());
    let bytes: [u8; 32] = mac.finalize().into_bytes().into();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The end of the chain at some time, kept outside the database and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last entry's number.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
    /// When the head was written.
    pub at: Timestamp,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The number does not follow the one before: a row is missing, doubled or moved.
    #[error("entry {expected} is missing: after entry {after} comes entry {found}")]
    Gap {
        /// The entry before.
        after: i64,
        /// The number that should come.
        expected: i64,
        /// The number that came.
        found: i64,
    },
    /// The entry does not follow the one before it.
    #[error("entry {seq} does not follow the entry before it: a row was inserted, removed or moved")]
    Unlinked {
        /// The entry.
        seq: i64,
    },
    /// The content does not have its hash.
    #[error("entry {seq} was changed after it was written")]
    Changed {
        /// The entry.
        seq: i64,
    },
    /// Entries at the end are gone.
    #[error("the record ends at entry {found}, but a signed head names entry {expected}: the end was cut off")]
    Cut {
        /// The head's entry.
        expected: i64,
        /// The last entry there is.
        found: i64,
    },
    /// Entries at the end are gone, by the database's own count.
    #[error("the record ends at entry {found}, but the database has counted {expected}: the end was cut off")]
    Short {
        /// What was counted.
        expected: i64,
        /// The last entry there is.
        found: i64,
    },
    /// The database's own end of the chain is not the entry's.
    #[error("entry {seq} is not the one that the database has counted last: the record was rewritten")]
    OtherEnd {
        /// The entry.
        seq: i64,
    },
    /// No signed heads are there to hold the record against, although some were signed.
    #[error(
        "the file of signed heads is missing, although entry {since} says that heads were signed: the end may have been cut off. Put a copy back, or name one with --anchor"
    )]
    Unanchored {
        /// The entry that says so.
        since: i64,
    },
    /// The entry that a head names is another one now.
    #[error("entry {seq} is not the one that the signed head names: the record was rewritten")]
    Rewritten {
        /// The entry.
        seq: i64,
    },
}

/// Walks a chain entry by entry, so that a long record needs no memory.
#[derive(Debug)]
pub struct Verifier {
    key: [u8; 32],
    last: i64,
    hash: String,
    heads: std::collections::BTreeMap<i64, String>,
    counted: (i64, String),
    anchored: Vec<(String, i64)>,
}

/// The action of the entry that says that a file of signed heads was begun; its resource is the machine that keeps it.
pub const ANCHORED: &str = "audit.anchored";

/// A record without a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intact {
    /// How many entries there are.
    pub entries: i64,
    /// The entries at which the file of signed heads was missing and was begun again.
    pub begun_again: Vec<i64>,
}

impl Verifier {
    /// Starts before the first entry, with the signed heads that are to be met and the end that the database has counted:
    /// the last number with its hash.
    #[must_use]
    pub fn new(key: [u8; 32], heads: impl IntoIterator<Item = Head>, counted: (i64, String)) -> Self {
        let heads = heads.into_iter().map(|h| (h.seq, h.hash)).collect();
        Self { key, last: 0, hash: GENESIS.to_owned(), heads, counted, anchored: Vec::new() }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// [`Broken`] names the first entry that is wrong.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Broken> {
        let expected = self.last + 1;
        if entry.seq != expected {
            return Err(Broken::Gap { after: self.last, expected, found: entry.seq });
        }
        if entry.previous != self.hash {
            return Err(Broken::Unlinked { seq: entry.seq });
        }
        if link(&self.key, entry.seq, entry.at, &entry.act, &entry.previous) != entry.hash {
            return Err(Broken::Changed { seq: entry.seq });
        }
        if self.heads.get(&entry.seq).is_some_and(|hash| *hash != entry.hash) {
            return Err(Broken::Rewritten { seq: entry.seq });
        }
        if entry.seq == self.counted.0 && entry.hash != self.counted.1 {
            return Err(Broken::OtherEnd { seq: entry.seq });
        }
        if entry.act.action == ANCHORED {
            self.anchored.push((entry.act.resource.clone(), entry.seq));
        }
        self.last = entry.seq;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// [`Broken::Cut`] when a head names an entry beyond the end, [`Broken::Short`] when the database has counted further,
    /// [`Broken::Unanchored`] when there are no heads although some were signed.
    pub fn finish(self) -> Result<Intact, Broken> {
        if let Some((seq, _)) = self.heads.last_key_value().filter(|(seq, _)| **seq > self.last) {
            return Err(Broken::Cut { expected: *seq, found: self.last });
        }
        if self.counted.0 > self.last {
            return Err(Broken::Short { expected: self.counted.0, found: self.last });
        }
        if let Some((_, since)) = self.anchored.first().filter(|_| self.heads.is_empty()) {
            return Err(Broken::Unanchored { since: *since });
        }
        let mut files = std::collections::BTreeSet::new();
        let again = self.anchored.into_iter().filter(|(file, _)| !files.insert(file.clone()));
        Ok(Intact { entries: self.last, begun_again: again.map(|(_, seq)| seq).collect() })
    }
}
