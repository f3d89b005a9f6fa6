//! The output of ended runs goes to a bucket: uploaded, read back and noted; then it may go from the local disk.
//!
//! While a run goes on, its output is in local files only. A log leaves the local disk only when what the bucket holds was
//! read back and is as long as what is here. A failed upload is tried again, more and more rarely, and so is a failed
//! removal. Each step finds its work in the local files and in the database, so a crash forgets nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::App;
use super::error::{AppError, AppResult};
use super::random;
use crate::domain::access::{Actor, Permission, Permit, Resource};
use crate::domain::archive::{self, UPLOAD};
use crate::domain::digest::Digest;
use crate::domain::ids::RunNumber;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::bucket::{Bucket, BucketError, Stored};
use crate::store::log_archives::{self as rows, ArchiveRecord, ArchiveState, Objects};
use crate::store::output::{self, Files};

/// Runs that are looked at together.
const TOGETHER: usize = 200;

/// Where logs go.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The bucket.
    pub bucket: Bucket,
    /// How long they stay on the local disk as well.
    pub keep: Seconds,
    /// This installation's id, which keeps its keys apart from others'.
    pub installation: String,
}

/// What one look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Logs that are in the bucket now.
    pub stored: usize,
    /// Logs that went from the local disk.
    pub left: usize,
    /// Logs that were removed from the bucket.
    pub removed: usize,
    /// What failed, and is tried again.
    pub failed: usize,
}

/// Logs that are known to be stored, and since when, so that they are not asked for again and again.
pub type Known = BTreeMap<RunNumber, Timestamp>;

impl App {
    /// Sends logs to this bucket from now on, and reads them there. The first one holds.
    ///
    /// # Errors
    /// The database.
    pub async fn archive_logs_in(&self, bucket: Bucket, keep: Seconds) -> AppResult<()> {
        let installation = self.installation().await?;
        // Whoever comes later has the same in mind.
        let _ = self.archive.set(Archive { bucket, keep, installation });
        Ok(())
    }

    /// Where logs go, if not only to the local disk.
    #[must_use]
    pub fn archive(&self) -> Option<&Archive> {
        self.archive.get()
    }

    /// Uploads what has ended, lets go of what may leave the local disk, and removes what is not wanted any more. Safe to
    /// call again. After the first failure of the bucket the rest waits for the next look.
    ///
    /// # Errors
    /// The database; the local files.
    pub async fn archive_logs(&self, known: &mut Known) -> AppResult<Moved> {
        let mut moved = Moved::default();
        let Some(archive) = self.archive() else { return Ok(moved) };
        let data = self.settings.data.clone();
        let here = tokio::task::spawn_blocking(move || output::runs(&data)).await.map_err(AppError::fault)?;
        let here = here.map_err(AppError::fault)?;
        let on_disk: BTreeSet<RunNumber> = here.iter().copied().collect();
        known.retain(|run, _| on_disk.contains(run));
        let now = self.clock.now();
        let stays = |at: &Timestamp| !archive::may_leave(*at, archive.keep, now);
        let to_ask: Vec<RunNumber> = here.into_iter().filter(|run| !known.get(run).is_some_and(stays)).collect();
        for some in to_ask.chunks(TOGETHER) {
            let some = some.to_vec();
            for (run, bytes, record) in self.db.read(move |c| rows::ended(c, &some)).await? {
                match &record {
                    Some(ArchiveRecord { state: ArchiveState::Stored, stored_at: Some(at), .. }) if stays(at) => {
                        known.insert(run, *at);
                    }
                    Some(record) if record.state == ArchiveState::Stored => {
                        moved.left += usize::from(self.leave(record).await?);
                    }
                    Some(record) if record.state == ArchiveState::Unwanted || record.next_at > now => {}
                    _ if moved.failed > 0 => {}
                    record => match self.upload(archive, run, bytes, record.as_ref()).await? {
                        Uploaded::Stored => moved.stored += 1,
                        Uploaded::Failed => moved.failed += 1,
                        Uploaded::NotOurs => {}
                    },
                }
            }
        }
        if moved.failed == 0 {
            self.remove_unwanted(archive, &mut moved).await?;
        }
        Ok(moved)
    }

