use proptest::prelude::*;

use super::super::{Pattern, supplied_from_json};
use super::*;
use crate::domain::ids::{KeyPath, OptionName};
use crate::domain::time::Seconds;

fn spec(kind: OptionKind) -> OptionSpec {
    OptionSpec {
        name: OptionName::parse("x").unwrap(),
        label: None,
        description: String::new(),
        kind,
        required: false,
        default: None,
        pattern: None,
        allow_leading_dash: false,
        hidden: false,
    }
}

fn string() -> OptionKind {
    OptionKind::String { max_length: 1_000 }
}

/// The canonical text of a value, or the code that it is refused with.
fn outcome(spec: &OptionSpec, value: impl Into<RawValue>) -> Result<String, String> {
    let raw = RawValues::from([("x".to_owned(), value.into())]);
    let node = OptionName::parse("x").unwrap();
    let context = CheckContext { nodes: BTreeMap::from([(&node, vec!["web1".to_owned(), "web2".to_owned()])]) };
    match validate(std::slice::from_ref(spec), &raw, &context) {
        Ok(values) => match values.get(&node) {
            Some(Checked::Text(text)) => Ok(text.clone()),
            Some(other) => Ok(format!("{other:?}")),
            None => Ok("(absent)".to_owned()),
        },
        Err(errors) => Err(errors.first().unwrap().code.clone()),
    }
}

#[track_caller]
fn table(kind: OptionKind, rows: &[(&str, Result<&str, &str>)]) {
    let spec = spec(kind);
    for (given, expected) in rows {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(outcome(&spec, *given), expected, "{given:?}");
    }
}

#[test]
fn strings_are_one_line() {
    table(
        string(),
        &[
            ("a b'\"$(x)`{{y}}\\", Ok("a b'\"$(x)`{{y}}\\")),
            ("é🎉", Ok("é🎉")),
            ("", Ok("(absent)")),
            ("a\nb", Err("control_character")),
            ("a\r", Err("control_character")),
            ("\t", Err("control_character")),
            ("\u{7f}", Err("control_character")),
            ("\u{85}", Err("control_character")),
            ("a\u{2028}", Err("control_character")),
            ("a\u{202e}b", Err("bidi_character")),
            ("a\u{2066}b", Err("bidi_character")),
            ("a\0", Err("nul")),
            ("-rf", Err("leading_dash")),
            ("-", Err("leading_dash")),
        ],
    );
    let mut dashes = spec(string());
    dashes.allow_leading_dash = true;
    assert_eq!(outcome(&dashes, "-rf"), Ok("-rf".to_owned()));
    assert_eq!(outcome(&spec(string()), "x".repeat(1_001).as_str()), Err("too_long".to_owned()));
    assert_eq!(
        outcome(&spec(OptionKind::String { max_length: 1 << 20 }), "x".repeat(65_537).as_str()),
        Err("too_long".to_owned())
    );
}

#[test]
fn texts_keep_lines_and_tabs() {
    table(
        OptionKind::Text { max_length: 100 },
        &[
            ("a\r\nb\tc\n", Ok("a\nb\tc\n")),
            ("a\rb", Err("control_character")),
            ("a\u{1b}[31m", Err("control_character")),
            ("a\0", Err("nul")),
            ("--help", Err("leading_dash")),
        ],
    );
}

#[test]
fn a_pattern_matches_the_whole_text() {
    let mut spec = spec(string());
    for (pattern, given, good) in [
        ("[a-z]+", "abc", true),
        ("[a-z]+", "abc;", false),
        ("a|b", "ab", false),
        ("a", "a\n", false),
        ("(?m)a$", "a\nb", false),
    ] {
        spec.pattern = Some(Pattern::compile(pattern).unwrap());
        assert_eq!(outcome(&spec, given).is_ok(), good, "{pattern} {given:?}");
    }
}

#[test]
fn numbers_have_limits() {
    table(
        OptionKind::Integer { min: Some(-5), max: Some(10) },
        &[
            ("7", Ok("7")),
            (" -5 ", Ok("-5")),
            ("007", Ok("7")),
            ("-6", Err("too_small")),
            ("11", Err("too_large")),
            ("1.0", Err("not_a_number")),
            ("1;id", Err("not_a_number")),
            ("99999999999999999999", Err("not_a_number")),
        ],
    );
    table(
        OptionKind::Number { min: Some(0.5), max: Some(1e3) },
        &[
            ("0.50", Ok("0.50")),
            ("1e2", Ok("1e2")),
            ("0.4", Err("too_small")),
            ("1001", Err("too_large")),
            ("NaN", Err("not_a_number")),
            ("inf", Err("not_a_number")),
            (".5", Err("not_a_number")),
            ("1e", Err("not_a_number")),
            ("1e999", Err("not_a_number")),
        ],
    );
}

