//! The hand-written peer over HTTP: a handler, a transaction.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ::tests::free_port;
use ::tests::process::status_of;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::naive::Naive;

const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

#[derive(Deserialize)]
struct NewDebit {
    account: String,
    credits: i64,
}

#[derive(Serialize)]
struct Debited {
    account: String,
    credits: i64,
    balance: i64,
}

/// The server as a process of its own, as Scrip is.
pub struct NaiveServer {
    child: Child,
    pub port: u16,
}

impl NaiveServer {
    pub fn start(url: &str) -> NaiveServer {
        let port = free_port();
        let program = std::env::current_exe().expect("this program has a path");
        let child = Command::new(program)
            .args(["naive-server", "--url", url, "--port", &port.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let begin = Instant::now();
        while status_of(port, "/ready") != Some(200) {
            assert!(begin.elapsed() < READY_WITHIN, "the naive server is not ready");
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
        NaiveServer { child, port }
    }
}

impl Drop for NaiveServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until whoever started it is gone.
pub fn run(url: &str, port: u16) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let naive = Naive::connect(url).await.expect("the database answers");
        let router =
            Router::new().route("/ready", get(|| async {})).route("/debits", post(create)).with_state(naive);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        axum::serve(listener, router).await.expect("it serves");
    });
}

async fn create(
    State(naive): State<Naive>,
    headers: HeaderMap,
    Json(new): Json<NewDebit>,
) -> Result<(StatusCode, Json<Debited>), StatusCode> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.ok_or(StatusCode::BAD_REQUEST)?;
    let account = new.account.strip_prefix('w').and_then(|digits| digits.parse().ok());
    let account = account.ok_or(StatusCode::BAD_REQUEST)?;
    match naive.debit(account, new.credits, key).await {
        Ok(Some(balance)) => {
            let debited = Debited { account: new.account, credits: new.credits, balance };
            Ok((StatusCode::CREATED, Json(debited)))
        }
        Ok(None) => Err(StatusCode::PAYMENT_REQUIRED),
        Err(error) => {
            eprintln!("naive server: {error}");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
