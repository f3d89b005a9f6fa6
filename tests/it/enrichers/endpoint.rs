//! An endpoint on loopback that speaks as OpenAI's chat completions do, and answers as each test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// How it answers a request with this body, in bytes on the wire.
type Answers = Box<dyn Fn(&Value) -> Vec<u8> + Send>;

/// The endpoint, with what it was asked.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Endpoint {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
        let answers: Answers = Box::new(|_| Vec::new());
        let this = Self { url, answers: Arc::new(Mutex::new(answers)), asked: Arc::default() };
        let (answers, asked) = (Arc::clone(&this.answers), Arc::clone(&this.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &asked));
            }
        });
        this
    }

    /// An enricher that asks it.
    pub(super) fn enricher(&self, more: &str) -> String {
        format!(
            "name: model\ntype: openai\nlabels: [disk-full, other]\ntext: '{{{{ trigger.summary }}}}'\nurl: {}\nmodel: tiny\nprompt: Sort alerts of hosts.\ntimeout: 1s\n{more}",
            self.url
        )
    }

    pub(super) fn answers(&self, answer: impl Fn(&Value) -> Vec<u8> + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answer);
    }

    /// Answers every request with this message of the model.
    pub(super) fn says(&self, content: &str) {
        let body = said(content);
        self.answers(move |_| body.clone());
    }

    /// The heads, in lower case, and bodies of the requests so far.
    pub(super) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

/// What is on the wire where a model says this.
pub(super) fn said(content: &str) -> Vec<u8> {
    let message = json!({"role": "assistant", "content": content});
    whole("200 OK", &json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string())
}

pub(super) fn whole(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nlocation: /elsewhere\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(mut stream: TcpStream, answers: &Mutex<Answers>, asked: &Mutex<Vec<(String, Value)>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.to_lowercase());
    }
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.trim().parse().unwrap());
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    asked.lock().unwrap().push((head, body.clone()));
    let answer = answers.lock().unwrap()(&body);
    let _ = stream.write_all(&answer);
    if answer.is_empty() || answer.ends_with(b"...") {
        // Says nothing more for as long as the other side waits.
        let _ = reader.read_line(&mut String::new());
    }
}