#[test]
fn choices_are_exact() {
    table(OptionKind::Boolean, &[("on", Ok("true")), ("FALSE", Ok("false")), ("maybe", Err("not_a_boolean"))]);
    let values = || vec!["nginx".to_owned(), "-v".to_owned()];
    table(
        OptionKind::Enum { values: values() },
        &[("nginx", Ok("nginx")), ("-v", Ok("-v")), ("nginx ", Err("not_one_of")), ("NGINX", Err("not_one_of"))],
    );
    table(OptionKind::Node { filter: None }, &[("web1", Ok("web1")), ("web3", Err("unknown_node"))]);
    let errors = validate(
        &[spec(OptionKind::Enum { values: values() })],
        &RawValues::from([("x".to_owned(), "ngnix".into())]),
        &CheckContext::default(),
    )
    .unwrap_err();
    assert!(errors[0].message.contains("did you mean `nginx`"), "{errors:?}");
}

#[test]
fn several_values_are_joined() {
    let listed = spec(OptionKind::Multi { values: vec!["a".into(), "b".into(), "c,d".into()], delimiter: ",".into() });
    let list = |v: &[&str]| RawValue::List(v.iter().map(|v| (*v).to_owned()).collect());
    assert_eq!(outcome(&listed, list(&["b", "a", "b"])), Ok("b,a".to_owned()));
    assert_eq!(outcome(&listed, "a,b"), Ok("a,b".to_owned()));
    assert_eq!(outcome(&listed, "a,x"), Err("not_one_of".to_owned()));
    assert_eq!(outcome(&listed, list(&["c,d"])), Err("contains_delimiter".to_owned()));
    assert_eq!(outcome(&listed, list(&[""])), Ok("(absent)".to_owned()));
    let free = spec(OptionKind::Multi { values: vec![], delimiter: " ".into() });
    assert_eq!(outcome(&free, list(&["x", "-y"])), Err("leading_dash".to_owned()));
    assert_eq!(outcome(&free, list(&["x", "y\n"])), Err("control_character".to_owned()));
    assert_eq!(outcome(&spec(string()), list(&["x", "y"])), Err("single_value".to_owned()));
}

#[test]
fn times_are_canonical() {
    table(
        OptionKind::Date { min: Some("2026-01-01".into()), max: None },
        &[
            ("2026-02-28", Ok("2026-02-28")),
            ("2026-02-30", Err("not_a_date")),
            ("2026-2-3", Err("not_a_date")),
            ("2025-12-31", Err("too_small")),
        ],
    );
    table(
        OptionKind::DateTime,
        &[
            ("2026-11-30T10:00:05+01:00", Ok("2026-11-30T09:00:05Z")),
            ("2026-11-30T10:00Z", Ok("2026-11-30T10:00:00Z")),
            ("2026-11-30T10:00", Err("offset_missing")),
            ("2026-11-30T10:00:00", Err("offset_missing")),
            ("tomorrow", Err("not_a_date_time")),
            ("2026-11-3é:10:00 x", Err("not_a_date_time")),
        ],
    );
    table(
        OptionKind::Duration { min: None, max: Some(Seconds::new(600)) },
        &[("1m 30s", Ok("90")), ("90", Ok("90")), ("11m", Err("too_large")), ("-5s", Err("not_a_duration"))],
    );
}

#[test]
fn secrets_come_from_one_place() {
    let typed = spec(OptionKind::Secret { storage: None });
    assert_eq!(outcome(&typed, "-hunter2"), Ok("TypedSecret([secret])".to_owned()));
    assert_eq!(outcome(&typed, "a\0"), Err("nul".to_owned()));
    let mut stored = spec(OptionKind::Secret { storage: Some(KeyPath::parse("keys/ops/db").unwrap()) });
    stored.required = true;
    assert_eq!(outcome(&stored, ""), Ok("StoredSecret(\"keys/ops/db\")".to_owned()));
    assert_eq!(outcome(&stored, "mine"), Err("secret_from_store".to_owned()));
}

#[test]
fn files_have_a_safe_name_and_a_limit() {
    let file = |name: &str, size: usize| {
        outcome(&spec(OptionKind::File { max_bytes: 4 }), RawValue::File { name: name.into(), bytes: vec![0; size] })
    };
    assert!(file("a b.txt", 4).is_ok());
    assert_eq!(file("a", 5), Err("too_large".to_owned()));
    for name in ["../x", "a/b", "..", ".hidden", "-rf", "a\0", "a\nb", "", &"x".repeat(201)] {
        assert_eq!(file(name, 1), Err("file_name".to_owned()), "{name:?}");
    }
    assert_eq!(outcome(&spec(OptionKind::File { max_bytes: 4 }), "x"), Err("not_a_file".to_owned()));
}

#[test]
fn json_is_checked_and_compacted() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    table(
        OptionKind::Json { max_length: 500 },
        &[
            (
                "{ \"b\" : [1, 1.50, 12345678901234567890123],\n\"a\": \" x \\\" y \\\\\" }",
                Ok("{\"b\":[1,1.50,12345678901234567890123],\"a\":\" x \\\" y \\\\\"}"),
            ),
            ("-5", Ok("-5")),
            ("{\"a\":1,\"a\":2}", Err("duplicate_key")),
            ("[{\"\\u0061\":1,\"a\":2}]", Err("duplicate_key")),
            ("{a:1}", Err("not_json")),
            ("1 2", Err("not_json")),
            (&deep(64), Ok(&deep(64))),
            (&deep(65), Err("too_deep")),
            (&deep(5_000), Err("not_json")),
        ],
    );
}

