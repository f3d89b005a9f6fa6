//! Polls of an address whose certificate a company signed itself.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chrono::TimeDelta;

use super::{events, world};
use crate::certificates::certificates;
use crate::harness::Base;

/// Answers every request with a list, over TLS.
const SERVER: &str = "
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'[{\"id\": 1}]'
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.pem', 'server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";

struct Elsewhere {
    process: Child,
    url: String,
}

impl Elsewhere {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", SERVER]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("https://127.0.0.1:{}/", port.trim()) }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The line of a source that trusts one of them.
pub(super) fn ca(folder: &Path, name: &str) -> String {
    let pem = fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap();
    format!("ca: |\n{}", pem.lines().map(|line| format!("  {line}\n")).collect::<String>())
}

#[test]
fn a_certificate_is_taken_only_where_the_source_trusts_who_signed_it() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let elsewhere = Elsewhere::start(folder.path());
    let ca = |name: &str| ca(folder.path(), name);
    for (more, taken) in [(String::new(), false), (ca("other"), false), (ca("ca"), true)] {
        let text = format!("name: p\ntype: poll\nurl: {}\nevery: 1m\nkey: id\nfirst: events\n{more}", elsewhere.url);
        let test = world(Base::Sqlite, &[("p", &text)]);
        assert_eq!(test.watch(), 0, "it begins to remember");
        test.clock.advance(TimeDelta::minutes(1));
        assert_eq!(test.watch(), usize::from(taken), "{more}");
        let ann = test.signed_in("ann");
        let shown = ann.get("/api/v1/sources/ops/p").expect(200).json();
        let said = shown["error"].as_str().unwrap();
        assert_eq!(said.starts_with("Its certificate is not trusted"), !taken, "{shown}");
        assert_eq!(said.is_empty(), taken, "{shown}");
        assert_eq!(events(&ann, "p").len(), usize::from(taken));
    }
}
