//! A rule held against events of the past: what it would have done, with the guards that need only the rule's own past.
//!
//! Rights, environments and the blast radius depend on the inventory of that time, which nobody kept; they are not asked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Rule;
use super::judge::{Decision, Judgement};
use crate::domain::guard::breaker::{self, Counts, Probe, Standing};
use crate::domain::guard::{Facts, GuardResult, Guards, dedupe, rate};
use crate::domain::time::{Seconds, Timestamp};

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The criteria do not hold.
    NotMatched,
    /// A guard holds it back, or the values cannot be filled in; why.
    Held(String),
    /// The rule acts.
    Acts,
}

/// The past that a backtest makes for itself while it goes on. Each event costs the same, however long that past is.
#[derive(Debug)]
pub struct Replay {
    guards: Arc<Guards>,
    claims: Claims,
    rated: Recent,
    counted: Recent,
    standing: Standing,
}

impl Replay {
    /// Begins without a past.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        let guards = &rule.guards;
        let window = |window: Option<Seconds>| Recent::new(window.unwrap_or(Seconds::new(0)));
        Self {
            guards: Arc::new(guards.clone()),
            claims: Claims::default(),
            rated: window(guards.rate.as_ref().map(|r| r.window)),
            counted: window(guards.breaker.as_ref().map(|b| b.window)),
            standing: Standing { state: breaker::State::Closed, since: None },
        }
    }

    /// Takes the next event. Events come in the order of their time.
    pub fn next(&mut self, judgement: &Judgement, at: Timestamp) -> Replayed {
        let proposal = match (&judgement.decision, &judgement.proposal) {
            (Decision::NotMatched, _) => return Replayed::NotMatched,
            (Decision::Held(why) | Decision::Refused(why), _) => return Replayed::Held(why.clone()),
            (_, Some(proposal)) => proposal,
            (_, None) => return Replayed::Held("There is nothing to do.".to_owned()),
        };
        let guards = Arc::clone(&self.guards);
        let keys = &proposal.keys;
        let taken = keys.dedupe.as_ref().is_some_and(|key| self.claims.taken(key, at));
        let mut facts = Facts { claimed: !taken, ..Facts::default() };
        if let Some(held) = stopped(dedupe(guards.dedupe.as_ref(), keys.dedupe.as_deref(), &facts)) {
            return held;
        }
        let step = self.breaker(keys.breaker.as_deref(), at);
        self.moves(step.to, at);
        if let Some(held) = stopped(guards.breaker.as_ref().map(|_| step.result)) {
            return held;
        }
        if let Some(settings) = &guards.rate {
            self.rated.until(at);
            facts.in_rate = self.rated.of_key(keys.rate.as_deref());
            if let Some(held) = stopped(rate(Some(settings), keys.rate.as_deref(), &facts)) {
                if settings.opens_breaker {
                    self.moves(breaker::State::Open, at);
                }
                return held;
            }
        }
        if let (Some(settings), Some(key)) = (&guards.dedupe, &keys.dedupe) {
            self.claims.take(key, at + settings.window.to_delta());
        }
        self.rated.add(at, keys.rate.as_deref());
        self.counted.add(at, keys.breaker.as_deref());
        Replayed::Acts
    }

    /// What nobody ran can neither fail nor succeed, so a probe counts as good and no run as failed.
    fn breaker(&mut self, key: Option<&str>, at: Timestamp) -> breaker::Step {
        let guards = Arc::clone(&self.guards);
        let settings = guards.breaker.as_ref();
        let mut counts = Counts::default();
        if settings.is_some() && self.standing.state == breaker::State::Closed {
            self.counted.until(at);
            counts.in_all = self.counted.in_all();
            counts.by_key = self.counted.of_key(key);
        }
        if settings.is_none() && self.standing.state == breaker::State::Closed {
            let result = GuardResult::new("breaker", true, "There is none.");
            return breaker::Step { to: breaker::State::Closed, result, opened: false };
        }
        breaker::step(settings, self.standing, Probe::Good, &counts, at)
    }

    fn moves(&mut self, to: breaker::State, at: Timestamp) {
        if to != self.standing.state {
            self.standing = Standing { state: to, since: Some(at) };
            if to == breaker::State::Closed {
                // What happened before it was closed is what it opened for, and does not count twice.
                self.counted.clear();
            }
        }
    }
}

