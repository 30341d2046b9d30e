use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What the server says instead of an answer: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The stable word for programs, such as `insufficient_credits`.
    pub code: String,
    pub request_id: String,
    /// One entry per wrong field of a malformed request.
    pub errors: Vec<FieldError>,
    /// Members that belong to one code only, such as `available` and `required`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What is wrong with one member of a request; the problem's detail says the same as one sentence.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// Path of the member, such as `items[3].quantities.images`.
    pub field: String,
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is not the address of a server, such as http://127.0.0.1:8080 (plain HTTP only)")]
    BadAddress(String),
    #[error("the {0} holds characters that an HTTP header cannot carry")]
    BadHeader(&'static str),
    #[error("the request could not be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The call may have happened: only a retry with the same key tells.
    #[error("{method} {path} got no answer after {attempts} attempts")]
    NoAnswer { method: String, path: String, attempts: u32, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("{method} {path} was answered {status} with a body that is not what the contract says")]
    Unexpected { method: String, path: String, status: u16, source: Option<serde_json::Error> },
}

impl ClientError {
    /// The server's refusal, when that is what this is.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ClientError::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The status of the server's refusal.
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|p| p.status)
    }

    /// The message and every cause below it, for one line on a terminal.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.detail.is_empty() { &self.title } else { &self.detail };
        write!(f, "the server refused with {} {}: {what}", self.status, self.code)?;
        if self.request_id.is_empty() { Ok(()) } else { write!(f, " (request {})", self.request_id) }
    }
}
