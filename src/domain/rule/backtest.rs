//! A rule held against events of the past: what it would have done, with the guards that need only the rule's own past.
//!
//! Rights, environments and the blast radius depend on the inventory of that time, which nobody kept; they are not asked.

use std::collections::HashMap;

use super::Rule;
use super::judge::{Decision, Judgement};
use crate::domain::guard::breaker::{self, Counts, Probe, Standing};
use crate::domain::guard::{Facts, GuardResult, dedupe, rate};
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

/// The past that a backtest makes for itself while it goes on.
#[derive(Debug)]
pub struct Replay<'r> {
    rule: &'r Rule,
    claims: HashMap<String, Timestamp>,
    actions: Vec<Action>,
    standing: Standing,
}

#[derive(Debug)]
struct Action {
    at: Timestamp,
    rate: Option<String>,
    breaker: Option<String>,
}

impl<'r> Replay<'r> {
    /// Begins without a past.
    #[must_use]
    pub fn new(rule: &'r Rule) -> Self {
        let standing = Standing { state: breaker::State::Closed, since: None };
        Self { rule, claims: HashMap::new(), actions: Vec::new(), standing }
    }

    /// Takes the next event. Events come in the order of their time.
    pub fn next(&mut self, judgement: &Judgement, at: Timestamp) -> Replayed {
        let proposal = match (&judgement.decision, &judgement.proposal) {
            (Decision::NotMatched, _) => return Replayed::NotMatched,
            (Decision::Held(why) | Decision::Refused(why), _) => return Replayed::Held(why.clone()),
            (_, Some(proposal)) => proposal,
            (_, None) => return Replayed::Held("There is nothing to do.".to_owned()),
        };
        let guards = &self.rule.guards;
        let keys = &proposal.keys;
        let taken = keys.dedupe.as_ref().and_then(|k| self.claims.get(k)).is_some_and(|until| *until > at);
        let mut facts = Facts { claimed: !taken, ..Facts::default() };
        if let Some(held) = stopped(dedupe(guards.dedupe.as_ref(), keys.dedupe.as_deref(), &facts)) {
            return held;
        }
        let longest = [guards.rate.as_ref().map(|r| r.window), guards.breaker.as_ref().map(|b| b.window)];
        let longest = longest.into_iter().flatten().max().unwrap_or(Seconds::new(0));
        self.actions.retain(|a| a.at > at - longest.to_delta());
        let step = self.breaker(keys.breaker.as_deref(), at);
        self.moves(step.to, at);
        if let Some(held) = stopped(guards.breaker.as_ref().map(|_| step.result)) {
            return held;
        }
        if let Some(settings) = &guards.rate {
            let since = at - settings.window.to_delta();
            let same = |a: &&Action| a.at > since && (keys.rate.is_none() || a.rate == keys.rate);
            facts.in_rate = u32::try_from(self.actions.iter().filter(same).count()).unwrap_or(u32::MAX);
            if let Some(held) = stopped(rate(Some(settings), keys.rate.as_deref(), &facts)) {
                if settings.opens_breaker {
                    self.moves(breaker::State::Open, at);
                }
                return held;
            }
        }
        if let (Some(settings), Some(key)) = (&guards.dedupe, &keys.dedupe) {
            self.claims.insert(key.clone(), at + settings.window.to_delta());
        }
        self.actions.push(Action { at, rate: keys.rate.clone(), breaker: keys.breaker.clone() });
        Replayed::Acts
    }

    /// What nobody ran can neither fail nor succeed, so a probe counts as good and no run as failed.
    fn breaker(&self, key: Option<&str>, at: Timestamp) -> breaker::Step {
        let settings = self.rule.guards.breaker.as_ref();
        let mut counts = Counts::default();
        if let (Some(settings), breaker::State::Closed) = (settings, self.standing.state) {
            let since = at - settings.window.to_delta();
            let closed = |a: &&Action| self.standing.since.is_none_or(|closed| a.at >= closed);
            let recent: Vec<&Action> = self.actions.iter().filter(|a| a.at > since).filter(closed).collect();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            counts.in_all = count(recent.len());
            counts.by_key = count(recent.iter().filter(|a| a.breaker.as_deref() == key).count());
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
        }
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
            enrich: serde_json::Value::Null,
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
