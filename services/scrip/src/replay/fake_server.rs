//! A server that knows just enough of the contract to be replayed at: idempotency, a balance, a
//! journal. It prices 0.005 credits a token by itself, so the expected sums do not come from our code.
#![allow(clippy::unwrap_used, reason = "part of the tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kernel::Credits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MICROS_PER_TOKEN: i64 = 5_000;
const POSTINGS_PER_PAGE: usize = 7;

/// What goes wrong on purpose.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Does what is asked, then hangs up without an answer, on every nth change.
    pub cut_every: Option<u64>,
    /// Answers 429 on every nth hold.
    pub rate_limit_every: Option<u64>,
    /// This quote ran out before its hold was made.
    pub expired_quote: Option<&'static str>,
    /// Leaves this many micro-credits out of every capture's posting.
    pub journal_off_by: i64,
}

#[derive(Default)]
pub struct State {
    pub faults: Faults,
    pub balance: i64,
    pub calls: HashMap<String, u64>,
    pub customer: Option<Value>,
    changes: u64,
    answers: HashMap<String, (String, Value)>,
    quotes: HashMap<String, i64>,
    holds: HashMap<String, i64>,
    postings: Vec<Value>,
}

pub type Shared = Arc<Mutex<State>>;

struct Said {
    status: u16,
    body: Value,
    replayed: bool,
}

pub async fn start(faults: Faults) -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state: Shared = Arc::new(Mutex::new(State { faults, ..State::default() }));
    let shared = Arc::clone(&state);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    });
    (url, state)
}

async fn serve(mut stream: TcpStream, state: Shared) {
    let mut bytes = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut bytes).await {
        let (said, cut) = {
            let mut state = state.lock().unwrap();
            let said = state.answer(&head, &body);
            (said, state.is_cut())
        };
        if cut {
            return;
        }
        let text = said.body.to_string();
        let head = format!(
            "HTTP/1.1 {} Said\r\nretry-after: 0\r\nidempotent-replayed: {}\r\ncontent-length: {}\r\n\r\n",
            said.status,
            said.replayed,
            text.len()
        );
        if stream.write_all(format!("{head}{text}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |n| n.parse().unwrap());
            if let Some(body) = rest.get(..length) {
                bytes.drain(..head.len() + 4 + length);
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl State {
    fn is_cut(&mut self) -> bool {
        self.changes += 1;
        self.faults.cut_every.is_some_and(|n| self.changes.is_multiple_of(n))
    }

    fn answer(&mut self, head: &str, body: &str) -> Said {
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        *self.calls.entry(format!("{method} {}", place(path))).or_default() += 1;
        if method == "GET" {
            return self.read(path);
        }
        let key = header(head, "idempotency-key").unwrap().to_owned();
        let input = format!("{path} {body}");
        match self.answers.get(&key) {
            Some((before, answer)) if *before == input => {
                return Said { status: 201, body: answer.clone(), replayed: true };
            }
            Some(_) => return refusal(422, "idempotency_key_reused"),
            None => {}
        }
        let said = self.change(&key, path, &serde_json::from_str(body).unwrap());
        if said.status < 300 {
            self.answers.insert(key, (input, said.body.clone()));
        }
        said
    }

    fn read(&self, path: &str) -> Said {
        let Some(customer) = &self.customer else { return refusal(404, "not_found") };
        if !path.contains("/postings") {
            return done(customer.clone());
        }
        let from: usize = path.split_once("cursor=").map_or(0, |(_, n)| n.parse().unwrap());
        let next = (from + POSTINGS_PER_PAGE).min(self.postings.len());
        let has_more = next < self.postings.len();
        let cursor = has_more.then(|| next.to_string());
        done(json!({ "data": self.postings[from..next], "has_more": has_more, "next_cursor": cursor }))
    }

    fn change(&mut self, key: &str, path: &str, body: &Value) -> Said {
        match path.split('/').collect::<Vec<_>>()[2..] {
            ["customers"] => {
                let mut customer = body.clone();
                customer["id"] = json!("cus_1");
                self.customer = Some(customer.clone());
                done(customer)
            }
            ["grants"] => self.grant(body),
            ["quotes"] => self.quote(key, body),
            ["holds"] => self.hold(key, body),
            ["holds", hold, "capture"] => self.capture(hold),
            _ => refusal(404, "not_found"),
        }
    }

    fn grant(&mut self, body: &Value) -> Said {
        let credits: Credits = body["credits"].as_str().unwrap().parse().unwrap();
        self.balance += credits.micros();
        self.post("issued", "available", credits.micros(), None);
        done(json!({ "id": "grt_1", "credits": body["credits"] }))
    }

    fn quote(&mut self, key: &str, body: &Value) -> Said {
        let tokens = |name: &str| body["quantities"][name].as_i64().unwrap();
        let price = (tokens("input_tokens") + tokens("output_tokens")) * MICROS_PER_TOKEN;
        let id = format!("quo_{key}");
        self.quotes.insert(id.clone(), price);
        done(json!({ "id": id, "credits": Credits::from_micros(price) }))
    }

    fn hold(&mut self, key: &str, body: &Value) -> Said {
        let quote = body["quote"].as_str().unwrap();
        if self.faults.expired_quote == Some(quote) {
            return refusal(400, "quote_expired");
        }
        if let Some(n) = self.faults.rate_limit_every
            && self.calls["POST /v1/holds"].is_multiple_of(n)
        {
            return refusal(429, "rate_limited");
        }
        let price = self.quotes[quote];
        if price > self.balance {
            return refusal(402, "insufficient_credits");
        }
        self.balance -= price;
        let id = format!("hld_{key}");
        self.holds.insert(id.clone(), price);
        self.post("available", "held", price, None);
        done(json!({ "id": id, "credits": Credits::from_micros(price), "state": "authorized" }))
    }

    /// Takes the credits of two lots, so that one receipt has two lines.
    fn capture(&mut self, hold: &str) -> Said {
        let price = self.holds[&hold.replace("%3A", ":")];
        let receipt = format!("rct_{hold}");
        self.post("held", "spent", price / 3, Some(&receipt));
        self.post("held", "spent", price - price / 3 - self.faults.journal_off_by, Some(&receipt));
        done(json!({ "id": receipt, "credits": Credits::from_micros(price) }))
    }

    fn post(&mut self, from: &str, to: &str, micros: i64, receipt: Option<&str>) {
        let seq = self.postings.len();
        self.postings.push(json!({
            "seq": seq, "line": 0, "kind": "test", "from": from, "to": to,
            "amount": Credits::from_micros(micros), "receipt": receipt, "hold": null,
        }));
    }
}

fn place(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn done(body: Value) -> Said {
    Said { status: 201, body, replayed: false }
}

fn refusal(status: u16, code: &str) -> Said {
    Said { status, body: json!({ "status": status, "code": code, "title": code }), replayed: false }
}
