//! A classifier that learns from people.

use serde_json::{Value, json};

use super::{alert, event, rule, verdict, world};
use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases};

on_both_databases! {
    it_learns_from_what_people_say_of_events
}

const CLASSIFIER: &str =
    "name: learns\ntype: classifier\nlabels: [disk-full, network]\ntext: '{{ trigger.summary }}'\n";

fn classifier_world(base: Base) -> TestApp {
    let every = rule("r", "learns", "notify");
    world(base, &[("enrichers/learns.yaml", CLASSIFIER), ("rules/r.yaml", &every)])
}

fn teach(client: &Client, event: &str, label: Value) -> crate::client::Answer {
    client.post(&format!("/api/v1/events/{event}/labels"), &json!({"enricher": "learns", "label": label}))
}

fn summary(label: &str, n: usize) -> String {
    let (what, how, more) = if label == "disk-full" {
        (
            ["filesystem", "volume"][n % 2],
            ["has no space left", "is almost full"][n / 2 % 2],
            ["on data disk", "cannot write file"][n / 4 % 2],
        )
    } else {
        (
            ["interface", "gateway"][n % 2],
            ["is unreachable", "drops packets"][n / 2 % 2],
            ["ping loss high", "no carrier"][n / 4 % 2],
        )
    };
    format!("host{n}: {what} {how}, {more}, round {}", ["one", "two", "three"][n / 8 % 3])
}

fn it_learns_from_what_people_say_of_events(base: Base) {
    let test = classifier_world(base);
    let ann = test.signed_in("ann");
    let mut first = String::new();
    for n in 0..12 {
        for label in ["disk-full", "network"] {
            let id = super::post(&test, &ann, &alert(&summary(label, n)));
            let seen = event(&ann, &id)["labels"][0].clone();
            if n < 8 {
                assert!(
                    seen["trouble"].as_str().unwrap().starts_with("It has too few labels to learn from: "),
                    "{seen}"
                );
                assert_eq!(verdict(&ann, &id, "r")["outcome"], "would");
            }
            teach(&ann, &id, json!(label)).expect(200);
            first = if first.is_empty() { id } else { first };
        }
    }
    let id = super::post(&test, &ann, &alert("host77: volume has no space left, cannot write file, round two"));
    let seen = event(&ann, &id)["labels"][0].clone();
    assert_eq!(seen["class"], "disk-full", "{seen}");
    assert!(seen["confidence"].as_f64().unwrap() > 0.8, "{seen}");
    assert!(seen["reason"].as_str().unwrap().contains("`space`"), "{seen}");
    let page = ann.get(&format!("/events/{id}")).expect(200).text();
    assert!(page.contains("By the words") && page.contains("Label for learns"), "{page}");
    let id = super::post(&test, &ann, &alert("quux frobnicates zanzibar"));
    assert_eq!(event(&ann, &id)["labels"][0]["trouble"], "It knows no word of this text.");
    // Who said it and when is on the record and on the page; it can be taken back.
    let page = ann.get(&format!("/events/{first}")).expect(200).text();
    assert!(page.contains("says ann") && page.contains(">disk-full</span>"), "{page}");
    let taught = test.record().into_iter().filter(|e| e.act.action == "enricher.taught").count();
    assert_eq!(taught, 24);
    teach(&ann, &first, json!(null)).expect(200);
    let page = ann.get(&format!("/events/{first}")).expect(200).text();
    assert!(page.contains("Nobody has said what it is"), "{page}");
    // Another server knows the same.
    let other = test.restart();
    let ann = other.signed_in("ann");
    let id = super::post(&other, &ann, &alert("host78: gateway is unreachable, ping loss high, round one"));
    assert_eq!(event(&ann, &id)["labels"][0]["class"], "network");
}

#[test]
fn only_people_who_may_promote_it_teach_it() {
    let test = classifier_world(Base::Sqlite);
    let ann = test.signed_in("ann");
    let id = super::post(&test, &ann, &alert("x"));
    teach(&test.signed_in("vic"), &id, json!("network")).expect(403);
    teach(&ann, &id, json!("reboot")).expect(422);
    let page = test.signed_in("vic").get(&format!("/events/{id}")).expect(200).text();
    assert!(page.contains("Nobody has said") && !page.contains("Save label"), "{page}");
    let sent = super::form(&ann, &format!("/events/{id}/labels"), &[("enricher", "learns"), ("label", "network")]);
    assert!([302, 303].contains(&sent.status), "{}", sent.status);
    assert!(ann.get(&format!("/events/{id}")).expect(200).text().contains("says ann"));
}
