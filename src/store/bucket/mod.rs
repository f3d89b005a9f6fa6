//! A bucket that speaks S3: objects are stored, proved by reading them back, read in ranges and removed.
//!
//! It knows nothing of logs. Every error is a sentence for whoever looks after the installation; none holds the key.

mod error;
mod http;
mod ranges;

use std::io::Read;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStoreExt as _, PutPayload, RetryConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::access::Permit;
use crate::domain::archive::Place;
use crate::domain::digest::Digest;
use crate::store::permit;

pub use error::BucketError;
pub use ranges::Ranges;

/// The pieces that objects are sent in, in bytes. S3 takes no smaller ones, and 10,000 at most.
const PART: usize = 16 * 1024 * 1024;

/// Where a bucket is and what signs requests to it.
#[derive(Clone)]
pub struct Options {
    /// The bucket, and what keys begin with.
    pub place: Place,
    /// The server, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The id of the key.
    pub key_id: String,
    /// The key.
    pub secret: zeroize::Zeroizing<String>,
    /// What goes with a key for a while.
    pub session: Option<zeroize::Zeroizing<String>>,
    /// Certificates of authorities in PEM, which are trusted instead of the usual ones.
    pub authorities: Option<Vec<u8>>,
}

/// A bucket. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    place: Place,
    /// Where it is, for sentences.
    told: String,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.told)
    }
}

/// An object that was stored, and what was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its length, in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

impl Bucket {
    /// Puts a bucket together. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`BucketError::Unusable`] for an address that cannot be one, and for authorities that cannot be read.
    pub fn new(options: Options) -> Result<Self, BucketError> {
        let Options { place, endpoint, region, key_id, secret, session, authorities } = options;
        let told = format!("{} at {}", place.bucket, endpoint.as_deref().unwrap_or("Amazon S3"));
        let unusable = |why: String| BucketError::Unusable { place: told.clone(), why };
        let retry =
            RetryConfig { backoff: BackoffConfig::default(), max_retries: 2, retry_timeout: Duration::from_secs(30) };
        let connector = http::Connector::trusting(authorities.as_deref()).map_err(unusable)?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&place.bucket)
            .with_region(region)
            .with_access_key_id(key_id)
            .with_secret_access_key(secret.as_str())
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(endpoint) = endpoint {
            let plain = endpoint.starts_with("http://");
            if !plain && !endpoint.starts_with("https://") {
                return Err(unusable("the endpoint must be http://HOST:PORT or https://HOST".to_owned()));
            }
            builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_allow_http(plain);
        }
        if let Some(session) = session {
            builder = builder.with_token(session.as_str());
        }
        let store = builder.build().map_err(|e| unusable(e.to_string()))?;
        Ok(Self { store: Arc::new(store), place, told })
    }

    /// Which bucket, at which server.
    #[must_use]
    pub fn told(&self) -> &str {
        &self.told
    }

    /// What every key begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.place.prefix
    }
}

impl Bucket {
    /// Stores a file as an object and reads it back: only what came back byte for byte is stored.
    ///
    /// # Errors
    /// Those of the bucket; [`BucketError::File`] when the file cannot be read; [`BucketError::Differs`];
    /// [`BucketError::NotPermitted`] without a permit for the installation.
    pub async fn put_file(&self, permit: &Permit, key: &str, file: &FilePath) -> Result<Stored, BucketError> {
        permitted(permit)?;
        let (sent, length) = self.send(key, file).await?;
        let stored = self.prove(key, length).await?;
        if stored == sent {
            return Ok(stored);
        }
        Err(BucketError::Differs { place: self.told.clone(), key: key.to_owned() })
    }

    async fn send(&self, key: &str, file: &FilePath) -> Result<(Stored, u64), BucketError> {
        let path = Path::from(key);
        let mut source = Pieces::open(file).await?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut piece = source.next().await?;
        let mut count = |piece: &Bytes| {
            hash.update(piece);
            bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        };
        count(&piece);
        if piece.len() < PART {
            self.store.put(&path, PutPayload::from(piece)).await.map_err(|e| self.error(&e))?;
        } else {
            let mut upload = self.store.put_multipart(&path).await.map_err(|e| self.error(&e))?;
            let sent = async {
                loop {
                    upload.put_part(PutPayload::from(piece)).await.map_err(|e| self.error(&e))?;
                    piece = source.next().await?;
                    if piece.is_empty() {
                        break upload.complete().await.map(drop).map_err(|e| self.error(&e));
                    }
                    count(&piece);
                }
            }
            .await;
            if let Err(error) = sent {
                // What was sent so far would stay and cost. Where this fails too, the bucket's own rules remove it.
                let _ = upload.abort().await;
                return Err(error);
            }
        }
        Ok((Stored { bytes, sha256: digest(hash)? }, bytes))
    }

