//! How many events a second one core holds against many rules, and how that grows with their number.

use std::hint::black_box;
use std::time::{Duration, Instant};

use interlock::domain::rule::judge::{judge, scope};
use interlock::domain::rule::{Rule, RuleIndex};
use interlock::domain::time::Timestamp;
use interlock::spec;
use serde_json::{Value, json};

/// Types that the rules are spread over.
const TYPES: usize = 200;

/// How often each number of rules is measured, in turn; the best counts, as other work only ever slows one down.
const ROUNDS: usize = 6;
/// How long each time.
const ROUND: Duration = Duration::from_millis(400);

/// So many rules, and events of which each matches one of them.
struct Many {
    count: usize,
    rules: Vec<Rule>,
    index: RuleIndex,
    built: Duration,
    events: Vec<(String, Value)>,
    each_second: f64,
}

/// Rules of three criteria each over 200 event types; events of which each may concern a few of them.
pub(crate) fn matched() {
    println!("rules (3 criteria, 200 types)      events/s on one core    candidates an event");
    for (what, own) in [("patterns that many rules share", false), ("each with a pattern of its own", true)] {
        let mut all: Vec<Many> = [10, 1_000, 10_000].map(|count| Many::new(count, own)).into();
        let mut candidates = 0.0;
        for _ in 0..ROUNDS {
            for many in &mut all {
                let (each_second, looked_at) = many.measure();
                many.each_second = many.each_second.max(each_second);
                candidates = looked_at;
            }
        }
        let first = all[0].each_second;
        for many in &all {
            println!(
                "{:>6}    {:>28.0}    {candidates:>19.2}    {:.2} times the cost of 10; index built in {:.1} ms; {what}",
                many.count,
                many.each_second,
                first / many.each_second,
                many.built.as_secs_f64() * 1e3
            );
        }
    }
    println!();
}

impl Many {
    fn new(count: usize, own: bool) -> Self {
        let rules: Vec<Rule> = (0..count).map(|n| rule(n, own)).collect();
        let begun = Instant::now();
        let index = RuleIndex::build(rules.iter());
        let built = begun.elapsed();
        let events = (0..1_000).map(|n| event(n * 7 % count)).collect();
        Self { count, rules, index, built, events, each_second: 0.0 }
    }

    /// Events a second, and candidates an event.
    fn measure(&self) -> (f64, f64) {
        let now: Timestamp = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (mut events, mut candidates) = (0u64, 0u64);
        let begun = Instant::now();
        while begun.elapsed() < ROUND {
            for (kind, scope) in &self.events {
                for place in self.index.candidates(kind, scope) {
                    let judgement = judge(&self.rules[place], scope, 0, now);
                    assert!(judgement.outcome.matched);
                    black_box(judgement);
                    candidates += 1;
                }
                events += 1;
            }
        }
        (events as f64 / begun.elapsed().as_secs_f64(), candidates as f64 / events as f64)
    }
}

fn rule(n: usize, own: bool) -> Rule {
    let host = if own { format!("^web{n}-[0-9]+$") } else { "^web[0-9]+-[0-9]+$".to_owned() };
    let text = format!(
        "name: r{n}\ntrigger: {{type: source.{}}}\ncriteria:\n  trigger.labels.alertname: {{type: equals, pattern: Alert{}}}\n  trigger.labels.severity: {{type: inside, pattern: [warning, critical]}}\n  trigger.labels.instance: {{type: regex, pattern: '{host}'}}\naction: nothing\n",
        n % TYPES,
        n / TYPES
    );
    spec::read_rule(&text).unwrap()
}

/// An event that this rule matches.
fn event(n: usize) -> (String, Value) {
    let labels = json!({"alertname": format!("Alert{}", n / TYPES), "severity": "warning", "instance": format!("web{n}-12"), "job": "node"});
    (format!("source.{}", n % TYPES), scope(json!({"labels": labels, "status": "firing", "fingerprint": "c0ffee"})))
}
