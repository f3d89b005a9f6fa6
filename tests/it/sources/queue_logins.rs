//! How a source reaches a NATS server: who it is, whom it trusts, and where it does not go.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::ConnectOptions;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::privately::ca;
use super::{events, world};
use crate::certificates::{certificates, openssl};
use crate::harness::{Base, TestApp, project_name};
use crate::nats::{NatsServer, Publisher};

fn source(url: &str, more: &str) -> String {
    format!("name: q\ntype: nats\nurl: {url}\nstream: ALERTS\ndeliver: all\n{more}")
}

/// A project with one source, after its second look.
fn looked(url: &str, more: &str, keys: &[(&str, &str)]) -> TestApp {
    let test = world(Base::Sqlite, &[("q", &source(url, more))]);
    for (path, value) in keys {
        test.key(path, value);
    }
    test.watch();
    test.watch();
    test
}

fn shown(test: &TestApp) -> Value {
    test.signed_in("ann").get("/api/v1/sources/ops/q").expect(200).json()
}

fn filled(publisher: &Publisher) {
    publisher.stream("ALERTS", &["alerts.>"]);
    publisher.publish("alerts.a", "{}");
}

#[test]
fn a_source_shows_who_it_is_by_a_secret_of_the_key_store() {
    let key = ("keys/ops/nats", "s3cret-word\n");
    let ways = [
        (
            "authorization { token: \"s3cret-word\" }\n",
            "token: keys/ops/nats\n",
            ConnectOptions::with_token("s3cret-word".to_owned()),
        ),
        (
            "authorization { user: interlock, password: \"s3cret-word\" }\n",
            "user: interlock\npassword: keys/ops/nats\n",
            ConnectOptions::with_user_and_password("interlock".to_owned(), "s3cret-word".to_owned()),
        ),
    ];
    for (configuration, login, options) in ways {
        let server = NatsServer::start(configuration);
        filled(&Publisher::connect(options, &server.url()));
        let test = looked(&server.url(), login, &[key]);
        let ann = test.signed_in("ann");
        assert_eq!(events(&ann, "q").len(), 1, "{}", shown(&test));
        assert!(!shown(&test).to_string().contains("s3cret"));

        let wrong = looked(&server.url(), login, &[("keys/ops/nats", "another")]);
        let said = shown(&wrong)["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with("The server does not let it in"), "{said}");
        // Once the key is right it goes on.
        wrong.key("keys/ops/nats", "s3cret-word");
        wrong.clock.advance(TimeDelta::minutes(1));
        assert_eq!(wrong.watch(), 1, "{}", shown(&wrong));

        let none = looked(&server.url(), login, &[]);
        assert_eq!(shown(&none)["error"], "The key store has nothing at `keys/ops/nats` for this project.");
        let nobody = looked(&server.url(), "", &[]);
        assert!(shown(&nobody)["error"].as_str().unwrap().starts_with("The server does not let it in"));
    }
}

#[test]
fn credentials_that_are_none_are_told() {
    let server = NatsServer::start("");
    let test = looked(&server.url(), "credentials: keys/ops/nats\n", &[("keys/ops/nats", "hush-hush")]);
    let said = shown(&test)["error"].as_str().unwrap().to_owned();
    assert!(said.starts_with("`credentials` names a key that does not hold the text of a .creds file"), "{said}");
    assert!(!said.contains("hush"));
}

/// A permission that is missing is told in the server's own words, not as silence.
#[test]
fn a_missing_permission_is_told() {
    let server = NatsServer::start(
        "authorization { users: [\n  {user: admin, password: a}\n  \
         {user: interlock, password: b, permissions: {publish: {deny: [\"$JS.API.CONSUMER.CREATE.>\"]}}}\n] }\n",
    );
    let admin = ConnectOptions::with_user_and_password("admin".to_owned(), "a".to_owned());
    filled(&Publisher::connect(admin, &server.url()));
    let test = looked(&server.url(), "user: interlock\npassword: keys/ops/nats\n", &[("keys/ops/nats", "b")]);
    let said = shown(&test)["error"].as_str().unwrap().to_owned();
    assert!(said.contains("Permissions Violation for Publish to \"$JS.API.CONSUMER.CREATE."), "{said}");
}

/// The secret of somebody else is not used by who may only edit.
#[test]
fn saving_asks_for_the_right_to_use_the_secret() {
    let test = TestApp::fake_on(Base::Sqlite);
    let access = "roles:\n  author: [{allow: [view, edit], on: '**'}]\n  keeper: [{allow: [use_secret], on: 'key/keys/ops/nats'}]\n\
                  members:\n  author: ['user:ann', 'user:kim']\n  keeper: ['user:kim']\n";
    test.load("ops", &[("access.yaml", access)]);
    test.key("keys/ops/nats", "word");
    for login in ["token: keys/ops/nats\n", "user: u\npassword: keys/ops/nats\n", "credentials: keys/ops/nats\n"] {
        let files = [
            ("sources/q.yaml".to_owned(), source("tls://queue.example.com", login).into_bytes()),
            ("access.yaml".to_owned(), access.as_bytes().to_vec()),
        ];
        let by = |who: &str| test.wait(test.app.apply(&test.actor(who), &project_name("ops"), &files, "test", "test"));
        let refused = by("ann").unwrap_err();
        assert!(refused.to_string().contains("use_secret"), "{login}: {refused}");
        by("kim").unwrap();
    }
}

#[test]
fn a_certificate_is_taken_only_for_the_name_and_by_who_is_trusted() {
    let folder = tempfile::Builder::new().prefix("nats").tempdir_in("/tmp").unwrap();
    certificates(folder.path());
    // A second one by the same authority, for another host.
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder.path(), &format!("req {key} -keyout named.key -out named.csr -subj /CN=named"));
    std::fs::write(folder.path().join("more"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(
        folder.path(),
        "x509 -req -in named.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out named.pem -days 3 -extfile more",
    );
    let (good, other) = (ca(folder.path(), "ca"), ca(folder.path(), "other"));
    let tls = |name: &str| format!("tls {{ cert_file: FOLDER/{name}.pem, key_file: FOLDER/{name}.key }}\n");
    let authority = folder.path().join("ca.pem");
    let copied = |from: &std::path::Path| {
        let to = tempfile::Builder::new().prefix("nats").tempdir_in("/tmp").unwrap();
        for name in ["server.pem", "server.key", "named.pem", "named.key"] {
            std::fs::copy(from.join(name), to.path().join(name)).unwrap();
        }
        to
    };
    for (certificate, host, cases) in [
        ("server", "127.0.0.1", [(good.as_str(), true), (other.as_str(), false), ("", false)]),
        ("named", "localhost", [(good.as_str(), true), (other.as_str(), false), ("", false)]),
        // The address is right, the name is not.
        ("named", "127.0.0.1", [(good.as_str(), false), (other.as_str(), false), ("", false)]),
    ] {
        let server = NatsServer::start_in(copied(folder.path()), &tls(certificate), true);
        let name = if certificate == "named" { "localhost" } else { "127.0.0.1" };
        let admin = ConnectOptions::new().add_root_certificates(authority.clone()).require_tls(true);
        filled(&Publisher::connect(admin, &format!("tls://{name}:{}", server.port)));
        for (ca, taken) in cases {
            let test = looked(&format!("tls://{host}:{}", server.port), ca, &[]);
            let said = shown(&test)["error"].as_str().unwrap().to_owned();
            assert_eq!(events(&test.signed_in("ann"), "q").len(), usize::from(taken), "{certificate} {host}: {said}");
            assert_eq!(said.starts_with("Its certificate is not trusted"), !taken, "{certificate} {host}: {said}");
        }
    }
    // What asks for encryption does not go on without.
    let plain = NatsServer::start("");
    filled(&plain.publisher());
    let test = looked(&format!("tls://127.0.0.1:{}", plain.port), &good, &[]);
    assert_eq!((events(&test.signed_in("ann"), "q").len(), &shown(&test)["state"]), (0, &json!("failing")));
}

/// A way to a server on which it tells of another one.
struct Telling {
    port: u16,
    open: Arc<AtomicBool>,
}

impl Telling {
    fn start(server: u16, other: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&open);
        std::thread::spawn(move || {
            let mut ways = Vec::new();
            for client in listener.incoming() {
                let client = client.unwrap();
                if !goes_on.load(Ordering::SeqCst) {
                    break;
                }
                let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                ways.push(client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let mut said = BufReader::new(upstream);
                let mut info = String::new();
                said.read_line(&mut info).unwrap();
                let told = info.replacen('{', &format!("{{\"connect_urls\":[\"{other}\"],"), 1);
                let mut to = client;
                to.write_all(told.as_bytes()).unwrap();
                std::thread::spawn(move || std::io::copy(&mut said, &mut to));
            }
            for way in ways {
                let _ = way.shutdown(std::net::Shutdown::Both);
            }
        });
        Self { port, open }
    }

    /// Ends every connection and takes no other.
    fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::yield_now();
        }
    }
}

/// A server that tells of others does not lead the source there.
#[test]
fn servers_that_a_server_tells_of_are_not_connected_to() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let server = NatsServer::start("");
    filled(&server.publisher());
    let way = Telling::start(server.port, trap.local_addr().unwrap());
    let test = looked(&format!("nats://127.0.0.1:{}", way.port), "", &[]);
    assert_eq!(events(&test.signed_in("ann"), "q").len(), 1, "{}", shown(&test));
    way.close();
    // The connection at hand and new ones: it finds out that the server is gone.
    for _ in 0..3 {
        test.clock.advance(TimeDelta::minutes(2));
        assert_eq!(test.watch(), 0);
        assert_eq!(shown(&test)["state"], "failing");
    }
    let knock = trap.accept().map(|(_, who)| who);
    assert_eq!(knock.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody went where the server said");
}