#[test]
fn addresses_are_absolute_and_without_users() {
    table(
        OptionKind::Url { schemes: vec!["https".into()] },
        &[
            ("https://example.org:8443/a?b=$(id)#c", Ok("https://example.org:8443/a?b=$(id)#c")),
            ("https://[::1]:1/", Ok("https://[::1]:1/")),
            ("http://example.org/", Err("scheme")),
            ("javascript:alert(1)", Err("not_a_url")),
            ("https://", Err("not_a_url")),
            ("https:///x", Err("not_a_url")),
            ("https://-oProxyCommand=x/", Err("not_a_url")),
            ("https://u:p@example.org/", Err("user_in_url")),
            ("https://example.org/a b", Err("not_a_url")),
            ("https://example.org:99999/", Err("not_a_url")),
            ("-https://x/", Err("not_a_url")),
            ("https://evil\\@example.org/", Err("not_a_url")),
        ],
    );
}

#[test]
fn defaults_apply_to_empty_values_and_are_checked() {
    let mut number = spec(OptionKind::Integer { min: None, max: Some(5) });
    number.default = Some("3".to_owned());
    number.required = true;
    assert_eq!(outcome(&number, ""), Ok("3".to_owned()));
    assert_eq!(check_default(&number), Ok(()));
    number.default = Some("9".to_owned());
    assert_eq!(check_default(&number).unwrap_err().code, "too_large");
    assert_eq!(outcome(&number, ""), Err("too_large".to_owned()));
    let mut secret = spec(OptionKind::Secret { storage: None });
    secret.default = Some("x".to_owned());
    assert_eq!(check_default(&secret).unwrap_err().code, "default_for_secret");
}

#[test]
fn all_mistakes_come_at_once_in_the_options_order() {
    let named = |name: &str| OptionSpec { name: OptionName::parse(name).unwrap(), required: true, ..spec(string()) };
    let specs = [named("zeta"), named("alpha"), named("service")];
    let raw = RawValues::from([("alpha".into(), "-x".into()), ("servise".into(), "a".into())]);
    let errors = validate(&specs, &raw, &CheckContext::default()).unwrap_err();
    let got: Vec<(&str, &str)> = errors.iter().map(|e| (e.field.as_str(), e.code.as_str())).collect();
    assert_eq!(
        got,
        [("zeta", "required"), ("alpha", "leading_dash"), ("service", "required"), ("servise", "unknown_option")]
    );
    assert!(errors[3].message.contains("did you mean `service`"));
}

#[test]
fn api_values_become_raw_values() {
    let json = serde_json::json!({
        "a": "t", "b": 5, "c": true, "d": ["x", 1], "e": {"k": [1]}, "f": null,
        "g": {"name": "n.txt", "content_base64": "aGk="}
    });
    let raw = supplied_from_json(&json).unwrap();
    assert_eq!(raw.get("b"), Some(&RawValue::Text("5".into())));
    assert_eq!(raw.get("d"), Some(&RawValue::List(vec!["x".into(), "1".into()])));
    assert_eq!(raw.get("e"), Some(&RawValue::Text("{\"k\":[1]}".into())));
    assert_eq!(raw.get("f"), None);
    assert_eq!(raw.get("g"), Some(&RawValue::File { name: "n.txt".into(), bytes: b"hi".to_vec() }));
    let bad = supplied_from_json(&serde_json::json!({"g": {"name": "n", "content_base64": "%"}})).unwrap_err();
    assert_eq!(bad[0].code, "bad_base64");
    assert_eq!(supplied_from_json(&serde_json::json!([])).unwrap_err()[0].code, "not_an_object");
}

proptest! {
    #[test]
    fn what_passes_as_a_string_is_unchanged(text in any::<String>()) {
        if let Ok(kept) = outcome(&spec(string()), text.as_str()) {
            prop_assert!(kept == text || text.is_empty());
        }
    }

    #[test]
    fn a_canonical_value_passes_again(text in "\\PC{0,12}|[0-9TZ:+. -]{0,25}|[{}\\[\\]\",:0-9a ]{0,12}") {
        for kind in [
            OptionKind::Text { max_length: 99 },
            OptionKind::Integer { min: None, max: None },
            OptionKind::Number { min: None, max: None },
            OptionKind::DateTime,
            OptionKind::Json { max_length: 99 },
            OptionKind::Duration { min: None, max: None },
        ] {
            let spec = spec(kind);
            if let Ok(once) = outcome(&spec, text.as_str()) && once != "(absent)" {
                prop_assert_eq!(outcome(&spec, once.as_str()), Ok(once));
            }
        }
    }
}
