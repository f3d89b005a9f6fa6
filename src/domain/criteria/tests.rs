use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn spec(path: &str, operator: &str, pattern: Value) -> CriterionSpec {
    CriterionSpec { path: path.to_owned(), operator: operator.to_owned(), pattern: Some(pattern), condition: None }
}

fn fires(operator: &str, value: &Value, pattern: &Value) -> bool {
    let criteria = Criteria::compile(vec![spec("trigger.x", operator, pattern.clone())])
        .unwrap_or_else(|e| panic!("{operator} {pattern}: {e:?}"));
    criteria.evaluate(&json!({"trigger": {"x": value}}), now()).matched
}

#[test]
fn each_operator_means_what_stackstorm_says() {
    let table = [
        ("equals", json!(5), json!(5.0), true),
        ("eq", json!(true), json!(1), true),
        ("equals", json!(5), json!("5"), false),
        ("equals", json!([1, {"a": 2}]), json!([1.0, {"a": 2}]), true),
        ("nequals", json!("a"), json!("b"), true),
        ("neq", json!("a"), json!("a"), false),
        ("iequals", json!("ProD"), json!("PRoD"), true),
        ("ieq", json!(5), json!("5"), false),
        ("contains", json!("web-10"), json!("b-1"), true),
        ("contains", json!(["a", 5]), json!(5.0), true),
        ("contains", json!({"k": 1}), json!("k"), true),
        ("contains", json!(7), json!("7"), false),
        ("ncontains", json!(["a"]), json!("b"), true),
        ("ncontains", json!(7), json!("7"), false),
        ("icontains", json!("DiskFull"), json!("FULL"), true),
        ("icontains", json!(["FULL"]), json!("full"), false),
        ("incontains", json!("DiskFull"), json!("cpu"), true),
        ("incontains", json!(["x"]), json!("cpu"), false),
        ("startswith", json!("web1"), json!("web"), true),
        ("startswith", json!("Web1"), json!("web"), false),
        ("istartswith", json!("Web1"), json!("wEB"), true),
        ("endswith", json!("web1"), json!("1"), true),
        ("iendswith", json!("a.LOG"), json!(".log"), true),
        ("lessthan", json!(3), json!(4), true),
        ("lt", json!("a"), json!("b"), true),
        ("greaterthan", json!(4.5), json!(4), true),
        ("gt", json!(5), json!("4"), false),
        ("matchwildcard", json!("web-10.example"), json!("web-[0-9]?.*"), true),
        ("matchwildcard", json!("WEB-10"), json!("web*"), false),
        ("matchwildcard", json!("xa"), json!("[!x]a"), false),
        ("matchwildcard", json!("[a"), json!("[a"), true),
        ("matchwildcard", json!("a\nb"), json!("a*b"), true),
        ("regex", json!("xx web1 xx"), json!("web[0-9]"), true),
        ("regex", json!("WEB1"), json!("web"), false),
        ("iregex", json!("WEB1"), json!("web"), true),
        ("matchregex", json!("web1 x"), json!("web"), true),
        ("matchregex", json!("a web1"), json!("web"), false),
        ("matchregex", json!("a\nb"), json!("a.b"), true),
        ("matchregex", json!("ab"), json!("x|ab # (?x)"), false),
        ("timediff_lt", json!("2026-11-30T11:59:30Z"), json!(60), true),
        ("td_lt", json!("2026-11-30 11:50:00"), json!("60"), false),
        ("timediff_gt", json!("2026-11-30T12:50:00+02:00"), json!(60), true),
        ("td_gt", json!("2026-11-30"), json!(43_000), true),
        ("td_gt", json!("yesterday"), json!(1), false),
        ("inside", json!("a"), json!(["a", "b"]), true),
        ("in", json!("web-1"), json!(["web-10"]), false),
        ("ninside", json!("c"), json!(["a", "b"]), true),
        ("nin", json!("a"), json!(["a", "b"]), false),
    ];
    for (operator, value, pattern, expected) in table {
        assert_eq!(fires(operator, &value, &pattern), expected, "{value} {operator} {pattern}");
        assert_eq!(fires(&operator.to_uppercase(), &value, &pattern), expected);
    }
}