    /// Reads a whole object for its length and digest.
    async fn prove(&self, key: &str, length: u64) -> Result<Stored, BucketError> {
        let there = self.store.head(&Path::from(key)).await.map_err(|e| self.error(&e))?.size;
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < there.min(length) {
            let end = there.min(at + u64::try_from(PART).unwrap_or(u64::MAX));
            hash.update(self.range(key, at, end).await?);
            at = end;
        }
        Ok(Stored { bytes: there, sha256: digest(hash)? })
    }

    /// Bytes of an object, from one place to before another.
    ///
    /// # Errors
    /// Those of the bucket; [`BucketError::Differs`] when there are fewer.
    pub async fn range(&self, key: &str, from: u64, to: u64) -> Result<Bytes, BucketError> {
        let bytes = self.store.get_range(&Path::from(key), from..to).await.map_err(|e| self.error(&e))?;
        if u64::try_from(bytes.len()) == Ok(to - from) {
            return Ok(bytes);
        }
        Err(BucketError::Differs { place: self.told.clone(), key: key.to_owned() })
    }

    /// Removes an object. One that is not there is as good as removed.
    ///
    /// # Errors
    /// As [`Bucket::put_file`].
    pub async fn remove(&self, permit: &Permit, key: &str) -> Result<(), BucketError> {
        permitted(permit)?;
        match self.store.delete(&Path::from(key)).await.map_err(|e| self.error(&e)) {
            Ok(()) | Err(BucketError::NoObject { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stores a small object, reads it and removes it: whether everything that logs need is allowed.
    ///
    /// # Errors
    /// As [`Bucket::put_file`].
    pub async fn probe(&self, permit: &Permit, key: &str) -> Result<(), BucketError> {
        permitted(permit)?;
        let sent = Bytes::from_static(b"interlock looks whether this bucket can be written and read\n");
        let length = u64::try_from(sent.len()).unwrap_or(0);
        self.store.put(&Path::from(key), PutPayload::from(sent.clone())).await.map_err(|e| self.error(&e))?;
        if self.range(key, 0, length).await? != sent {
            return Err(BucketError::Differs { place: self.told.clone(), key: key.to_owned() });
        }
        self.remove(permit, key).await
    }

    fn error(&self, error: &object_store::Error) -> BucketError {
        BucketError::of(&self.told, error)
    }
}

fn permitted(permit: &Permit) -> Result<(), BucketError> {
    permit::system(permit).map_err(|_| BucketError::NotPermitted)
}

fn digest(hash: Sha256) -> Result<Digest, BucketError> {
    let hex = hash.finalize().iter().map(|b| format!("{b:02x}")).collect::<String>();
    Digest::parse(&hex).map_err(|e| BucketError::File(e.to_string()))
}

/// A file, piece by piece, read where it may block.
struct Pieces(Option<std::fs::File>);

impl Pieces {
    async fn open(path: &FilePath) -> Result<Self, BucketError> {
        let path = path.to_owned();
        blocking(move || Ok(Self(Some(std::fs::File::open(path)?)))).await
    }

    /// The next [`PART`] bytes; fewer at the end, then none.
    async fn next(&mut self) -> Result<Bytes, BucketError> {
        let Some(mut file) = self.0.take() else { return Ok(Bytes::new()) };
        let (file, piece) = blocking(move || {
            let mut piece = Vec::new();
            file.by_ref().take(u64::try_from(PART).unwrap_or(u64::MAX)).read_to_end(&mut piece)?;
            Ok((file, Bytes::from(piece)))
        })
        .await?;
        self.0 = Some(file);
        Ok(piece)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, BucketError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| BucketError::File(e.to_string()))?.map_err(|e| BucketError::File(e.to_string()))
}
