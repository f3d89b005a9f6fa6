use super::*;
use crate::spec::report::Report;

fn read(text: &str) -> (Vec<Document>, Vec<String>) {
    let mut report = Report::new("f", text);
    let (documents, _) = documents(&mut report);
    let (found, _) = report.finish();
    (documents, found.iter().map(|d| format!("{}:{} {}", d.line, d.column, d.code)).collect())
}

fn root(text: &str) -> Node {
    let (documents, found) = read(text);
    assert!(found.is_empty(), "{text}: {found:?}");
    documents.into_iter().next().unwrap().root
}

#[test]
fn scalars_follow_yaml_1_2() {
    let table = [
        ("on", Kind::Text),
        ("yes", Kind::Text),
        ("08:30", Kind::Text),
        ("1_000", Kind::Text),
        ("0b1", Kind::Text),
        ("=", Kind::Text),
        ("'true'", Kind::Text),
        ("true", Kind::Boolean(true)),
        ("FALSE", Kind::Boolean(false)),
        ("~", Kind::Null),
        ("12", Kind::Integer),
        ("-0x1", Kind::Text),
        ("0x1F", Kind::Integer),
        ("0o17", Kind::Integer),
        ("1.5e3", Kind::Float),
        (".5", Kind::Float),
        (".inf", Kind::Float),
        ("1e3", Kind::Float),
        ("e3", Kind::Text),
        ("10m", Kind::Text),
    ];
    for (text, kind) in table {
        assert_eq!(root(&format!("k: {text}")).get("k").unwrap().kind(), Some(kind), "{text}");
    }
}

#[test]
fn places_inside_scalars_are_found() {
    let marks = [
        ("run: echo X", "1:11"),
        ("run: 'it''s X'", "1:13"),
        ("run: \"echo X\"", "1:12"),
        ("run: \"a\\tX\"", "1:6"),
        ("run: |\n  echo\n\n    é X\n", "4:7"),
        ("run: |2-\n    two X\n", "2:9"),
        ("run: |\r\n  one\r\n  X\r\n", "3:3"),
        ("run: >\n  a\n  X\n", "2:3"),
        ("- run: |\n    X\n", "2:5"),
    ];
    for (text, expected) in marks {
        let node = root(text);
        let run = match &node.value {
            Value::List(items) => items[0].get("run").unwrap().clone(),
            _ => node.get("run").unwrap().clone(),
        };
        let offset = run.scalar().unwrap().text.find('X').unwrap();
        let span = run.inside(offset, text);
        let (line, column) = crate::spec::diagnostic::Lines::of(text).place(span.start);
        assert_eq!(format!("{line}:{column}"), expected, "{text:?}");
    }
}

#[test]
fn documents_know_their_own_text() {
    let text = "# one\na: 1\n---\n# two\nb: 2\n---\n---\nc: 3\n";
    let (documents, found) = read(text);
    assert!(found.is_empty());
    let texts: Vec<&str> = documents.iter().map(|d| &text[d.range.start..d.range.end]).collect();
    assert_eq!(texts, ["# one\na: 1\n", "# two\nb: 2\n", "c: 3\n"]);
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let (documents, found) = read("a: [1\n---\nb: 2\n---\nc: 'x\n---\nd: 4\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(documents.len(), 2);
}

#[test]
fn tags_duplicates_and_odd_keys_are_refused() {
    assert_eq!(read("a: !!str 1\n").1, ["1:4 tag_not_allowed"]);
    assert_eq!(read("a: !x {b: 1}\n").1, ["1:4 tag_not_allowed"]);
    assert_eq!(read("a: 1\nb: 2\na: 3\n").1, ["3:1 duplicate_key"]);
    assert_eq!(read("[1]: 1\n").1, ["1:1 bad_key"]);
    assert_eq!(read("%YAML 1.1\n---\na: 1\n").1.len(), 1);
}

#[test]
fn bounds_hold() {
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\n{}",
        ('b'..='j')
            .map(|c| {
                let p = char::from(c as u8 - 1);
                format!("{c}: &{c} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n")
            })
            .collect::<String>()
    );
    assert!(read(&bomb).1[0].ends_with("too_many_values"));
    for deep in ["[".repeat(10_000), "- ".repeat(10_000), "{a: ".repeat(10_000), "? ".repeat(10_000)] {
        let (documents, found) = read(&deep);
        assert!(documents.is_empty() && !found.is_empty() && found.len() < 5, "{found:?}");
    }
    let (documents, found) = read(&format!("[{}]", "1,".repeat(100_001)));
    assert!(documents.is_empty());
    assert!(found[0].ends_with("too_many_values"));
    assert!(read(&" ".repeat(MAX_BYTES + 1)).1[0].ends_with("too_large"));
    assert!(read("a: &a [*a]\n").1[0].ends_with("recursive_alias"));
    let nested = format!("a: &a {}{}\nb: {}*a{}\n", "[".repeat(50), "]".repeat(50), "[".repeat(50), "]".repeat(50));
    assert!(read(&nested).1[0].ends_with("too_deep"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[-a:\\[\\]{}&*!|>'\"%#@,? \n\r\té\u{feff}]{0,60}") {
        for document in read(&text).0 {
            assert!(text.get(document.range.start..document.range.end).is_some());
        }
    }
}
