//! The guards that look at what the rule did before.

use super::{BlastRadius, Dedupe, GuardResult, Rate};

/// What is known of the past, counted in each guard's own window. Whoever counts holds the rule to itself meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the dedupe key is this event's.
    pub claimed: bool,
    /// Actions in the rate's window, for its key where it has one.
    pub in_rate: u32,
    /// Nodes touched in the blast radius' window.
    pub nodes_touched: u32,
    /// Nodes that this action would touch.
    pub nodes_now: u32,
    /// Nodes of the inventory.
    pub inventory: u32,
}

/// Whether this is the first event of its key in the window.
#[must_use]
pub fn dedupe(settings: Option<&Dedupe>, key: Option<&str>, facts: &Facts) -> Option<GuardResult> {
    let settings = settings?;
    let key = key.unwrap_or_default();
    Some(if facts.claimed {
        GuardResult::new("dedupe", true, format!("It is the first of `{key}` in {}.", settings.window))
    } else {
        GuardResult::new(
            "dedupe",
            false,
            format!("Another event of `{key}` was acted on in the last {}.", settings.window),
        )
    })
}

/// Whether there is room for one more.
#[must_use]
pub fn rate(settings: Option<&Rate>, key: Option<&str>, facts: &Facts) -> Option<GuardResult> {
    let settings = settings?;
    let of = key.map(|k| format!(" for `{k}`")).unwrap_or_default();
    let passed = facts.in_rate < settings.limit;
    let detail = format!("{} of {} in {}{of}.", facts.in_rate, settings.limit, settings.window);
    Some(GuardResult::new("rate", passed, detail))
}

/// Whether the action stays within the nodes that the rule may touch. A share of the inventory is rounded down, so a
/// small one may allow no node at all.
#[must_use]
pub fn blast_radius(settings: Option<&BlastRadius>, facts: &Facts) -> Option<GuardResult> {
    let settings = settings?;
    let share = settings.percent.map(|p| u64::from(facts.inventory) * u64::from(p) / 100);
    let most = [settings.nodes.map(u64::from), share].into_iter().flatten().min().unwrap_or(0);
    let would = u64::from(facts.nodes_touched) + u64::from(facts.nodes_now);
    let detail = format!(
        "{} node(s) now after {} in the last {}, of at most {most}.",
        facts.nodes_now, facts.nodes_touched, settings.window
    );
    Some(GuardResult::new("blast_radius", would <= most, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::expression::Text;
    use crate::domain::time::Seconds;

    #[test]
    fn a_claim_that_is_not_ours_holds_back() {
        let settings = Dedupe { key: Text::parse("k", &[]).unwrap(), window: Seconds::new(60) };
        let facts = Facts::default();
        assert!(!dedupe(Some(&settings), Some("k"), &facts).unwrap().passed);
        assert!(dedupe(Some(&settings), Some("k"), &Facts { claimed: true, ..facts }).unwrap().passed);
        assert_eq!(dedupe(None, None, &facts), None);
    }

    #[test]
    fn the_limit_is_the_last_that_passes() {
        let settings = Rate { limit: 3, window: Seconds::new(600), key: None, opens_breaker: false };
        let passed = |n| rate(Some(&settings), None, &Facts { in_rate: n, ..Facts::default() }).unwrap().passed;
        assert_eq!([0, 2, 3, 9].map(passed), [true, true, false, false]);
    }

    #[test]
    fn the_blast_radius_is_the_smaller_of_number_and_share() {
        let passed = |nodes, percent, touched, now, inventory| {
            let settings = BlastRadius { nodes, percent, window: Seconds::new(60) };
            let facts = Facts { nodes_touched: touched, nodes_now: now, inventory, ..Facts::default() };
            blast_radius(Some(&settings), &facts).unwrap().passed
        };
        assert!(passed(Some(3), None, 1, 2, 100));
        assert!(!passed(Some(3), None, 2, 2, 100));
        assert!(passed(Some(9), Some(10), 0, 1, 10));
        assert!(!passed(Some(9), Some(10), 0, 2, 10));
        assert!(!passed(None, Some(10), 0, 1, 9), "a share of less than one node is none");
        assert!(!passed(None, None, 0, 1, 9), "nothing said is nothing allowed");
        assert!(!passed(Some(u32::MAX), None, u32::MAX, 1, 9));
    }
}
