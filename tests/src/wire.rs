//! One connection to a server, one request at a time, without retries and without our own client: what
//! judges the product must not share its code.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const MAX_HEADERS: usize = 100;
const MAX_LINE_BYTES: u64 = 16 * 1024;
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub struct Wire {
    port: u16,
    api_key: String,
    /// `None` until the next request connects.
    stream: Option<BufReader<TcpStream>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// The server says that it repeats an earlier answer.
    pub is_replayed: bool,
    /// As it came.
    pub body: String,
}

#[derive(Debug, Default)]
struct Head {
    status: u16,
    is_replayed: bool,
    body_bytes: usize,
    is_last: bool,
}

impl Wire {
    pub fn new(port: u16, api_key: &str) -> Wire {
        Wire { port, api_key: api_key.to_owned(), stream: None }
    }

    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.call(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// An error says nothing about whether it happened.
    pub fn post(&mut self, path: &str, idempotency_key: &str, body: &str) -> io::Result<Reply> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nidempotency-key: {idempotency_key}\r\ncontent-type: application/json\r\n"
        );
        self.call(&head, body)
    }

    /// What a browser sends from a form.
    pub fn form(&mut self, path: &str, body: &str) -> io::Result<Reply> {
        self.call(
            &format!("POST {path} HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
            body,
        )
    }

    fn call(&mut self, head: &str, body: &str) -> io::Result<Reply> {
        let request = format!(
            "{head}host: 127.0.0.1\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.api_key,
            body.len()
        );
        // Kept only when the exchange went well: after an error nobody knows what comes next on it.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.port)?,
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let head = read_head(&mut stream)?;
        let mut body = vec![0; head.body_bytes];
        stream.read_exact(&mut body)?;
        if !head.is_last {
            self.stream = Some(stream);
        }
        let body = String::from_utf8(body).map_err(|_| malformed("a body that is not UTF-8"))?;
        Ok(Reply { status: head.status, is_replayed: head.is_replayed, body })
    }
}

impl Reply {
    /// A part of an answer that has a status and a body of its own.
    pub fn of(status: u16, body: &str) -> Reply {
        Reply { status, is_replayed: false, body: body.to_owned() }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// `Null` when the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A member of the body that is a text; empty when there is none.
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }
}

fn connect(port: u16) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), CONNECTS_WITHIN)?;
    // While nobody listens, a socket may get this very port for its own end and reach itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(Error::new(ErrorKind::ConnectionRefused, "nobody listens"));
    }
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    Ok(BufReader::new(stream))
}

fn read_head(stream: &mut impl BufRead) -> io::Result<Head> {
    let first = read_line(stream)?;
    let status = first.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let mut head = Head { status: status.ok_or_else(|| malformed("no status"))?, ..Head::default() };
    for _ in 0..MAX_HEADERS {
        let line = read_line(stream)?;
        if line.is_empty() {
            return Ok(head);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header without a colon"))?;
        head.take(&name.to_ascii_lowercase(), value.trim())?;
    }
    Err(malformed("too many headers"))
}

impl Head {
    fn take(&mut self, name: &str, value: &str) -> io::Result<()> {
        match name {
            "content-length" => {
                let bytes = value.parse().ok().filter(|bytes| *bytes <= MAX_BODY_BYTES);
                self.body_bytes = bytes.ok_or_else(|| malformed("a body of no good length"))?;
            }
            "transfer-encoding" => return Err(malformed("a body in chunks")),
            "connection" => self.is_last = value.eq_ignore_ascii_case("close"),
            "idempotent-replayed" => self.is_replayed = value == "true",
            _ => {}
        }
        Ok(())
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.take(MAX_LINE_BYTES).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(Error::new(ErrorKind::UnexpectedEof, "the answer ends early")),
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
