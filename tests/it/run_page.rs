//! A run's page: a long log that is searched on the server, walked from trouble to trouble, and linked to line by line.

use std::fmt::Write as _;

use interlock::domain::run::State;
use interlock::exec::fake::Script;
use interlock::exec::{Chunk, Stream};

use crate::client::Client;
use crate::harness::TestApp;

const ACCESS: &str = "
roles:
  oncall: [{allow: [view, run, cancel], on: '**'}]
members:
  oncall: ['user:oncall']
";

const NODES: &str = "
n1: {hostname: 192.0.2.1, tags: web, environment: staging}
n2: {hostname: 192.0.2.2, tags: web, environment: staging}
n3: {hostname: 192.0.2.3, tags: web, environment: staging}
";

const JOB: &str = "name: talk\nnodes: {filter: 'tags: web', keep_going: true}\nsteps: [{name: say, run: ./say}]\n";

fn world() -> (TestApp, Client) {
    let test = TestApp::fake();
    test.load("ops", &[("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/talk.yaml", JOB)]);
    test.person("oncall");
    let client = test.signed_in("oncall");
    (test, client)
}

fn run(test: &TestApp) -> String {
    let run = test.ask("oncall", "ops", "talk", &[]).unwrap();
    test.settle();
    assert!(matches!(test.state(run.number), State::Succeeded | State::Failed));
    format!("/runs/{}", run.number)
}

fn errs(mut script: Script, text: &str) -> Script {
    let end = text.len() as u64;
    script.output.push(Chunk { stream: Stream::Stderr, bytes: text.as_bytes().to_vec(), end });
    script
}

/// One node at a time: n1 writes 25,000 lines, n2 two of trouble, n3 one more line.
fn long(test: &TestApp) -> String {
    let mut many = String::new();
    for n in 1..=25_000 {
        writeln!(many, "line {n} of the story").unwrap();
    }
    test.steps().script("n1", "say", Script::exits(0).says(&many));
    test.steps().script("n2", "say", errs(Script::exits(1), "first trouble\nsecond trouble\n"));
    test.steps().script("n3", "say", Script::exits(0).says("<b>bye</b> STORY\n"));
    run(test)
}

fn page(client: &Client, path: &str) -> String {
    client.get(path).expect(200).text()
}

fn leads_to(client: &Client, path: &str) -> String {
    client.get(path).expect(303).header("location").unwrap().to_owned()
}

#[test]
fn a_page_holds_the_last_20000_lines_and_links_open_at_any_line() {
    let (test, client) = world();
    let run = long(&test);
    let end = page(&client, &run);
    let shown = end.matches("<b class=\"n\">").count();
    assert!((19_700..=20_000).contains(&shown), "{shown}");
    assert!(
        end.contains("id=\"L25003\"") && !end.contains("id=\"L120\"") && end.contains("Earlier lines are not shown")
    );
    let early = page(&client, &format!("{run}?line=120"));
    assert!(early.contains("id=\"L120\"") && early.contains("id=\"L20000\"") && early.contains("Go on reading"));
}

#[test]
fn the_whole_log_is_searched_on_the_server() {
    let (test, client) = world();
    let run = long(&test);
    let hits = page(&client, &format!("{run}?text=LINE+77+OF"));
    assert!(hits.contains("1 line with") && hits.contains(&format!("href=\"{run}?text=LINE+77+OF&amp;line=77#L77\"")));
    // Of many some are shown, with the way to the others; what was typed is only ever text.
    let many = page(&client, &format!("{run}?text=story"));
    assert_eq!(many.matches("<a class=\"n\"").count(), 200);
    assert!(many.contains("Go on reading"));
    let bold = page(&client, &format!("{run}?text=%3Cb%3Ebye"));
    assert!(bold.contains("&#60;b&#62;bye") || bold.contains("&lt;b&gt;bye"));
    assert!(!bold.contains("<b>bye"), "it is escaped");
    assert!(page(&client, &format!("{run}?text=nowhere")).contains("No line has it."));
    // From hit to hit, also past what a page holds, and within a node.
    let next = |query: &str| leads_to(&client, &format!("{run}/next?{query}"));
    assert_eq!(next("text=story&after=24999"), format!("{run}?text=story&line=25000#L25000"));
    assert_eq!(next("text=story&after=25000"), format!("{run}?text=story&line=25003#L25003"));
    assert_eq!(next("text=story&node=n3"), format!("{run}?node=n3&text=story&line=25003#L25003"));
    let over = next("text=story&after=25003");
    assert!(page(&client, over.split('#').next().unwrap()).contains("after line 25003"));
    // The line is marked where it stands.
    assert!(page(&client, &format!("{run}?text=story&line=25003")).contains("class=\"ln hit\" id=\"L25003\""));
}

#[test]
fn the_next_error_is_found_wherever_it_is() {
    let (test, client) = world();
    let run = long(&test);
    let next = |query: &str| leads_to(&client, &format!("{run}/next?{query}"));
    assert_eq!(next("after=0"), format!("{run}?line=25001#L25001"));
    assert_eq!(next("after=25001"), format!("{run}?line=25002#L25002"));
    let none = next("after=25002");
    assert!(page(&client, none.split('#').next().unwrap()).contains("No error line after line 25002."));
    assert_eq!(next("node=n1"), format!("{run}?node=n1&none=yes"));
    assert!(page(&client, &format!("{run}?node=n1&none=yes")).contains("No error line."));
}

#[test]
fn raw_output_keeps_the_node_that_is_chosen() {
    let (test, client) = world();
    let run = long(&test);
    assert!(page(&client, &format!("{run}?node=n3")).contains(&format!("href=\"{run}/log.txt?node=n3\"")));
    assert!(page(&client, &run).contains(&format!("href=\"{run}/log.txt\"")));
    assert_eq!(client.get(&format!("{run}/log.txt?node=n3")).expect(200).text(), "<b>bye</b> STORY\n");
    // Whose lines are all further back is not said to have written nothing.
    test.steps().script("n2", "say", Script::exits(0));
    assert!(!page(&client, &format!("{run}?node=n1&from=0")).contains("wrote nothing"));
}

#[test]
fn equal_output_is_folded() {
    let (test, client) = world();
    // The streams of the two that are alike come in another order, which is chance.
    test.steps().script("n1", "say", errs(Script::exits(0).says("kernel 6.1\n"), "odd <i>thing</i>\n"));
    test.steps().script("n3", "say", errs(Script::exits(0), "odd <i>thing</i>\n").says("kernel 6.1\n"));
    test.steps().script("n2", "say", Script::exits(0).says("kernel 6.1"));
    let run = run(&test);
    let folded = page(&client, &format!("{run}?view=output"));
    assert!(folded.contains("2 different outputs") && folded.contains("2 nodes, 2 lines"), "{folded}");
    assert!(folded.contains("1 node, 1 line") && folded.contains(&format!("href=\"{run}?node=n3\"")));
    assert_eq!(folded.matches("odd &lt;i&gt;thing&lt;/i&gt;").count(), 1, "the output stands there once");
    assert!(page(&client, &run).contains(&format!("href=\"{run}?view=output\"")));
}

#[test]
fn a_log_that_is_too_long_to_fold_says_so() {
    let (test, client) = world();
    let many = format!("{}\n", "x".repeat(16_000)).repeat(4_300);
    test.steps().script("n1", "say", Script::exits(0).says(&many));
    let run = run(&test);
    assert!(page(&client, &format!("{run}?view=output")).contains("too much to fold"));
}
