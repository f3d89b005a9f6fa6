//! The server is killed between taking a notice and sending it, and between sending it and noting that. What was to be told
//! is told afterwards, by the same key each time; what nobody needs any more is not.

use std::os::unix::process::ExitStatusExt as _;

use interlock::domain::moment::Moment;
use serde_json::{Value, json};

use crate::client::Client;
use crate::clocks::own_clock;
use crate::program::{Install, Server, ends};
use crate::sinks::{ChatServer, Post};

const PASSWORD: &str = "correct horse battery";

/// Starts a server that sees the clock so many seconds ahead, and ends at this moment if one is named.
fn serve(install: &Install, ahead: u32, until: Option<Moment>) -> Server {
    let mut command = install.command(&["serve", "--listen", "127.0.0.1:0", "--notify-private"]);
    command
        .env("LD_PRELOAD", own_clock())
        .env("FAKETIME", format!("+{ahead}s"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    if let Some(moment) = until {
        command.env("INTERLOCK_DIE_AT", moment.as_str());
    }
    Server::spawn(command)
}

/// With a job that one person has to sign, and a pager that hears of requests.
fn installed(chat: &ChatServer) -> Install {
    let install = Install::new();
    install.write(
        "project.yaml",
        &format!(
            "local_execution: true\napprovals: {{one: {{need: [{{role: manager}}], reason: {{request: optional}}}}}}\n\
             channels: {{pager: {{type: webhook, url: '{}', secret: keys/ops/pager}}}}\nnotify: {{approvals: [pager]}}\n",
            chat.address
        ),
    );
    let access = "roles:\n  r: [{allow: [view, run], on: '**'}]\n  manager: [{allow: [view, approve], on: 'job/**'}]\n\
                  members: {r: ['user:oncall'], manager: ['user:mia']}\n";
    install.write("access.yaml", access);
    install.write("jobs/one.yaml", "name: one\nsteps: [{run: 'true'}]\napproval: {rule: one}\n");
    let done = |arguments: &[&str], input: &str| ends(&install.feed(arguments, input), 0);
    done(&["apply", install.path().join("ops").to_str().unwrap()], "");
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
    done(&["key", "put", "keys/ops/pager", "--type", "password"], secret);
    for name in ["oncall", "mia"] {
        done(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n"));
    }
    install
}

fn ask(server: &Server) -> Value {
    let client = Client::new(&server.address).sign_in("oncall", PASSWORD);
    client.post("/api/v1/projects/ops/jobs/one/runs", &json!({})).expect(201).json()
}

/// What came of this kind about a run.
fn posts(chat: &ChatServer, kind: &str, run: &Value) -> Vec<Post> {
    let wanted = |p: &Post| p.json()["type"] == kind && p.json()["data"]["run"] == run["number"];
    chat.posts().into_iter().filter(wanted).collect()
}

#[track_caller]
fn until_posted(server: &Server, chat: &ChatServer, kind: &str, run: &Value) {
    let client = Client::new(&server.address);
    let began = std::time::Instant::now();
    while posts(chat, kind, run).is_empty() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{kind}: {:?}", chat.posts());
        client.get("/sign-in").expect(200);
    }
}

#[test]
fn a_notice_that_a_killed_server_had_taken_is_sent_by_the_next_one_unless_nobody_needs_it() {
    let chat = ChatServer::start();
    let install = installed(&chat);
    let asked = "approval_asked";

    // Taken, and killed before it was sent.
    let dying = serve(&install, 0, Some(Moment::NoticeTaken));
    let first = ask(&dying);
    assert_eq!(dying.ended().signal(), Some(9));
    assert!(chat.posts().is_empty());
    // Sent by the next one once the lease is over, which is killed before it could note that.
    let dying = serve(&install, 180, Some(Moment::NoticeSent));
    assert_eq!(dying.ended().signal(), Some(9));
    assert_eq!(posts(&chat, asked, &first).len(), 1);
    // So it comes once more, and the other side can tell by the key.
    let server = serve(&install, 360, None);
    let second = ask(&server);
    until_posted(&server, &chat, asked, &second);
    let ids: Vec<String> = posts(&chat, asked, &first).iter().map(|p| p.headers["webhook-id"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    drop(server);

    // What the last one may not have noted is its own for two minutes, so nothing else is due now.
    // Taken, killed, and decided before the next one may send it.
    let dying = serve(&install, 420, Some(Moment::NoticeTaken));
    let third = ask(&dying);
    assert_eq!(dying.ended().signal(), Some(9));
    let server = serve(&install, 420, None);
    let mia = Client::new(&server.address).sign_in("mia", PASSWORD);
    let path = format!("/api/v1/approvals/{}", third["approval"].as_str().unwrap());
    let digest = mia.get(&path).expect(200).json()["digest"].clone();
    let no = json!({ "decision": "reject", "digest": digest, "reason": "not today" });
    mia.post(&format!("{path}/decision"), &no).expect(200);
    until_posted(&server, &chat, "approval_decided", &third);
    drop(server);
    let server = serve(&install, 600, None);
    // Whatever was due at its start was looked at before this one.
    let fourth = ask(&server);
    until_posted(&server, &chat, asked, &fourth);
    assert!(posts(&chat, asked, &third).is_empty());
}
