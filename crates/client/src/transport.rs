use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ClientError, Problem};
use crate::retry::{Limits, Outcome, Pause, repeat};

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// The largest answer that is read; a full page of any list is far smaller.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection pool to one server with one API key. Clones share the pool.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    /// Without a slash at the end.
    base_url: String,
    authorization: HeaderValue,
    limits: Limits,
    announce: Arc<dyn Fn(Pause) + Send + Sync>,
}

/// One call, in the bytes that every attempt sends.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Begins with a slash; may carry a query.
    pub path: String,
    pub idempotency_key: Option<String>,
    pub body: Bytes,
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// `Null` when the answer has no body; a text when it is not JSON.
    pub body: Value,
}

impl Client {
    /// `base_url` such as `http://127.0.0.1:8080`; a path in it is kept in front of every call's path.
    pub fn new(base_url: &str, api_key: &str) -> Result<Client, ClientError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {api_key}"))
            .map_err(|_| ClientError::BadHeader("API key"))?;
        authorization.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
            .build(connector);
        Ok(Client {
            http,
            base_url: checked_base(base_url)?,
            authorization,
            limits: Limits::default(),
            announce: Arc::new(|_| {}),
        })
    }

    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Client {
        self.limits = limits;
        self
    }

    /// `announce` is told of every wait before it begins, so that a person can be told why nothing moves.
    #[must_use]
    pub fn announcing(mut self, announce: impl Fn(Pause) + Send + Sync + 'static) -> Client {
        self.announce = Arc::new(announce);
        self
    }

    /// One attempt, no retry.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.once(&Request::get(path)).await
    }

    /// One attempt, no retry.
    pub async fn post(
        &self,
        path: &str,
        idempotency_key: Option<&str>,
        body: &impl Serialize,
    ) -> Result<Reply, ClientError> {
        self.once(&Request::post(path, idempotency_key, body)?).await
    }

    /// Repeats the call, same bytes and same key, while there is no answer or the server asks to wait.
    /// A POST without a key is repeated only after 429 and 503, which say that nothing happened.
    pub async fn send(&self, request: &Request) -> Result<Reply, ClientError> {
        let repeatable = request.method != Method::POST || request.idempotency_key.is_some();
        let prepared = self.prepare(request)?;
        let finished =
            repeat(&self.limits, repeatable, &*self.announce, || self.attempt(prepared.clone())).await;
        finished.outcome.map_err(|source| request.no_answer(finished.attempts, source))
    }

    async fn once(&self, request: &Request) -> Result<Reply, ClientError> {
        let prepared = self.prepare(request)?;
        self.attempt(prepared).await.map_err(|source| request.no_answer(1, source))
    }

    async fn attempt(&self, request: hyper::Request<Full<Bytes>>) -> Outcome {
        let exchange = async {
            let (parts, body) = self.http.request(request).await?.into_parts();
            let bytes = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: read_body(&bytes) })
        };
        match tokio::time::timeout(self.limits.attempt_timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(elapsed.into()),
        }
    }

    fn prepare(&self, request: &Request) -> Result<hyper::Request<Full<Bytes>>, ClientError> {
        let address = format!("{}{}", self.base_url, request.path);
        let uri: Uri = address.parse().map_err(|_| ClientError::BadAddress(address))?;
        let mut prepared = hyper::Request::new(Full::new(request.body.clone()));
        *prepared.method_mut() = request.method.clone();
        *prepared.uri_mut() = uri;
        let headers = prepared.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        if !request.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = &request.idempotency_key {
            let value = HeaderValue::from_str(key).map_err(|_| ClientError::BadHeader("idempotency key"))?;
            headers.insert(IDEMPOTENCY_KEY, value);
        }
        Ok(prepared)
    }
}

impl Request {
    pub fn get(path: &str) -> Request {
        Request { method: Method::GET, path: path.to_owned(), idempotency_key: None, body: Bytes::new() }
    }

    pub fn post(
        path: &str,
        idempotency_key: Option<&str>,
        body: &impl Serialize,
    ) -> Result<Request, ClientError> {
        let body = Bytes::from(serde_json::to_vec(body).map_err(ClientError::Encode)?);
        let idempotency_key = idempotency_key.map(str::to_owned);
        Ok(Request { method: Method::POST, path: path.to_owned(), idempotency_key, body })
    }

    fn no_answer(&self, attempts: u32, source: Box<dyn std::error::Error + Send + Sync>) -> ClientError {
        ClientError::NoAnswer { method: self.method.to_string(), path: self.path.clone(), attempts, source }
    }
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The server had done this before and repeats its first answer.
    pub fn is_replayed(&self) -> bool {
        self.headers.get(IDEMPOTENT_REPLAYED).is_some_and(|v| v.as_bytes() == b"true")
    }

    /// The refusal; `None` for a success. A refusal that is no problem+json keeps at least its status.
    pub fn problem(&self) -> Option<Problem> {
        if self.is_success() {
            return None;
        }
        let mut problem = Problem::deserialize_lenient(&self.body);
        problem.status = self.status;
        Some(problem)
    }

    /// The wait in seconds that the server asks for. Scrip never sends the header's date form.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// The body as `T`, or the refusal as an error.
    pub fn read<T: DeserializeOwned>(self, request: &Request) -> Result<T, ClientError> {
        if let Some(problem) = self.problem() {
            return Err(ClientError::Refused(Box::new(problem)));
        }
        serde_json::from_value(self.body).map_err(|source| ClientError::Unexpected {
            method: request.method.to_string(),
            path: request.path.clone(),
            status: self.status,
            source: Some(source),
        })
    }
}

impl Problem {
    fn deserialize_lenient(body: &Value) -> Problem {
        serde_json::from_value(body.clone()).unwrap_or_else(|_| Problem {
            title: "an answer that is not a problem document".to_owned(),
            code: "unexpected_answer".to_owned(),
            ..Problem::default()
        })
    }
}

fn checked_base(base_url: &str) -> Result<String, ClientError> {
    let trimmed = base_url.trim_end_matches('/');
    let is_plain_http = trimmed.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some_and(|h| !h.is_empty()) && uri.query().is_none()
    });
    if is_plain_http { Ok(trimmed.to_owned()) } else { Err(ClientError::BadAddress(base_url.to_owned())) }
}

fn read_body(bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_addresses_are_taken() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:9/prefix"] {
            assert!(Client::new(good, "sk_test_1").is_ok(), "{good}");
        }
        for bad in
            ["https://example.org", "127.0.0.1:8080", "http://", "", "http://a b", "/v1", "http://h?q=1"]
        {
            assert!(matches!(Client::new(bad, "sk_test_1"), Err(ClientError::BadAddress(_))), "{bad}");
        }
        assert!(matches!(Client::new("http://h", "a\nb"), Err(ClientError::BadHeader("API key"))));
    }

    #[test]
    fn a_refusal_without_a_problem_document_still_has_its_status() {
        let reply =
            Reply { status: 502, headers: HeaderMap::new(), body: Value::String("<html>".to_owned()) };
        let problem = reply.problem().map(|p| (p.status, p.code));
        assert_eq!(problem, Some((502, "unexpected_answer".to_owned())));
    }
}
