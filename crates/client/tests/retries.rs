//! The client against a server that misbehaves on purpose.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy does not see as tests")]

use std::time::Duration;

use client::{Client, ClientError, HoldRequest, Limits, Request};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with one request, each on its own connection.
enum Act {
    /// Reads the whole request, then hangs up: it may have happened.
    Cut,
    /// Reads the whole request and never answers.
    Silence,
    /// Answers with a status, more headers (each ended by CRLF) and a body.
    Answer(u16, &'static str, &'static str),
}

/// A request as it arrived: head and body.
type Seen = Vec<(String, String)>;

async fn server(acts: Vec<Act>) -> (Client, JoinHandle<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits {
        first_backoff: Duration::from_millis(1),
        attempt_timeout: Duration::from_millis(500),
        attempts: 3,
        ..Limits::default()
    };
    let client = Client::new(&address, "sk_test_secret").unwrap().with_limits(limits);
    let served = tokio::spawn(async move {
        let mut seen = Seen::new();
        let mut silent = Vec::new();
        for act in acts {
            let (mut stream, _) = listener.accept().await.unwrap();
            seen.push(read_request(&mut stream).await);
            match act {
                Act::Cut => drop(stream),
                Act::Silence => silent.push(stream),
                Act::Answer(status, headers, body) => answer(&mut stream, status, headers, body).await,
            }
        }
        seen
    });
    (client, served)
}

async fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn read_request(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return (head.to_ascii_lowercase(), body.to_owned());
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the client hung up");
    }
}

fn content_length(head: &str) -> usize {
    let header =
        head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    header.map_or(0, |n| n.trim().parse().unwrap())
}

const CREATED: Act = Act::Answer(
    201,
    "idempotent-replayed: true\r\n",
    r#"{"id":"hld_1","credits":"0.024","state":"authorized","job":null}"#,
);
const BUSY: Act = Act::Answer(503, "retry-after: 0\r\n", "");
const SHORT: Act = Act::Answer(
    402,
    "content-type: application/problem+json\r\n",
    r#"{"type":"about:blank","title":"Not enough credits","status":402,"detail":"1 is missing",
        "code":"insufficient_credits","request_id":"r1","errors":[],"required":"2"}"#,
);

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

async fn every_attempt_is_the_same(acts: Vec<Act>) {
    let attempts = acts.len();
    let (client, served) = server(acts).await;
    let request = HoldRequest { customer: "cus_1", quote: "quo_1" };
    let hold = client.hold("trace:7:hold", &request).await.unwrap();
    assert_eq!((hold.value.id.as_str(), hold.value.credits.micros()), ("hld_1", 24_000));
    assert!(hold.replayed);

    let seen = served.await.unwrap();
    assert_eq!(seen.len(), attempts);
    for (head, body) in &seen {
        assert!(head.starts_with("post /v1/holds http/1.1"), "{head}");
        assert_eq!(header(head, "idempotency-key"), Some("trace:7:hold"));
        assert_eq!(header(head, "authorization"), Some("bearer sk_test_secret"));
        assert_eq!(header(head, "content-type"), Some("application/json"));
        assert_eq!(body, r#"{"customer":"cus_1","quote":"quo_1"}"#);
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_request_is_retried_with_the_same_key_and_body() {
    every_attempt_is_the_same(vec![Act::Cut, Act::Cut, CREATED]).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_asked_again_with_the_same_key_and_body() {
    every_attempt_is_the_same(vec![Act::Silence, CREATED]).await;
}

#[tokio::test]
async fn a_busy_server_is_asked_again_with_the_same_key_and_body() {
    every_attempt_is_the_same(vec![BUSY, CREATED]).await;
}

#[tokio::test]
async fn a_post_without_a_key_is_sent_once_when_the_connection_is_cut() {
    let (client, served) = server(vec![Act::Cut]).await;
    let request = Request::post("/v1/quotes", None, &json!({})).unwrap();
    let error = client.send(&request).await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { attempts: 1, .. }), "{error:?}");
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_that_counts_its_attempts() {
    let (client, served) = server(Vec::new()).await;
    served.await.unwrap();
    let error = client.wallet("cus_1").await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { attempts: 3, .. }), "{error:?}");
    assert!(error.chain().contains("/v1/customers/cus_1/wallet"), "{}", error.chain());
}

#[tokio::test]
async fn a_refusal_arrives_as_a_typed_problem() {
    let (client, served) = server(vec![SHORT]).await;
    let error = client.hold("k", &HoldRequest { customer: "c", quote: "q" }).await.unwrap_err();
    let problem = error.problem().unwrap_or_else(|| panic!("{}", error.chain()));
    assert_eq!((problem.status, problem.code.as_str()), (402, "insufficient_credits"));
    assert_eq!(problem.more["required"], json!("2"));
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn get_and_post_try_once_and_hand_out_any_status() {
    let (client, served) = server(vec![BUSY]).await;
    let reply = client.post("/v1/grants", Some("k"), &json!({"a": 1})).await.unwrap();
    assert_eq!((reply.status, reply.is_success(), reply.body.is_null()), (503, false, true));
    assert_eq!(served.await.unwrap().len(), 1);
}
