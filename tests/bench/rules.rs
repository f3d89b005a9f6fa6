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

/// Rules of three criteria each over 200 event types; events of which each may concern a few of them.
pub(crate) fn matched() {
    println!("rules (3 criteria, 200 types)      events/s on one core    candidates an event");
    let mut first = None;
    for count in [10, 1_000, 10_000] {
        let rules: Vec<Rule> = (0..count).map(rule).collect();
        let begun = Instant::now();
        let index = RuleIndex::build(rules.iter());
        let built = begun.elapsed();
        let scopes: Vec<(String, Value)> = (0..1_000).map(|n| event(n, count)).collect();
        let now: Timestamp = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (mut events, mut candidates) = (0u64, 0u64);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            for (kind, scope) in &scopes {
                for place in index.candidates(kind, scope) {
                    black_box(judge(&rules[place], scope, 0, now));
                    candidates += 1;
                }
                events += 1;
            }
        }
        let each_second = events as f64 / begun.elapsed().as_secs_f64();
        let of_first = *first.get_or_insert(each_second) / each_second;
        println!(
            "{count:>6}    {each_second:>28.0}    {:>19.2}    {of_first:.2} times the cost of 10; index built in {:.1} ms",
            candidates as f64 / events as f64,
            built.as_secs_f64() * 1e3
        );
    }
    println!();
}

fn rule(n: usize) -> Rule {
    let text = format!(
        "name: r{n}\ntrigger: {{type: source.{}}}\ncriteria:\n  trigger.labels.alertname: {{type: equals, pattern: Alert{}}}\n  trigger.labels.severity: {{type: inside, pattern: [warning, critical]}}\n  trigger.labels.instance: {{type: regex, pattern: '^web[0-9]+$'}}\naction: nothing\n",
        n % TYPES,
        n / TYPES
    );
    spec::read_rule(&text).unwrap()
}

/// An event that one of the rules matches.
fn event(n: usize, rules: usize) -> (String, Value) {
    let n = n % rules;
    let labels =
        json!({"alertname": format!("Alert{}", n / TYPES), "severity": "warning", "instance": "web12", "job": "node"});
    (format!("source.{}", n % TYPES), scope(json!({"labels": labels, "status": "firing", "fingerprint": "c0ffee"})))
}
