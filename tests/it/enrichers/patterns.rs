//! Tables of patterns, and what holds for every label whoever gave it.

use interlock::domain::run::State;
use serde_json::json;

use super::{TABLE, alert, event, floor, load, mode, post, promote, rule, runs, verdict, with, world};
use crate::harness::{Base, on_both_databases};

on_both_databases! {
    a_label_that_is_sure_enough_acts_and_one_that_is_not_tells_people
    what_a_sender_calls_a_label_is_none
}

fn a_label_that_is_sure_enough_acts_and_one_that_is_not_tells_people(base: Base) {
    let files = [("enrichers/table.yaml", TABLE), ("rules/r.yaml", &rule("r", "table", "notify"))];
    let test = world(base, &files);
    let ann = test.signed_in("ann");
    post(&test, &ann, &alert("no space left"));
    promote(&test, "r");
    let ann = test.signed_in("ann");
    for (summary, outcome, class, confidence) in [
        ("write: No space left on device", "ran", json!("disk-full"), 0.95),
        ("disk 80% used", "notified", json!("disk-full"), 0.4),
        ("cpu is hot", "not_matched", json!("other"), 1.0),
        ("something else", "notified", json!(null), 0.0),
    ] {
        let id = post(&test, &ann, &alert(summary));
        let seen = event(&ann, &id);
        assert_eq!(seen["labels"][0]["class"], class, "{seen}");
        assert_eq!(seen["labels"][0]["confidence"], confidence, "{seen}");
        assert_eq!(verdict(&ann, &id, "r")["outcome"], outcome, "{summary}");
    }
    assert_eq!(runs(&test).len(), 1);
    // Nobody is asked about what the rule cannot match whatever the label.
    let id = post(&test, &ann, &json!({"env": "production", "host": "web1", "summary": "no space left"}));
    assert_eq!(event(&ann, &id)["labels"], json!([]));
    // A field that is not there leaves nothing to look at.
    let id = post(&test, &ann, &json!({"env": "staging", "host": "web1"}));
    let seen = event(&ann, &id);
    assert!(seen["labels"][0]["trouble"].as_str().unwrap().contains("cannot be filled in"), "{seen}");
    assert_eq!(floor(&verdict(&ann, &id, "r")), "`ai_confidence` is 0, below 0.9: people are told and nothing runs.");
    assert_eq!(runs(&test).len(), 1);
}

fn what_a_sender_calls_a_label_is_none(base: Base) {
    let by_field = rule("b", "table", "drop").replace("ai_class:", "trigger.ai_class:");
    let own = rule("c", "table", "drop")
        .replace("enrich: [table]\n", "")
        .replace("{field: ai_confidence,", "{field: trigger.ai_confidence,");
    let files = [
        ("enrichers/table.yaml", TABLE),
        ("rules/a.yaml", &rule("a", "table", "drop")),
        ("rules/b.yaml", &by_field),
        ("rules/c.yaml", &own),
    ];
    let test = world(base, &files);
    let ann = test.signed_in("ann");
    let mut spoofed = alert("nothing that a pattern finds");
    for (name, value) in [
        ("ai_class", json!("disk-full")),
        ("ai_confidence", json!(1)),
        ("ai_by", json!("table")),
        ("ai", json!({"table": {"class": "disk-full", "confidence": 1}})),
    ] {
        spoofed[name] = value;
    }
    let id = post(&test, &ann, &spoofed);
    for name in ["a", "b"] {
        let held = verdict(&ann, &id, name);
        assert_eq!(held["outcome"], "held", "{held}");
        assert_eq!(floor(&held), "`ai_confidence` is 0, below 0.9: nothing happens.");
        assert_eq!(held["criteria"][1]["value"], json!(null), "{held}");
    }
    assert_eq!(verdict(&ann, &id, "c")["outcome"], "not_matched");
    // The label wins over what the sender wrote, in either spelling.
    spoofed["summary"] = json!("no space left");
    spoofed["ai_class"] = json!("other");
    spoofed["ai_confidence"] = json!(0.1);
    let id = post(&test, &ann, &spoofed);
    for name in ["a", "b"] {
        let would = verdict(&ann, &id, name);
        assert_eq!((&would["outcome"], &would["criteria"][1]["value"]), (&json!("would"), &json!("disk-full")));
    }
    assert_eq!(verdict(&ann, &id, "c")["outcome"], "not_matched");
}

#[test]
fn below_the_floor_the_rules_own_word_decides() {
    let signed = super::JOB.replace("name: rotate\n", "name: signed\napproval: two\n");
    let asks = rule("approval", "table", "approval").replace("ops/rotate", "ops/signed");
    let plain = rule("unsigned", "table", "approval");
    let drop = rule("drop", "table", "drop");
    let files = [
        ("jobs/signed.yaml", signed.as_str()),
        ("enrichers/table.yaml", TABLE),
        ("rules/approval.yaml", &asks),
        ("rules/unsigned.yaml", &plain),
        ("rules/drop.yaml", &drop),
    ];
    let test = world(Base::Sqlite, &files);
    post(&test, &test.signed_in("ann"), &alert("no space left"));
    for rule in ["approval", "unsigned", "drop"] {
        promote(&test, rule);
    }
    let ann = test.signed_in("ann");
    for summary in ["disk 80% used", "what no pattern knows"] {
        let before = runs(&test).len();
        let id = post(&test, &ann, &alert(summary));
        assert_eq!(verdict(&ann, &id, "approval")["outcome"], "ran", "{summary}");
        assert_eq!(verdict(&ann, &id, "unsigned")["outcome"], "held", "the job asks for no signature");
        assert_eq!(verdict(&ann, &id, "drop")["outcome"], "held");
        let waiting = runs(&test);
        assert_eq!(waiting.len(), before + 1);
        assert!(waiting.iter().all(|run| run.state == State::PendingApproval));
    }
}