/// The keys that are taken, and until when.
#[derive(Debug, Default)]
struct Claims {
    until: HashMap<String, Timestamp>,
    /// In the order in which they end: a rule has one window, and events come in the order of their time.
    ends: VecDeque<(Timestamp, String)>,
}

impl Claims {
    fn taken(&mut self, key: &str, at: Timestamp) -> bool {
        while let Some((_, over)) = self.ends.pop_front_if(|(until, _)| *until <= at) {
            if self.until.get(&over).is_some_and(|until| *until <= at) {
                self.until.remove(&over);
            }
        }
        self.until.contains_key(key)
    }

    fn take(&mut self, key: &str, until: Timestamp) {
        self.until.insert(key.to_owned(), until);
        self.ends.push_back((until, key.to_owned()));
    }
}

/// What was done within a window, counted by key.
#[derive(Debug)]
struct Recent {
    window: Seconds,
    acts: VecDeque<(Timestamp, Option<String>)>,
    by_key: HashMap<Option<String>, u32>,
}

impl Recent {
    fn new(window: Seconds) -> Self {
        Self { window, acts: VecDeque::new(), by_key: HashMap::new() }
    }

    /// Forgets what is older than the window at this time.
    fn until(&mut self, at: Timestamp) {
        let since = at - self.window.to_delta();
        while let Some((_, key)) = self.acts.pop_front_if(|(then, _)| *then <= since) {
            if let Some(count) = self.by_key.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.by_key.remove(&key);
                }
            }
        }
    }

    fn add(&mut self, at: Timestamp, key: Option<&str>) {
        // Where nobody counts, nothing is kept.
        if self.window.get() > 0 {
            let key = key.map(str::to_owned);
            self.acts.push_back((at, key.clone()));
            *self.by_key.entry(key).or_default() += 1;
        }
    }

    fn clear(&mut self) {
        self.acts.clear();
        self.by_key.clear();
    }

    fn in_all(&self) -> u32 {
        u32::try_from(self.acts.len()).unwrap_or(u32::MAX)
    }

    fn of_key(&self, key: Option<&str>) -> u32 {
        self.by_key.get(&key.map(str::to_owned)).copied().unwrap_or(0)
    }
}

fn stopped(result: Option<GuardResult>) -> Option<Replayed> {
    result.filter(|r| !r.passed).map(|r| Replayed::Held(r.detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::expression::Text;
    use crate::domain::guard::{Dedupe, Guards, Rate};
    use crate::domain::ids::UserName;
    use crate::domain::rule::conditions::Conditions;
    use crate::domain::rule::judge::{judge, scope};
    use crate::domain::rule::{Action as RuleAction, AuthoredMode, ROOTS};

    #[test]
    fn guards_see_the_past_that_the_rule_would_have_made() {
        let key = || Text::parse("{{ trigger.host }}", &ROOTS).unwrap();
        let guards = Guards {
            dedupe: Some(Dedupe { key: key(), window: Seconds::new(60) }),
            rate: Some(Rate { limit: 2, window: Seconds::new(600), key: None, opens_breaker: false }),
            ..Guards::default()
        };
        let rule = Rule {
            name: "r".to_owned(),
            pack: String::new(),
            description: String::new(),
            trigger: "a.b".to_owned(),
            trigger_parameters: serde_json::Value::Null,
            conditions: Conditions::default(),
            action: RuleAction::Nothing,
            mode: AuthoredMode::DryRun,
            owner: UserName::parse("o").unwrap(),
            guards,
            enrich: Vec::new(),
        };
        let mut replay = Replay::new(&rule);
        let begin = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut acts = |host: &str, seconds: i64| {
            let at = begin + chrono::TimeDelta::seconds(seconds);
            replay.next(&judge(&rule, &scope(json!({"host": host})), 0, at), at) == Replayed::Acts
        };
        assert!(acts("a", 0));
        assert!(!acts("a", 59), "the same in its window");
        assert!(acts("a", 60));
        assert!(!acts("b", 70), "two in ten minutes are enough");
        assert!(acts("b", 600));
    }
}
