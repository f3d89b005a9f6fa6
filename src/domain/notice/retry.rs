//! When a delivery that failed is tried again, and when it is given up.

use crate::domain::time::{Seconds, Timestamp};

/// How long after the notice a delivery is still tried.
pub const GIVEN_UP_AFTER: Seconds = Seconds::new(24 * 3_600);

/// Seconds from one try to the next; the last one repeats.
const WAITS: [u64; 8] = [5, 15, 60, 120, 300, 600, 1_800, 3_600];

/// When a delivery is tried again that has failed so many times; `None` when a day has passed, and it is given up.
#[must_use]
pub fn next_try(created_at: Timestamp, failed: u32, now: Timestamp) -> Option<Timestamp> {
    let last = WAITS.len() - 1;
    let place = usize::try_from(failed.saturating_sub(1)).unwrap_or(last).min(last);
    let wait = Seconds::new(WAITS.get(place).copied().unwrap_or(3_600));
    let at = now + wait.to_delta();
    (at < created_at + GIVEN_UP_AFTER.to_delta()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn tries_come_ever_more_slowly_and_end_after_a_day() {
        let created = Timestamp::UNIX_EPOCH;
        let (mut now, mut tries, mut waited) = (created, 1u32, TimeDelta::zero());
        while let Some(next) = next_try(created, tries, now) {
            assert!(next - now >= waited);
            (waited, now, tries) = (next - now, next, tries + 1);
        }
        assert!(now > created + TimeDelta::hours(22) && now < created + TimeDelta::hours(24));
        assert!((25..40).contains(&tries), "{tries}");
        assert_eq!(next_try(created, 1, created + TimeDelta::days(2)), None);
    }
}
