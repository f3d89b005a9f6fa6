//! Leases that stand still: how a server that is gone is noticed without trusting anybody's time of day.
//!
//! A lease says until when by the clock of the server that wrote it. If that clock ran ahead, the lease would keep others
//! away for as long as it was ahead. So each server also watches by its own even clock whether a lease is ever extended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ids::RunNumber;
use super::time::Timestamp;

/// A lease as it was written: who took the run, counted, and until when.
pub type Lease = (i64, Timestamp);

/// The leases that were seen, each with the moment at which it was first seen as it is.
#[derive(Debug, Default)]
pub struct LeaseWatch {
    seen: BTreeMap<RunNumber, (Lease, Duration)>,
}

impl LeaseWatch {
    /// Looks at all leases `now`, by a clock that goes on evenly; the runs whose lease has been the same for longer than
    /// `lasting`. What is not among `leases` any more is forgotten.
    pub fn look(
        &mut self,
        leases: BTreeMap<RunNumber, Lease>,
        now: Duration,
        lasting: Duration,
    ) -> BTreeSet<RunNumber> {
        let before = std::mem::take(&mut self.seen);
        for (run, lease) in leases {
            let since = before.get(&run).filter(|(known, _)| *known == lease).map_or(now, |(_, since)| *since);
            self.seen.insert(run, (lease, since));
        }
        let still = |(_, (_, since)): &(&RunNumber, &(Lease, Duration))| now.saturating_sub(*since) > lasting;
        self.seen.iter().filter(still).map(|(run, _)| *run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Duration = Duration::from_secs(30);

    fn run(number: i64) -> RunNumber {
        RunNumber::parse(&number.to_string()).unwrap()
    }

    fn until(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn only_what_nobody_extends_stands_still() {
        let mut watch = LeaseWatch::default();
        // One lease is an hour ahead and never extended; one is behind and extended all the time.
        let at = |second: u64| {
            let extended = until(i64::try_from(second).unwrap() - 3_600);
            BTreeMap::from([(run(1), (1, until(3_600))), (run(2), (1, extended))])
        };
        for second in 0..=30 {
            assert!(watch.look(at(second), Duration::from_secs(second), LASTING).is_empty(), "{second}");
        }
        assert_eq!(watch.look(at(31), Duration::from_secs(31), LASTING), BTreeSet::from([run(1)]));
    }

    #[test]
    fn who_takes_it_over_gets_the_whole_time() {
        let mut watch = LeaseWatch::default();
        let lease = |fence: i64| BTreeMap::from([(run(1), (fence, until(3_600)))]);
        assert!(watch.look(lease(1), Duration::ZERO, LASTING).is_empty());
        assert!(watch.look(lease(2), Duration::from_secs(40), LASTING).is_empty());
        assert!(watch.look(BTreeMap::new(), Duration::from_secs(60), LASTING).is_empty());
        assert!(watch.look(lease(2), Duration::from_secs(80), LASTING).is_empty(), "it was gone in between");
        assert!(!watch.look(lease(2), Duration::from_secs(111), LASTING).is_empty());
    }
}
