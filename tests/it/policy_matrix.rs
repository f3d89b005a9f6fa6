//! Who may do what: the whole table of the example policy, the rules that hold for every policy, and compiled grants
//! held equal to casbin.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chrono::DateTime;
use interlock::domain::access::{
    AccessRules, Actor, Denied, Grant, GrantEffect, Member, Permission, Principal, Resource, Via,
};
use interlock::domain::ids::{Environment, GroupName, JobPath, KeyPath, NodeName, ProjectName, RoleName, UserName};
use interlock::policy::Policy;
use proptest::prelude::*;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn project() -> ProjectName {
    ProjectName::parse("ops").unwrap()
}

fn session() -> Via {
    Via::Session { authenticated_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap() }
}

fn token(scopes: Option<&[Permission]>) -> Via {
    Via::Token { id: "t1".to_owned(), scopes: scopes.map(|s| s.iter().copied().collect()) }
}

fn actor(principal: Principal, groups: &[&str], via: Via) -> Actor {
    let groups = groups.iter().map(|g| GroupName::parse(g).unwrap()).collect();
    Actor { principal, groups, via, administrator: false }
}

fn person(name: &str, groups: &[&str]) -> Actor {
    actor(Principal::User(user(name)), groups, session())
}

fn administrator(name: &str) -> Actor {
    Actor { administrator: true, ..person(name, &[]) }
}

fn job(path: &str, environment: Option<&str>) -> Resource {
    let environment = environment.map(|e| Environment::parse(e).unwrap());
    Resource::Job { project: project(), path: JobPath::parse(path).unwrap(), environment }
}

fn node(name: &str, environment: Option<&str>) -> Resource {
    let environment = environment.map(|e| Environment::parse(e).unwrap());
    Resource::Node { project: project(), name: NodeName::parse(name).unwrap(), environment }
}

fn key(path: &str) -> Resource {
    Resource::Key { project: project(), path: KeyPath::parse(path).unwrap() }
}

/// `allow view,run on job/** in production` at the line of its place in the list.
fn grant(text: &str, line: u32) -> Grant {
    let words: Vec<&str> = text.split(' ').collect();
    let effect = if words[0] == "allow" { GrantEffect::Allow } else { GrantEffect::Deny };
    let permissions = words[1].split(',').map(|p| Permission::parse(p).unwrap()).collect();
    let environment = words.get(5).map(|e| Environment::parse(e).unwrap());
    Grant { effect, permissions, on: words[3].to_owned(), environment, line }
}

fn rules(roles: &[(&str, &[&str])], members: &[(&str, &[Member])]) -> AccessRules {
    let mut lines = 1..;
    let mut all = AccessRules::default();
    for (role, grants) in roles {
        lines.next();
        let grants = grants.iter().zip(&mut lines).map(|(text, line)| grant(text, line));
        all.roles.insert(RoleName::parse(role).unwrap(), grants.collect());
    }
    for (role, holders) in members {
        all.members.insert(RoleName::parse(role).unwrap(), holders.iter().cloned().collect());
    }
    all
}

fn example() -> Policy {
    let someone = |name: &str| Member::User(user(name));
    let rules = rules(
        &[
            (
                "oncall",
                &[
                    "allow view,run,cancel on job/**",
                    "deny run on job/db/** in production",
                    "allow view,run on node/**",
                ],
            ),
            ("manager", &["allow view,approve on job/**"]),
            ("dba", &["allow view,run,edit on job/db/**", "allow use_secret,view_secret_names on key/keys/db/*"]),
            ("hooks", &["allow view,run,approve on job/services/* in staging", "allow view,run on node/* in staging"]),
            ("author", &["allow view,edit on **", "allow promote on rule/*", "deny edit on project"]),
            ("commander", &["allow view,run,break_glass,approve,administer on job/**"]),
        ],
        &[
            ("oncall", &[someone("alice"), Member::Group(GroupName::parse("sre").unwrap())]),
            ("manager", &[someone("maria")]),
            ("dba", &[someone("dana"), someone("alice")]),
            ("hooks", &[Member::Service(user("pagerduty"))]),
            ("author", &[someone("arthur")]),
            ("commander", &[someone("carol")]),
        ],
    );
    Policy::build(&BTreeMap::from([(project(), (rules, 7))])).unwrap()
}