#[test]
fn a_missing_field_matches_nothing_but_nexists() {
    let patterns = |operator: &str| match operator {
        "inside" | "in" | "ninside" | "nin" => json!(["a"]),
        "search" => json!({"item.a": {"type": "nexists"}}),
        o if o.contains("diff") || o.starts_with("td") => json!(5),
        _ => json!("a"),
    };
    for operator in OPERATORS {
        let mut one = spec("trigger.x", operator, patterns(operator));
        one.condition = (*operator == "search").then(|| "all".to_owned());
        let criteria = Criteria::compile(vec![one]).unwrap();
        for scope in [json!({}), json!({"trigger": {"x": null}}), json!({"trigger": "text"}), json!([])] {
            let evaluation = criteria.evaluate(&scope, now());
            assert_eq!(evaluation.matched, *operator == "nexists", "{operator} on {scope}");
            assert!(!evaluation.criteria[0].reason.is_empty());
        }
    }
}

#[test]
fn search_counts_items_and_patterns() {
    let run = |condition: &str, value: Value| {
        let pattern = json!({"item.a": {"type": "equals", "pattern": 1}, "item.b": {"type": "exists"}});
        let one = CriterionSpec { condition: Some(condition.to_owned()), ..spec("trigger.x", "search", pattern) };
        Criteria::compile(vec![one]).unwrap().evaluate(&json!({"trigger": {"x": value}}), now()).matched
    };
    let (both, only_a, none) = (json!({"a": 1, "b": 2}), json!({"a": 1}), json!({}));
    for (condition, items, expected) in [
        ("all", json!([both, both]), true),
        ("all", json!([both, only_a]), false),
        ("any", json!([only_a, both]), true),
        ("any", json!([only_a]), false),
        ("all2any", json!([both, only_a]), true),
        ("all2any", json!([both, none]), false),
        ("any2any", json!([none, only_a]), true),
        ("any2any", json!([none]), false),
        ("any", both.clone(), true),
        ("all", json!([]), false),
        ("all2any", json!([]), false),
        ("any", json!("text"), false),
    ] {
        assert_eq!(run(condition, items.clone()), expected, "{condition} {items}");
    }
}

#[test]
fn paths_reach_maps_lists_and_quoted_names() {
    let scope = json!({"trigger": {"list": [{"x": 1}], "headers": {"X-A": "v", "a.b": "w"}}});
    for (path, expected) in [
        ("trigger.list[0].x", json!(1)),
        ("trigger.headers['X-A']", json!("v")),
        ("trigger.headers[\"a.b\"]", json!("w")),
        ("trigger.list[0].x#second", json!(1)),
        ("trigger.headers.X-A", json!("v")),
    ] {
        let criteria = Criteria::compile(vec![spec(path, "equals", expected)]).unwrap();
        assert!(criteria.evaluate(&scope, now()).matched, "{path}");
    }
    for path in ["", "trigger.", ".a", "a..b", "a[", "a[x]", "a['b", "a]b", "[0]", "a[0]b", "a['']", "#tag"] {
        let error = Criteria::compile(vec![spec(path, "equals", json!(1))]).unwrap_err();
        assert_eq!(error[0].part, Part::Path, "{path}");
    }
}

#[test]
fn what_can_be_known_to_be_wrong_is_refused_when_compiled() {
    for (operator, pattern, part) in [
        ("equalz", json!(1), Part::Operator),
        ("equals", json!(null), Part::Pattern),
        ("startswith", json!(5), Part::Pattern),
        ("gt", json!([1]), Part::Pattern),
        ("regex", json!("(a"), Part::Pattern),
        ("regex", json!("a(?=b)"), Part::Pattern),
        ("inside", json!("web-10"), Part::Pattern),
        ("td_lt", json!("soon"), Part::Pattern),
        ("equals", json!("{{ trigger.y }}"), Part::Pattern),
        ("search", json!({}), Part::Condition),
    ] {
        let errors =
            Criteria::compile(vec![spec("a", "exists", json!(null)), spec("a", operator, pattern)]).unwrap_err();
        assert_eq!((errors[0].index, errors[0].part), (1, part), "{operator}: {errors:?}");
    }
    let both = Criteria::compile(vec![spec("a..b", "nope", json!(1))]).unwrap_err();
    assert_eq!(both.len(), 2);
}

#[test]
fn no_criteria_match_everything() {
    assert!(Criteria::default().evaluate(&json!(null), now()).matched);
}

proptest! {
    #[test]
    fn no_path_or_pattern_panics(path in ".{0,20}", index in 0..OPERATORS.len(), pattern in ".{0,12}", text in ".{0,12}") {
        if let Ok(criteria) = Criteria::compile(vec![spec(&path, OPERATORS[index], json!(pattern))]) {
            let _ = criteria.evaluate(&json!({ "trigger": text }), now());
        }
        if let Ok(criteria) = Criteria::compile(vec![spec("trigger", OPERATORS[index], json!(pattern))]) {
            let _ = criteria.evaluate(&json!({ "trigger": text }), now());
        }
    }
}
