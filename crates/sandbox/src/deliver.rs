//! Sending one webhook: rendered, freshly signed, posted, at least once.

use std::time::Duration;

use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kernel::Timestamp;
use serde_json::Value;
use store::StoreError;
use store::cold::sandbox_objects::{self as table, Model};

use crate::objects::endpoint::is_loopback;
use crate::work::{Work, parse};
use crate::{API_VERSION, Sandbox, render, sign};

pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// After this many attempts (a good day) a delivery stays undelivered.
const ATTEMPTS_MAX: i64 = 24;
const PAUSE_MAX_SECONDS: i64 = 3_600;

pub(crate) fn http() -> Http {
    // A fresh connection each: what is tested is the receiver, and it may be restarted at any time.
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(HttpConnector::new())
}

/// One attempt at one delivery; keeps it for later unless the receiver took it.
pub(crate) async fn attempt(sandbox: &Sandbox, row: &Model) -> Result<(), StoreError> {
    let delivery = parse(row)?;
    let Some(message) = Message::load(sandbox, &delivery).await? else {
        return finish(sandbox, row, None).await;
    };
    match message.send(sandbox).await {
        Ok(()) => finish(sandbox, row, None).await,
        Err(reason) => {
            let attempts = delivery["attempts"].as_i64().unwrap_or(0) + 1;
            tracing::debug!(delivery = row.id, attempts, reason, "a webhook was not taken");
            finish(sandbox, row, Some(retried(sandbox, row, delivery, attempts))).await
        }
    }
}

struct Message {
    url: String,
    secret: String,
    payload: Vec<u8>,
}

impl Message {
    /// `None` when the endpoint or the event is gone.
    async fn load(sandbox: &Sandbox, delivery: &Value) -> Result<Option<Message>, StoreError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let work = Work::read(sandbox).await?;
        let endpoint = work.find(&text(&delivery["endpoint"])).await?;
        let event = work.find(&text(&delivery["event"])).await?;
        let (Some(endpoint), Some(event)) = (endpoint, event) else { return Ok(None) };
        let version = delivery["api_version"].as_str().unwrap_or(API_VERSION);
        let rendered = render::event(&work, &event, version).await?;
        Ok(Some(Message {
            url: text(&endpoint["url"]),
            secret: text(&endpoint["_secret"]),
            payload: format!("{rendered:#}").into_bytes(),
        }))
    }

    async fn send(&self, sandbox: &Sandbox) -> Result<(), String> {
        if !is_loopback(&self.url) {
            return Err("not an address of this machine".to_owned());
        }
        let signature = sign(&self.payload, &self.secret, sandbox.0.clock.now());
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(USER_AGENT, "Stripe/1.0 (sandbox)")
            .header("stripe-signature", signature)
            .body(Full::new(Bytes::from(self.payload.clone())))
            .map_err(|e| e.to_string())?;
        let answer = tokio::time::timeout(ATTEMPT_TIMEOUT, sandbox.0.http.request(request)).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned())?.map_err(|e| e.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("status {}", answer.status())) }
    }
}

/// The delivery after a failed attempt: due again after a doubling pause, or never.
fn retried(sandbox: &Sandbox, row: &Model, mut delivery: Value, attempts: i64) -> Model {
    delivery["attempts"] = attempts.into();
    let due_at = (attempts < ATTEMPTS_MAX).then(|| next(sandbox.0.clock.now(), attempts).micros());
    Model { due_at, json: delivery.to_string(), ..row.clone() }
}

fn next(now: Timestamp, attempts: i64) -> Timestamp {
    let doubled = 1i64.checked_shl(u32::try_from(attempts - 1).unwrap_or(0)).unwrap_or(PAUSE_MAX_SECONDS);
    now.plus_seconds(doubled.min(PAUSE_MAX_SECONDS))
}

async fn finish(sandbox: &Sandbox, row: &Model, again: Option<Model>) -> Result<(), StoreError> {
    let work = Work::write(sandbox).await?;
    match again {
        None => work.remove(&row.id).await?,
        Some(again) => table::put(work.txn(), again).await?,
    }
    work.commit_quietly().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<i64> =
            [1, 2, 3, 12, 13, 23].map(|n| next(Timestamp::EPOCH, n).unix_seconds()).to_vec();
        assert_eq!(pauses, [1, 2, 4, 2_048, 3_600, 3_600]);
    }
}