#[test]
fn the_first_enricher_that_gives_a_label_decides() {
    let second =
        TABLE.replace("name: table", "name: second").replace("'cpu', label: other", "'else', label: disk-full");
    let files = [
        ("enrichers/table.yaml", TABLE),
        ("enrichers/second.yaml", &second),
        (
            "rules/r.yaml",
            &rule("r", "table, second", "notify")
                .replace("  ai_class:", "  ai_by: {type: exists}\n  ai.second.class: {type: exists}\n  ai_class:"),
        ),
    ];
    let test = world(Base::Sqlite, &files);
    let ann = test.signed_in("ann");
    let id = post(&test, &ann, &alert("something else"));
    let seen = event(&ann, &id);
    let mut by: Vec<_> = seen["labels"].as_array().unwrap().iter().map(|l| (&l["enricher"], &l["class"])).collect();
    by.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(by, [(&json!("second"), &json!("disk-full")), (&json!("table"), &json!(null))]);
    let would = verdict(&ann, &id, "r");
    assert_eq!(would["outcome"], "would", "{would}");
    assert_eq!(would["criteria"][2]["value"], "disk-full");
    let id = post(&test, &ann, &alert("no space left"));
    assert_eq!(event(&ann, &id)["labels"].as_array().unwrap().len(), 1, "the second one is not asked");
}

#[test]
fn a_changed_enricher_puts_the_rules_that_ask_it_back_to_dry_run() {
    let files = [("enrichers/table.yaml", TABLE), ("rules/r.yaml", &rule("r", "table", "notify"))];
    let test = world(Base::Sqlite, &files);
    post(&test, &test.signed_in("ann"), &alert("no space left"));
    promote(&test, "r");
    test.clock.advance(chrono::TimeDelta::seconds(1));
    let wider = TABLE.replace("(?i)disk", ".");
    load(&test, &[("enrichers/table.yaml", &wider), files[1]]);
    let ann = test.signed_in("ann");
    assert_eq!(mode(&ann, "r"), "dry_run");
    let id = post(&test, &ann, &alert("no space left"));
    assert_eq!(verdict(&ann, &id, "r")["outcome"], "would");
    assert_eq!(runs(&test).len(), 0);
    // The old text does not bring it back.
    test.clock.advance(chrono::TimeDelta::seconds(1));
    load(&test, &files);
    assert_eq!(mode(&test.signed_in("ann"), "r"), "dry_run");
}

#[test]
fn a_backtest_asks_nobody() {
    let files = [("enrichers/table.yaml", TABLE), ("rules/r.yaml", &rule("r", "table", "drop"))];
    let test = world(Base::Sqlite, &files[..1]);
    let ann = test.signed_in("ann");
    post(&test, &ann, &alert("no space left"));
    load(&test, &files);
    post(&test, &ann, &alert("no space left"));
    let since = json!({"since": "1d"});
    let report = ann.post("/api/v1/rules/ops/r/backtest", &since).expect(200).json();
    let counts = ["events", "acts", "held"].map(|key| report[key].as_i64().unwrap());
    assert_eq!(counts, [2, 1, 1], "the first event has no label, which is no confidence: {report}");
}

#[test]
fn the_pages_say_what_was_told_and_why() {
    let files = [("enrichers/table.yaml", TABLE), ("rules/r.yaml", &rule("r", "table", "notify"))];
    let test = world(Base::Sqlite, &files);
    let ann = test.signed_in("ann");
    let id = post(&test, &ann, &alert("<b>no space left</b>"));
    let page = ann.get(&format!("/events/{id}")).expect(200).text();
    for words in ["disk-full", "95 %", "Pattern 1 found `no space left`."] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = ann.get("/enrichers").expect(200).text();
    for words in ["table", "disk-full, other", "/rules/ops/r", "/projects/ops/edit/enricher/table"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let vic = test.signed_in("vic").get("/enrichers").expect(200).text();
    assert!(vic.contains("table") && !vic.contains("/edit/"), "{vic}");
}

#[test]
fn mistakes_are_told_where_they_stand() {
    let test = world(Base::Sqlite, &[]);
    let table = ("enrichers/table.yaml", TABLE);
    for (file, code) in [
        (rule("r", "tabel", "notify"), "unknown_enricher"),
        (rule("r", "table", "notify").replace("pattern: disk-full", "pattern: disk_full"), "unknown_label"),
        (rule("r", "table", "notify").replace("field: ai_confidence", "field: trigger.x"), "no_confidence_floor"),
        (rule("r", "table", "notify").replace("trigger.host", "ai_class"), "bad_template"),
    ] {
        let refused = test.try_load("ops", &with(&[table, ("rules/r.yaml", &file)])).unwrap_err();
        let fields = &refused.refusal().unwrap().fields;
        assert!(fields.iter().any(|f| f.code == code), "{code}: {fields:?}");
    }
}