fn resources() -> Vec<(&'static str, Resource)> {
    vec![
        ("job services/restart", job("services/restart", None)),
        ("… in staging", job("services/restart", Some("staging"))),
        ("… in production", job("services/restart", Some("production"))),
        ("job db/vacuum", job("db/vacuum", None)),
        ("… in staging", job("db/vacuum", Some("staging"))),
        ("… in production", job("db/vacuum", Some("production"))),
        ("node web1 in staging", node("web1", Some("staging"))),
        ("node web1", node("web1", None)),
        ("key keys/db/root", key("keys/db/root")),
        ("key keys/db/a/b", key("keys/db/a/b")),
        ("webhook pagerduty", Resource::Webhook { project: project(), name: "pagerduty".to_owned() }),
        ("rule disk", Resource::Rule { project: project(), name: "disk".to_owned() }),
        ("events", Resource::Events { project: project() }),
        ("project", Resource::Project { project: project() }),
        ("account alice", Resource::Account { name: user("alice") }),
        ("system", Resource::System),
    ]
}

fn actors() -> Vec<(&'static str, Actor)> {
    vec![
        ("alice: oncall, dba", person("alice", &[])),
        ("bob: oncall by group sre", person("bob", &["sre"])),
        ("maria: manager", person("maria", &[])),
        ("dana: dba", person("dana", &[])),
        ("arthur: author", person("arthur", &[])),
        ("carol: commander", person("carol", &[])),
        ("zoe: no role", person("zoe", &[])),
        ("service pagerduty: hooks", actor(Principal::Service(user("pagerduty")), &[], token(None))),
        ("alice's token, all scopes", actor(Principal::User(user("alice")), &[], token(None))),
        ("alice's token, view", actor(Principal::User(user("alice")), &[], token(Some(&[Permission::View])))),
        (
            "carol's token, run approve",
            actor(Principal::User(user("carol")), &[], token(Some(&[Permission::Run, Permission::Approve]))),
        ),
        ("administrator", administrator("root")),
        ("administrator's token, all scopes", Actor { via: token(None), ..administrator("root") }),
        ("administrator's token, edit", Actor { via: token(Some(&[Permission::Edit])), ..administrator("root") }),
        ("operator", actor(Principal::Operator("root".to_owned()), &[], Via::CommandLine)),
        ("system", Actor::system()),
    ]
}

