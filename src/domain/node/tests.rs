use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn listed(name: &str, attributes: &[(&str, &str)], tags: &[&str]) -> ListedNode {
    ListedNode {
        name: name.to_owned(),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
    }
}

fn nodes() -> Vec<Node> {
    [
        listed(
            "web1",
            &[("hostname", "10.0.0.1:2222"), ("osFamily", "unix"), ("rank", "10"), ("as:test", "elf")],
            &["web", "prod"],
        ),
        listed(
            "web2",
            &[("hostname", "10.0.0.2"), ("osFamily", "unix"), ("rank", "9"), ("zone", "a,b")],
            &["web", "staging"],
        ),
        listed(
            "db1",
            &[("hostname", "db.example.com"), ("osFamily", "bsd"), ("description", "the big one"), ("empty", "")],
            &["db", "prod"],
        ),
    ]
    .into_iter()
    .map(|l| Node::from_attributes(l).unwrap())
    .collect()
}

fn matched(filter: &str) -> Vec<String> {
    let filter = NodeFilter::parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
    nodes().iter().filter(|n| filter.matches(n)).map(|n| n.name.to_string()).collect()
}

#[test]
fn every_clause_of_the_filter_grammar() {
    let table: &[(&str, &[&str])] = &[
        ("", &["web1", "web2", "db1"]),
        (".*", &["web1", "web2", "db1"]),
        ("web1", &["web1"]),
        ("web1 db1", &["web1", "db1"]),
        ("web1,db1", &["web1", "db1"]),
        ("name: web.*", &["web1", "web2"]),
        ("name:web1", &["web1"]),
        ("'name:web1'", &["web1"]),
        ("web", &[]),
        ("name: /web[0-9]/", &["web1", "web2"]),
        ("name: /eb/", &[]),
        ("tags: web", &["web1", "web2"]),
        ("tags: web+prod", &["web1"]),
        ("tags: db,staging", &["web2", "db1"]),
        ("tags: web+prod,db", &["web1", "db1"]),
        ("tags: s.*", &["web2"]),
        ("tags: /s.*|d./", &["web2", "db1"]),
        ("tags: web tags: db", &["web1", "web2", "db1"]),
        ("tags: prod os-family: bsd", &["db1"]),
        ("osFamily: bsd", &["db1"]),
        ("!tags: web", &["db1"]),
        ("tags: prod !name: db1", &["web1"]),
        ("!web1", &["web2", "db1"]),
        ("!tags: prod !name: db1", &["web1", "web2"]),
        ("as:test: elf", &["web1"]),
        ("hostname: db.example.com", &["db1"]),
        ("hostname: 10.0.0.1", &["web1"]),
        ("description: \"the big one\"", &["db1"]),
        ("\"description:the big one\"", &["db1"]),
        ("zone: a,b", &["web2"]),
        ("zone: a", &[]),
        ("empty: .*", &[]),
        ("nosuch: x", &[]),
        ("rank: 9,10", &["web1", "web2"]),
        ("name: [", &[]),
    ];
    for (filter, expected) in table {
        assert_eq!(matched(filter), *expected, "{filter}");
    }
}

#[test]
fn which_side_wins_is_for_the_job_to_say() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("tags: web !name: web1", &["web2"], &["web1", "web2", "db1"]),
        ("tags: web !tags: prod", &["web2"], &["web1", "web2"]),
        ("!tags: web", &["db1"], &["db1"]),
        ("tags: web", &["web1", "web2"], &["web1", "web2"]),
        ("", &["web1", "web2", "db1"], &["web1", "web2", "db1"]),
    ];
    for (filter, excludes_win, includes_win) in table {
        let parsed = NodeFilter::parse(filter).unwrap();
        for (exclude_wins, expected) in [(true, excludes_win), (false, includes_win)] {
            let parsed = parsed.clone().with_exclude_precedence(exclude_wins);
            let found: Vec<String> = nodes().iter().filter(|n| parsed.matches(n)).map(|n| n.name.to_string()).collect();
            assert_eq!(found, *expected, "{filter} {exclude_wins}");
        }
    }
}

#[test]
fn a_bad_filter_names_the_place() {
    for (filter, offset) in
        [("tags:", 0), ("web1 tags:", 5), ("name: /(/", 6), ("'web1", 0), (":x", 0), ("!name: /[/", 7)]
    {
        assert_eq!(NodeFilter::parse(filter).unwrap_err().offset, offset, "{filter}");
    }
    assert!(NodeFilter::parse(&"a".repeat(5_000)).is_err());
}

#[test]
fn nodes_are_ordered_by_number_where_they_are_numbers() {
    let order = |attribute: &str| {
        let mut nodes = nodes();
        nodes.sort_by(|a, b| in_order(a, b, attribute));
        nodes.iter().map(|n| n.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order("name"), ["db1", "web1", "web2"]);
    assert_eq!(order("rank"), ["web2", "web1", "db1"]);
    assert_eq!(order("nosuch"), ["db1", "web1", "web2"]);
}

#[test]
fn attributes_become_a_node() {
    let node = Node::from_attributes(listed(
        "web1",
        &[
            ("hostname", "[::1]:2201"),
            ("username", "deploy"),
            ("environment", "production"),
            ("ssh-key-storage-path", "keys/ops/id"),
            ("ssh-jump", "jump@bastion:2022, 10.0.0.9"),
            ("node-executor", "local"),
        ],
        &["a", " b ", ""],
    ))
    .unwrap();
    assert_eq!((node.host.as_str(), node.port, node.transport), ("::1", 2201, Transport::Local));
    assert_eq!(node.jumps.len(), 2);
    assert_eq!((node.jumps[0].host.as_str(), node.jumps[0].port), ("bastion", 2022));
    assert_eq!(node.tags.len(), 2);
    assert_eq!(node.attribute("tags").as_deref(), Some("a,b"));
}

#[test]
fn nothing_that_ssh_would_read_as_a_flag_gets_through() {
    for (name, host) in [
        ("-V", "h"),
        ("a b", "h"),
        ("a%b", "h"),
        ("a", "-oProxyCommand=x"),
        ("a", "h%h"),
        ("a", "h h"),
        ("a", "h:0"),
        ("a", "h:-1"),
        ("a", ""),
        ("", "h"),
    ] {
        assert!(Node::from_attributes(listed(name, &[("hostname", host)], &[])).is_err(), "{name} {host}");
    }
    for (key, value) in [
        ("username", "-l"),
        ("ssh-jump", "-x@h"),
        ("ssh-jump", "a@-h"),
        ("ssh-jump", "h:99999"),
        ("ssh-key-storage-path", "/etc/shadow"),
    ] {
        let errors = Node::from_attributes(listed("a", &[("hostname", "h"), (key, value)], &[])).unwrap_err();
        assert_eq!(errors[0].attribute, key);
    }
    assert!(Node::from_attributes(listed("a", &[], &[])).is_err());
}

proptest! {
    #[test]
    fn no_filter_panics(filter in ".{0,40}") {
        if let Ok(filter) = NodeFilter::parse(&filter) {
            for node in nodes() {
                let _ = filter.matches(&node);
            }
        }
    }
}
