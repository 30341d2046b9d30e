//! A server that answers as told.
#![allow(clippy::expect_used, reason = "helpers of tests, which clippy does not see as tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers one (status, body) per connection, the last one for ever; status 0 hangs up, 1 never answers.
pub async fn server(script: Vec<(u16, &str)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}/sandbox/", listener.local_addr().expect("bound"));
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = heard.clone();
    let script: Vec<(u16, String)> = script.into_iter().map(|(s, body)| (s, body.to_owned())).collect();
    tokio::spawn(async move {
        for n in 0.. {
            let Ok((mut socket, _)) = listener.accept().await else { return };
            let mut buffer = vec![0; 64 * 1024];
            let read = socket.read(&mut buffer).await.unwrap_or(0);
            log.lock().expect("no panic").push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let (status, body) = &script[n.min(script.len() - 1)];
            match *status {
                0 => drop(socket),
                1 => tokio::time::sleep(Duration::from_secs(60)).await,
                _ => {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                }
            }
        }
    });
    (base, heard)
}
