//! Runs asked for and awaited over the API, as a script would.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Connection;
use crate::server::{Server, command};

/// Between two looks at a run: what looking costs the server should not count.
const LOOK: Duration = Duration::from_millis(10);
/// No run here takes longer.
const LONGEST: Duration = Duration::from_secs(180);

pub(crate) struct Api {
    address: SocketAddr,
    token: String,
}

impl Api {
    /// Puts the nodes' private key in, and makes an account with a token.
    pub(crate) fn open(server: &Server, key: &Path) -> Self {
        let key = std::fs::read_to_string(key).unwrap();
        command(&server.data(), &["key", "put", "keys/bench/id", "--type", "private-key"], &key);
        command(&server.data(), &["user", "add", "load", "--password-stdin"], "measuring only\n");
        let token = command(&server.data(), &["token", "create", "--user", "load"], "");
        Self { address: server.address, token: token.trim().to_owned() }
    }

    /// Goes on with a server that was started again.
    pub(crate) fn reopen(&mut self, server: &Server) {
        self.address = server.address;
    }

    /// From the request to `succeeded`.
    pub(crate) fn run(&self, job: &str) -> Duration {
        // A connection that was idle is closed by the server.
        let mut connection = Connection::open(self.address);
        let began = Instant::now();
        let (status, run) = self.ask(&mut connection, "POST", &format!("/api/v1/projects/bench/jobs/{job}/runs"), "{}");
        assert_eq!(status, 201, "{run}");
        loop {
            // A list shows no steps, so a look costs the same however many nodes there are.
            let (_, list) = self.ask(&mut connection, "GET", "/api/v1/runs?limit=1", "");
            let found = &list["items"][0];
            assert_eq!(found["number"], run["number"]);
            match found["state"].as_str().unwrap() {
                "succeeded" => return began.elapsed(),
                "queued" | "running" => {}
                other => {
                    let (_, whole) = self.ask(&mut connection, "GET", &format!("/api/v1/runs/{}", run["number"]), "");
                    let text = whole.to_string();
                    panic!("the run of {job} is {other}: {} {}", found["end_reason"], &text[..text.len().min(2_000)]);
                }
            }
            assert!(began.elapsed() < LONGEST, "the run of {job} does not end");
            crate::pause(LOOK);
        }
    }

    fn ask(&self, connection: &mut Connection, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let (status, body) = connection.exchange(request.as_bytes());
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}")))
    }
}
