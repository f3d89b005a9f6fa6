//! What the editor's check says to whom: the form that a text makes tells which nodes a filter matches, so only who could
//! save the text sees it.

use crate::client::Client;
use crate::harness::{PASSWORD, TestApp};

const ACCESS: &str = "
roles:
  reader: [{allow: [view], on: '**'}]
  author: [{allow: [view, edit], on: 'job/team/**'}, {allow: [view], on: '**'}]
members:
  reader: ['user:reader']
  author: ['user:author']
";

fn check(client: &Client, text: &str) -> String {
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("source", text).finish();
    let client = client.with("content-type", "application/x-www-form-urlencoded");
    client.send("POST", "/projects/ops/check/job", Some(body.as_bytes())).expect(200).text()
}

#[test]
fn a_draft_shows_its_form_only_to_who_could_save_it() {
    let test = TestApp::fake();
    test.load("ops", &[("access.yaml", ACCESS), ("nodes.yaml", "hidden-1: {hostname: 192.0.2.1}\n")]);
    for name in ["reader", "author"] {
        test.person(name);
    }
    let (reader, author) = (test.anonymous().sign_in("reader", PASSWORD), test.anonymous().sign_in("author", PASSWORD));
    let job = |group: &str| {
        format!("name: new\ngroup: {group}\noptions: [{{name: how}}]\nnodes: {{filter: '.*'}}\nsteps: [{{run: ls}}]\n")
    };

    let shown = check(&author, &job("team"));
    assert!(shown.contains("no mistakes") && shown.contains("option.how") && shown.contains("hidden-1"), "{shown}");
    for (who, group) in [(&reader, "team"), (&author, "other")] {
        let shown = check(who, &job(group));
        assert!(shown.contains("no mistakes") && shown.contains("You may not save"), "{shown}");
        assert!(!shown.contains("hidden-1") && !shown.contains("option.how"), "{shown}");
    }
    let shown = check(&author, "name: new\ngroup: team\n");
    assert!(shown.contains("makes no form until") && !shown.contains("option."), "{shown}");
}
