use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::domain::ids::{JobId, JobPath, OptionName, PolicyName, StepName};
use crate::domain::job::{
    self, Concurrency, Dispatch, Job, MaxFailures, NodeDispatch, Notify, Retry, Step, StepAction, WhenBusy,
};
use crate::domain::option::{OptionKind, OptionSpec, Pattern};
use crate::domain::time::Seconds;
use crate::spec::{read_job, read_nodes, read_webhook};

/// Text that is awkward in YAML.
fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n\té\u{85}\u{2028}\u{feff}\u{7}]{1,24}",
        "[ \n\t:#'\"\\-|>&*!%@`{}\\[\\],?]{0,8}[a-z]{1,3}[ \n\t:#'\"\\-]{0,4}",
        prop::sample::select(vec![
            "true", "null", "~", "1.5", "0x1F", "- a", "a: b", "a #b", "---", "...", "é", "'", "yes", "|", "a\n\n",
            "\na", " a\nb", "a\r\nb"
        ])
        .prop_map(str::to_owned),
    ]
}

fn seconds() -> impl Strategy<Value = Seconds> {
    (1u64..100_000).prop_map(Seconds::new)
}

fn kinds() -> impl Strategy<Value = OptionKind> {
    let values =
        || prop::collection::btree_set("[a-z ~0-9]{1,4}", 1..4).prop_map(|s| s.into_iter().collect::<Vec<_>>());
    prop_oneof![
        (1usize..3_000).prop_map(|max_length| OptionKind::String { max_length }),
        (1usize..3_000).prop_map(|max_length| OptionKind::Text { max_length }),
        (of(-9i64..0), of(0i64..9)).prop_map(|(min, max)| OptionKind::Integer { min, max }),
        (of(-9.5f64..0.0), of(0.0f64..1e20)).prop_map(|(min, max)| OptionKind::Number { min, max }),
        Just(OptionKind::Boolean),
        values().prop_map(|values| OptionKind::Enum { values }),
        (values(), prop::sample::select(vec![",", ";", "|", "#"]))
            .prop_map(|(values, d)| OptionKind::Multi { values, delimiter: d.to_owned() }),
        Just(OptionKind::Date { min: Some("2026-01-02".to_owned()), max: None }),
        Just(OptionKind::DateTime),
        (of(Just(Seconds::new(5))), of(Just(Seconds::new(90))))
            .prop_map(|(min, max)| OptionKind::Duration { min, max }),
        Just(OptionKind::Node { filter: Some("tags: web !name: x".to_owned()) }),
        Just(OptionKind::Secret { storage: Some("keys/a/b".parse().unwrap()) }),
        (1usize..3_000_000).prop_map(|max_bytes| OptionKind::File { max_bytes }),
        Just(OptionKind::Json { max_length: 65_536 }),
        Just(OptionKind::Url { schemes: vec!["https".to_owned()] }),
    ]
}