    async fn upload(
        &self,
        archive: &Archive,
        run: RunNumber,
        bytes: i64,
        before: Option<&ArchiveRecord>,
    ) -> AppResult<Uploaded> {
        let data = self.settings.data.clone();
        let files = tokio::task::spawn_blocking(move || output::files(&data, run)).await.map_err(AppError::fault)?;
        let Files { folder, names, length } = files.map_err(AppError::fault)?;
        // Another server has the rest of it, or there is nothing.
        if names.is_empty() || i64::try_from(length).is_ok_and(|here| here < bytes) {
            return Ok(Uploaded::NotOurs);
        }
        let nothing = Stored { bytes: 0, sha256: Digest::of(b"") };
        let coming = Objects(names.iter().map(|name| (name.clone(), nothing.clone())).collect());
        let (permit, id, now) =
            (self.own_permit(Permission::Administer)?, archive.installation.clone(), self.clock.now());
        let begun = self.db.write(move |c| rows::begin(c, &permit, run, &id, &coming, now, now + UPLOAD.to_delta()));
        match begun.await {
            Ok(true) => {}
            Ok(false) => return Ok(Uploaded::NotOurs),
            Err(error) => {
                // Two that begin at the same moment cannot both have it.
                return match AppError::from(error) {
                    AppError::Refused(refusal) if !refusal.kind.is_of_the_moment() => Ok(Uploaded::NotOurs),
                    other => Err(other),
                };
            }
        }
        let permit = self.own_permit(Permission::Administer)?;
        let objects = match put_all(archive, &permit, run, &folder, &names).await {
            Ok(objects) => objects,
            Err(error) => {
                let failed = before.map_or(0, |r| r.failed);
                tracing::warn!(run.number = run.get(), error.cause = %error, "a log could not be stored in the bucket; it stays here and is tried again");
                self.note_failure(run, failed, &error).await?;
                return Ok(Uploaded::Failed);
            }
        };
        let (own, now) = (permit.clone(), self.clock.now());
        let wanted = self.db.write(move |c| rows::stored(c, &own, run, &objects, now)).await?;
        if !wanted {
            // The run was removed meanwhile.
            for name in &names {
                let key = archive::key(archive.bucket.prefix(), &archive.installation, run, name);
                archive.bucket.remove(&permit, &key).await.map_err(AppError::fault)?;
            }
            return Ok(Uploaded::NotOurs);
        }
        Ok(Uploaded::Stored)
    }

    /// Removes a stored log from the local disk, if the bucket has all of it; whether it did.
    async fn leave(&self, record: &ArchiveRecord) -> AppResult<bool> {
        let stored: u64 =
            record.objects.0.iter().filter(|(name, _)| name.starts_with("log.")).map(|(_, s)| s.bytes).sum();
        let (data, run) = (self.settings.data.clone(), record.run);
        let gone = tokio::task::spawn_blocking(move || {
            if output::files(&data, run)?.length > stored {
                return Ok(false);
            }
            output::remove(&data, run).map(|()| true)
        });
        let gone: std::io::Result<bool> = gone.await.map_err(AppError::fault)?;
        gone.map_err(AppError::fault)
    }

    async fn remove_unwanted(&self, archive: &Archive, moved: &mut Moved) -> AppResult<()> {
        let (permit, now) = (self.own_permit(Permission::Administer)?, self.clock.now());
        for record in self.db.read(move |c| rows::unwanted(c, now, 100)).await? {
            let run = record.run;
            for name in record.objects.0.keys() {
                let key = archive::key(archive.bucket.prefix(), &record.installation, run, name);
                if let Err(error) = archive.bucket.remove(&permit, &key).await {
                    tracing::warn!(run.number = run.get(), error.cause = %error, "the log of a removed run could not be removed from the bucket; it is tried again");
                    moved.failed += 1;
                    return self.note_failure(run, record.failed, &error).await;
                }
            }
            let permit = permit.clone();
            self.db.write(move |c| rows::forget(c, &permit, run)).await?;
            moved.removed += 1;
        }
        Ok(())
    }

    async fn note_failure(&self, run: RunNumber, before: i32, error: &BucketError) -> AppResult<()> {
        let failed = u32::try_from(before).unwrap_or(0).saturating_add(1);
        let (permit, now, error) = (self.own_permit(Permission::Administer)?, self.clock.now(), error.to_string());
        let next = now + archive::pause(failed).to_delta();
        Ok(self.db.write(move |c| rows::failed(c, &permit, run, failed, &error, next)).await?)
    }

    /// Whether the bucket can be written and read, as a sentence where it cannot; and how the logs that fail stand. `None`
    /// where logs stay on the local disk.
    ///
    /// # Errors
    /// Forbidden for who does not administer the installation; the database.
    pub async fn check_archive(&self, actor: &Actor) -> AppResult<Option<(Result<(), String>, Vec<ArchiveRecord>)>> {
        let permit = self.authorize(actor, Permission::Administer, &Resource::System)?;
        let Some(archive) = self.archive() else { return Ok(None) };
        let mark: String = random::bytes::<8>()?.iter().map(|b| format!("{b:02x}")).collect();
        let key = format!("{}{}/probe-{mark}", archive.bucket.prefix(), archive.installation);
        let probed = archive.bucket.probe(&permit, &key).await.map_err(|e| e.to_string());
        let failing = self.db.read(|c| rows::failing(c, 100)).await?;
        Ok(Some((probed, failing)))
    }
}

/// What became of an upload.
enum Uploaded {
    Stored,
    Failed,
    /// Somebody else does it, or has more of it.
    NotOurs,
}

async fn put_all(
    archive: &Archive,
    permit: &Permit,
    run: RunNumber,
    folder: &Path,
    names: &[String],
) -> Result<Objects, BucketError> {
    let mut objects = Objects::default();
    for name in names {
        let key = archive::key(archive.bucket.prefix(), &archive.installation, run, name);
        objects.0.insert(name.clone(), archive.bucket.put_file(permit, &key, &folder.join(name)).await?);
    }
    Ok(objects)
}
