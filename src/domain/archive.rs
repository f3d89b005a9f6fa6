//! The archive of logs: where it is, when a failed upload is tried again, and when a log may go from the local disk.

use chrono::TimeDelta;

use super::ids::{BadId, RunNumber};
use super::time::{Seconds, Timestamp};

/// A place for logs: `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with; empty, or with a slash at its end.
    pub prefix: String,
}

impl Place {
    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// [`BadId`] for everything else, also for names that S3 does not take.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let bad = || BadId::new("place for logs", text, "write s3://BUCKET or s3://BUCKET/FOLDER");
        let rest = text.strip_prefix("s3://").ok_or_else(bad)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) || bucket.starts_with(['-', '.']) {
            return Err(bad());
        }
        let prefix = prefix.trim_end_matches('/');
        let fits = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
        };
        if !prefix.is_empty() && (prefix.len() > 200 || !prefix.split('/').all(fits)) {
            return Err(bad());
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

/// The key of a file of a run's log. The installation's id keeps installations apart that share a bucket.
#[must_use]
pub fn key(prefix: &str, installation: &str, run: RunNumber, file: &str) -> String {
    format!("{prefix}{installation}/runs/{run}/{file}")
}

/// How long nobody else begins with an upload that one server has begun: after that the server is taken to be gone.
pub const UPLOAD: Seconds = Seconds::new(10 * 60);

/// How long to wait after so many uploads of a log have failed: half a minute, then twice as long each time, an hour at most.
#[must_use]
pub fn pause(failed: u32) -> Seconds {
    let doubled = 30u64.checked_shl(failed.saturating_sub(1).min(10)).unwrap_or(u64::MAX);
    Seconds::new(doubled.min(3_600))
}

/// Whether a log that was stored and verified at a time may go from the local disk.
#[must_use]
pub fn may_leave(stored_at: Timestamp, keep: Seconds, now: Timestamp) -> bool {
    keep.to_delta() <= now - stored_at && now - stored_at >= TimeDelta::zero()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_bucket_and_perhaps_a_folder() {
        let place = |text: &str| Place::parse(text).map(|p| (p.bucket, p.prefix));
        let of = |bucket: &str, prefix: &str| Ok((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(place("s3://logs"), of("logs", ""));
        assert_eq!(place("s3://logs/"), of("logs", ""));
        assert_eq!(place("s3://logs.example/a/b_c/"), of("logs.example", "a/b_c/"));
        for text in
            ["", "logs", "s3://", "s3://ab", "s3://-ab", "s3://Logs", "s3://logs/a//b", "s3://logs/../a", "s3://lo gs"]
        {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_pause_grows_to_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 7, 8, 9, 1_000].map(|n| pause(n).to_std().as_secs()).to_vec();
        assert_eq!(pauses, [30, 60, 120, 1_920, 3_600, 3_600, 3_600]);
    }

    #[test]
    fn a_log_leaves_when_its_time_has_come() {
        let at: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let keep = Seconds::new(60);
        for (after, leaves) in [(-100, false), (0, false), (59, false), (60, true), (61, true)] {
            assert_eq!(may_leave(at, keep, at + TimeDelta::seconds(after)), leaves, "{after}");
        }
        assert!(may_leave(at, Seconds::new(0), at));
    }
}