#[test]
fn the_whole_table() {
    let policy = example();
    let mut table = String::from("✔ allowed, ✘ forbidden, · hidden\ncolumns: ");
    table += &Permission::ALL.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
    table += "\n";
    for (who, actor) in actors() {
        writeln!(table, "\n{who}").unwrap();
        for (what, resource) in resources() {
            let marks: Vec<&str> = Permission::ALL
                .iter()
                .map(|permission| match policy.authorize(&actor, *permission, &resource) {
                    Ok(permit) => {
                        assert_eq!(
                            (permit.actor(), permit.permission(), permit.resource()),
                            (&actor, *permission, &resource)
                        );
                        "✔"
                    }
                    Err(Denied::Forbidden { .. }) => "✘",
                    Err(Denied::Hidden) => "·",
                })
                .collect();
            writeln!(table, "  {}  {what}", marks.join(" ")).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_reason_names_the_line() {
    let policy = example();
    let mut text = String::new();
    for (actor, permission, resource) in [
        (person("alice", &[]), Permission::Run, job("services/restart", Some("production"))),
        (person("alice", &[]), Permission::Run, job("db/vacuum", Some("production"))),
        (person("bob", &["sre"]), Permission::Approve, job("db/vacuum", None)),
        (person("zoe", &[]), Permission::View, job("db/vacuum", None)),
        (administrator("root"), Permission::Edit, job("db/vacuum", None)),
        (administrator("root"), Permission::Approve, job("db/vacuum", None)),
        (actor(Principal::User(user("alice")), &[], token(Some(&[Permission::View]))), Permission::Run, job("x", None)),
        (Actor::system(), Permission::Approve, job("x", None)),
    ] {
        let why = policy.explain(&actor, permission, &resource);
        assert_eq!(why.allowed, policy.authorize(&actor, permission, &resource).is_ok());
        writeln!(text, "{} {permission} {resource}: {}", actor.principal, if why.allowed { "yes" } else { "no" })
            .unwrap();
        for step in &why.steps {
            writeln!(text, "  {step}").unwrap();
        }
        if let Err(refused) = policy.authorize(&actor, permission, &resource) {
            writeln!(text, "  => {refused}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_deny_by_group_wins_over_an_allow_by_name() {
    let rules = rules(
        &[("runner", &["allow view,run on job/**"]), ("barred", &["deny run on job/**"])],
        &[
            ("runner", &[Member::User(user("alice"))]),
            ("barred", &[Member::Group(GroupName::parse("contractors").unwrap())]),
        ],
    );
    let policy = Policy::build(&BTreeMap::from([(project(), (rules, 1))])).unwrap();
    let run = |groups: &[&str]| policy.authorize(&person("alice", groups), Permission::Run, &job("a", None)).is_ok();
    assert!(run(&[]));
    assert!(!run(&["contractors"]));
    // Members of the same name and another kind are somebody else.
    let service = actor(Principal::Service(user("alice")), &[], Via::Engine);
    assert!(policy.authorize(&service, Permission::Run, &job("a", None)).is_err());
}

#[test]
fn rules_of_one_project_say_nothing_about_another() {
    let policy = example();
    let elsewhere = Resource::Job {
        project: ProjectName::parse("billing").unwrap(),
        path: JobPath::parse("services/restart").unwrap(),
        environment: None,
    };
    assert_eq!(policy.authorize(&person("alice", &[]), Permission::Run, &elsewhere).unwrap_err(), Denied::Hidden);
    assert!(policy.authorize(&person("alice", &[]), Permission::Run, &job("services/restart", None)).is_ok());
    assert_eq!(policy.revision(&project()), Some(7));
    let nothing = Policy::build(&BTreeMap::new()).unwrap();
    assert_eq!(
        nothing.authorize(&person("alice", &[]), Permission::View, &job("a", None)).unwrap_err(),
        Denied::Hidden
    );
}

#[test]
fn who_may_lists_roles_and_never_lets_a_service_approve() {
    let policy = example();
    let who = |permission, resource| {
        let held = policy.who_may(permission, &resource).into_iter();
        held.map(|h| format!("{}: {}", h.role, h.members.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        who(Permission::Run, job("db/vacuum", Some("production"))),
        ["commander: user:carol", "dba: user:alice user:dana"]
    );
    assert_eq!(
        who(Permission::Approve, job("services/restart", Some("staging"))),
        ["commander: user:carol", "hooks: ", "manager: user:maria"]
    );
}

// ---- for every policy ----

fn some_grant() -> impl Strategy<Value = Grant> {
    let on = prop::sample::select(vec![
        "**", "job/**", "job/*", "job/a/*", "job/a/**", "job/b", "node/*", "key/**", "event",
    ]);
    let environment = prop::sample::select(vec![None, None, Some("staging"), Some("production")]);
    let permissions = prop::sample::subsequence(Permission::ALL.to_vec(), 1..5);
    (any::<bool>(), permissions, on, environment).prop_map(|(allow, permissions, on, environment)| Grant {
        effect: if allow { GrantEffect::Allow } else { GrantEffect::Deny },
        permissions: permissions.into_iter().collect(),
        on: on.to_owned(),
        environment: environment.map(|e| Environment::parse(e).unwrap()),
        line: 1,
    })
}

fn some_rules() -> impl Strategy<Value = AccessRules> {
    let members = vec![
        Member::User(user("alice")),
        Member::Group(GroupName::parse("sre").unwrap()),
        Member::Service(user("alice")),
    ];
    let role = (prop::collection::vec(some_grant(), 0..5), prop::sample::subsequence(members, 0..3));
    prop::collection::vec(role, 1..4).prop_map(|roles| {
        let mut rules = AccessRules::default();
        for ((grants, members), name) in roles.into_iter().zip(["r1", "r2", "r3"]) {
            let name = RoleName::parse(name).unwrap();
            rules.roles.insert(name.clone(), grants);
            rules.members.insert(name, members.into_iter().collect());
        }
        rules
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn compiled_grants_and_explanations_agree_with_casbin(rules in some_rules()) {
        let policy = Policy::build(&BTreeMap::from([(project(), (rules.clone(), 1))])).unwrap();
        let places = [
            job("b", None), job("b", Some("production")), job("a/x", Some("staging")), job("a/x/y", None),
            job("a/x/y", Some("production")), node("n", Some("staging")), key("keys/k"), Resource::Events { project: project() },
        ];
        let actors = [
            person("alice", &[]), person("alice", &["sre"]), person("bob", &["sre"]), person("bob", &[]),
            actor(Principal::Service(user("alice")), &[], Via::Engine),
            actor(Principal::User(user("alice")), &["sre"], token(Some(&[Permission::View, Permission::Run]))),
        ];
        for actor in &actors {
            for permission in Permission::ALL {
                let grants = policy.grants(actor, *permission, &project());
                for place in &places {
                    let decided = policy.authorize(actor, *permission, place);
                    prop_assert_eq!(decided.is_ok(), grants.allows(place), "{} {} {}", actor.principal, permission, place);
                    let why = policy.explain(actor, *permission, place);
                    prop_assert_eq!(decided.is_ok(), why.allowed);
                    if let Some(deciding) = why.deciding {
                        prop_assert_eq!(deciding.effect == GrantEffect::Allow, why.allowed);
                    } else {
                        prop_assert!(!why.allowed);
                    }
                    prop_assert!(!grants.is_empty() || decided.is_err());
                    // Approving takes a person, and a grant that says so.
                    if decided.is_ok() && *permission == Permission::Approve {
                        prop_assert!(actor.is_person());
                        let says = |g: &Grant| g.effect == GrantEffect::Allow && g.permissions.contains(&Permission::Approve);
                        prop_assert!(rules.roles.values().flatten().any(says));
                    }
                    // Scopes only ever narrow.
                    if let Via::Token { scopes: Some(scopes), .. } = &actor.via {
                        prop_assert!(decided.is_err() || scopes.contains(permission));
                    }
                }
            }
        }
    }

    #[test]
    fn one_more_deny_never_allows_more(rules in some_rules(), mut deny in some_grant()) {
        deny.effect = GrantEffect::Deny;
        let mut stricter = rules.clone();
        stricter.roles.get_mut(&RoleName::parse("r1").unwrap()).unwrap().push(deny);
        let build = |rules| Policy::build(&BTreeMap::from([(project(), (rules, 1))])).unwrap();
        let (before, after) = (build(rules), build(stricter));
        let alice = person("alice", &["sre"]);
        for permission in Permission::ALL {
            for place in [job("b", None), job("a/x", Some("staging")), node("n", None)] {
                let allowed = |p: &Policy| p.authorize(&alice, *permission, &place).is_ok();
                prop_assert!(allowed(&before) || !allowed(&after));
            }
        }
    }
}

#[test]
fn roles_come_from_names_and_groups() {
    let policy = example();
    let roles =
        |actor: &Actor| policy.roles_of(actor, &project()).iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(roles(&person("alice", &[])), BTreeSet::from(["dba".to_owned(), "oncall".to_owned()]));
    assert_eq!(roles(&person("bob", &["sre", "other"])), BTreeSet::from(["oncall".to_owned()]));
    assert_eq!(roles(&Actor::system()), BTreeSet::new());
}

/// `access.yaml` of product.md, as printed there: `run` on the job and only `view` on nodes.
const CONTRACT_ACCESS: &str = "
roles:
  oncall:
    - {allow: [view, run, cancel], on: 'job/**'}
    - {deny: [run], on: 'job/db/**', environment: production}
    - {allow: [view], on: 'node/**'}
  manager:
    - {allow: [view, approve], on: 'job/**'}
members:
  oncall: [user:alice, group:sre]
  manager: [user:maria]
";

#[test]
fn what_is_needed_on_nodes_follows_the_file_and_a_switch_closes_it_for_good() {
    use interlock::spec::read_access;
    let needed = |text: &str| read_access(text).unwrap().needed_on_nodes();
    assert_eq!(needed(CONTRACT_ACCESS), Permission::View);
    assert_eq!(needed(&format!("nodes_need: run\n{CONTRACT_ACCESS}")), Permission::Run);
    let line = |line: &str| format!("roles: {{a: [{line}]}}");
    for speaks in [
        "{allow: [run], on: 'node/web1'}",
        "{deny: [run], on: 'node/web1'}",
        "{allow: [run], on: '**'}",
        "{deny: [run], on: '*/web1'}",
        "{allow: [run], on: 'n*/**'}",
        "{allow: [view, run], on: 'node/**', environment: staging}",
    ] {
        assert_eq!(needed(&line(speaks)), Permission::Run, "{speaks}");
    }
    for silent in ["{allow: [run], on: 'job/**'}", "{allow: [view], on: 'node/**'}", "{allow: [run], on: 'job*/**'}"] {
        assert_eq!(needed(&line(silent)), Permission::View, "{silent}");
    }
    assert!(read_access(&format!("nodes_need: view\n{CONTRACT_ACCESS}")).is_err());
}

#[test]
fn the_contracts_example_runs_as_printed() {
    let test = crate::harness::TestApp::fake();
    test.person("alice");
    test.person("maria");
    let files = |access: &str| {
        test.try_load(
            "ops",
            &[
                ("access.yaml", access),
                ("nodes.yaml", "n1: {hostname: 192.0.2.1, environment: staging}\n"),
                ("jobs/a.yaml", "name: a\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n"),
            ],
        )
        .unwrap();
    };
    files(CONTRACT_ACCESS);
    test.ask("alice", "ops", "a", &[]).unwrap();
    test.settle();
    assert_eq!(test.ask("maria", "ops", "a", &[]).unwrap_err().refusal().unwrap().code, "forbidden");
    // Without `view` the node is not even there for her, so the run is refused; with the switch `view` is not enough.
    files(&CONTRACT_ACCESS.replace("{allow: [view], on: 'node/**'}", "{allow: [view], on: 'node/other'}"));
    assert_eq!(test.ask("alice", "ops", "a", &[]).unwrap_err().refusal().unwrap().code, "forbidden_node");
    files(&format!("nodes_need: run\n{CONTRACT_ACCESS}"));
    assert_eq!(test.ask("alice", "ops", "a", &[]).unwrap_err().refusal().unwrap().code, "forbidden_node");
}

#[test]
fn opening_the_nodes_is_said_before_it_is_done() {
    let test = crate::harness::TestApp::fake();
    test.administrator("root");
    let closed = CONTRACT_ACCESS.replace("{allow: [view], on: 'node/**'}", "{allow: [view, run], on: 'node/**'}");
    test.load("ops", &[("access.yaml", &closed)]);
    let operator = crate::harness::operator();
    let plan = |text: &str| {
        let files = vec![("access.yaml".to_owned(), text.as_bytes().to_vec())];
        let plan = test.wait(test.app.plan_apply(&operator, &crate::harness::project_name("ops"), &files)).unwrap();
        plan.into_iter().find_map(|change| change.warning)
    };
    assert!(plan(CONTRACT_ACCESS).unwrap().contains("nodes_need: run"));
    assert_eq!(plan(&format!("nodes_need: run\n{CONTRACT_ACCESS}")), None);
    assert_eq!(plan(&closed), None);
    let kind = interlock::app::definitions::Kind::Access;
    let told = test.wait(test.app.check(&operator, &crate::harness::project_name("ops"), kind, CONTRACT_ACCESS));
    assert_eq!(told.unwrap()[0].code, "nodes_opened");
}