fn options() -> impl Strategy<Value = Vec<OptionSpec>> {
    let one = (of(awkward()), awkward(), kinds(), any::<bool>(), any::<bool>(), any::<bool>());
    vec(one, 0..4).prop_map(|list| {
        let specs = list.into_iter().enumerate().map(|(i, (label, description, kind, required, dash, hidden))| {
            let pattern = match &kind {
                OptionKind::String { .. } => Some(Pattern::compile("[a-z']+: #").unwrap()),
                _ => None,
            };
            let default = match &kind {
                OptionKind::Enum { values } => values.first().cloned(),
                OptionKind::Boolean => Some("true".to_owned()),
                _ => None,
            };
            OptionSpec {
                name: OptionName::parse(&format!("o{i}")).unwrap(),
                label,
                description,
                kind,
                required,
                default,
                pattern,
                allow_leading_dash: dash,
                hidden,
            }
        });
        specs.collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = || awkward().prop_filter("a step does something", |t| !t.trim().is_empty());
    let action = prop_oneof![
        // Placeholders are judged elsewhere; here the text only has to survive.
        text().prop_map(|t| StepAction::Run {
            command: format!("echo {}", t.replace(['$', '`', '\'', '"', '\\', '<', '(', '#'], "_"))
        }),
        text().prop_map(|t| StepAction::Script {
            body: t.replace(['$', '@'], "_"),
            interpreter: "/bin/bash -e".to_owned()
        }),
    ];
    vec((action, of(seconds()), 0u32..3, any::<bool>()), 1..4).prop_map(|list| {
        let steps = list.into_iter().enumerate().map(|(i, (action, timeout, count, named))| Step {
            name: StepName::parse(&if named { format!("s{i}") } else { format!("step-{}", i + 1) }).unwrap(),
            action,
            timeout,
            retry: Retry { count, delay: Seconds::new(u64::from(count)) },
        });
        steps.collect()
    })
}

fn jobs() -> impl Strategy<Value = Job> {
    let dispatch = prop_oneof![
        Just(Dispatch::Local),
        (1u32..9, any::<bool>(), of(0u8..=100), awkward(), any::<bool>(), any::<bool>()).prop_map(
            |(concurrency, keep_going, percent, order_by, narrow, exclude_precedence)| {
                Dispatch::Nodes(NodeDispatch {
                    filter: "tags: web+prod".to_owned(),
                    exclude_precedence,
                    concurrency,
                    keep_going,
                    max_failures: percent.map(MaxFailures::Percent),
                    order_by,
                    user_may_narrow: narrow,
                })
            }
        ),
    ];
    let outer = (
        awkward(),
        options(),
        dispatch,
        of(seconds()),
        steps(),
        any::<bool>(),
        any::<bool>(),
        vec("[a-z0-9]{1,4}", 0..2),
    );
    outer.prop_map(|(description, options, dispatch, timeout, steps, enabled, idempotent, channels)| Job {
        id: Some(JobId::parse("0123").unwrap()),
        path: JobPath::parse("a b/1.5/true").unwrap(),
        description,
        options,
        dispatch,
        approval: enabled.then(|| PolicyName::parse("7").unwrap()),
        timeout,
        concurrency: idempotent.then_some(Concurrency { limit: 2, key: None, when_busy: WhenBusy::Queue }),
        retry: Retry::default(),
        idempotent,
        strategy: job::Strategy::Parallel,
        steps,
        notify: Notify {
            on_start: Vec::new(),
            on_success: channels.clone().into_iter().take(1).collect(),
            on_failure: Vec::new(),
        },
        enabled,
    })
}

proptest! {
    #[test]
    fn a_written_job_reads_back_the_same(job in jobs()) {
        let text = write_job(&job);
        match read_job(&text) {
            Ok(read) => prop_assert_eq!(read, job, "{}", text),
            Err(found) => prop_assert!(false, "{}\n{}", text, crate::spec::render(&found)),
        }
    }

    #[test]
    fn a_written_inventory_reads_back_the_same(description in awkward(), tag in "[a-z0-9 ~#:']{1,6}", extra in awkward()) {
        prop_assume!(!tag.trim().is_empty() && tag.trim() == tag);
        let mut listed = crate::domain::node::ListedNode { name: "1.5".to_owned(), tags: vec![tag], ..Default::default() };
        for (key, value) in [("hostname", "10.0.0.1:22"), ("description", &description), ("true", &extra)] {
            listed.attributes.insert(key.to_owned(), value.to_owned());
        }
        let nodes = vec![Node::from_attributes(listed).unwrap()];
        let text = write_nodes(&nodes);
        prop_assert_eq!(read_nodes(crate::spec::NodesFormat::Yaml, &text).map_err(|d| crate::spec::render(&d)), Ok(nodes), "{}", text);
    }
}

#[test]
fn a_job_is_written_for_people() {
    let job = read_job(
        "{id: a1, name: restart, group: services, description: Restart, options: [{name: service, required: true, pattern: '[a-z]+'}],
        nodes: {filter: 'tags: web', max_failures: 10%}, approval: {rule: p}, timeout: 600, enabled: true,
        steps: [{run: 'ls ${option.service}'}, {name: check, script: \"a\\nb\\n\", retry: {count: 2, delay: 10}}], notify: {on_failure: [chat]}}",
    )
    .unwrap();
    let expected = "\
id: a1
name: restart
group: services
description: Restart
options:
  - name: service
    required: true
    pattern: '[a-z]+'
nodes:
  filter: 'tags: web'
  max_failures: 10%
approval: p
timeout: 10m
steps:
  - run: ls ${option.service}
  - name: check
    script: |
      a
      b
    retry:
      count: 2
      delay: 10s
notify:
  on_failure:
    - chat
";
    assert_eq!(write_job(&job), expected);
}

#[test]
fn a_webhook_reads_back_the_same() {
    let source = "webhook:
  name: pd
  eventPlugin: webhook-run-job
  config:
    jobId: services/restart
    argString: '-service ${data.service} -reason x'
  verify:
    kind: hmac
    secrets:
      - keys/a
      - keys/b
    header: X-Signature
    prefix: sha256=
  when:
    data.env:
      type: inside
      pattern:
        - a
        - 5
  dedupe: ${data.id}
  run_as: other
  missing: empty
  node_filter: 'tags: web'
  mode: dry_run
";
    assert_eq!(write_webhook(&read_webhook(source).unwrap()), source);
}
