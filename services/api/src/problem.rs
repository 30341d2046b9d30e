//! Errors as RFC 9457 problem documents. Every error of this server is one of [`KINDS`].

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{Credits, Timestamp};
use ledger::StepUp;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One sort of error: its status, its stable code and what it means to a caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub status: u16,
    pub code: &'static str,
    pub title: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:literal $code:literal $title:literal;)+) => {
        $(pub const $name: &Kind = &Kind { status: $status, code: $code, title: $title };)+
        /// All of them, in the order of their statuses; the documentation lists them.
        pub const KINDS: &[&Kind] = &[$($name),+];
    };
}

kinds! {
    INVALID_REQUEST = 400 "invalid_request" "The request is malformed or has an invalid value";
    IDEMPOTENCY_KEY_REQUIRED = 400 "idempotency_key_required" "Credits would move: an Idempotency-Key is needed";
    QUOTE_EXPIRED = 400 "quote_expired" "The quote is no longer valid";
    HOLD_NOT_OPEN = 400 "hold_not_open" "The hold has ended";
    ALREADY_REVERSED = 400 "already_reversed" "The receipt was reversed before";
    NOT_RESTRICTED = 400 "not_restricted" "The customer is not restricted by that decision";
    RESTRICTED_LONGER = 400 "restricted_longer" "A longer restriction is in force";
    RECEIPT_NOT_REVERSIBLE = 400 "receipt_not_reversible" "The receipt charged nothing";
    GRANT_VOIDED = 400 "grant_voided" "The grant was voided before";
    TOO_MANY_LOTS = 400 "too_many_lots" "The wallet has too many open lots";
    EXTERNAL_ID_TAKEN = 400 "external_id_taken" "Another customer has this external_id";
    NO_RATE_CARD = 400 "no_rate_card" "No rate card is published";
    VENDOR_TRANSACTION_TAKEN = 400 "vendor_transaction_taken" "The vendor transaction is on another receipt";
    NO_GATEWAY = 400 "no_gateway" "No payment gateway is configured";
    GATEWAY_REFUSED = 400 "gateway_refused" "The payment gateway refused";
    BAD_SIGNATURE = 400 "bad_signature" "The event is not signed by the gateway";
    WRONG_STATE = 400 "wrong_state" "The object's state does not allow this";
    UNAUTHENTICATED = 401 "unauthenticated" "A valid API key is needed";
    INSUFFICIENT_CREDITS = 402 "insufficient_credits" "The wallet has not enough credits";
    FORBIDDEN = 403 "forbidden" "The API key may not do this";
    NOT_ENTITLED = 403 "not_entitled" "The customer's plan does not include this";
    RESTRICTED = 403 "restricted" "The customer is restricted for now";
    NOT_FOUND = 404 "not_found" "There is no such thing";
    METHOD_NOT_ALLOWED = 405 "method_not_allowed" "The path does not know this method";
    IN_PROGRESS = 409 "in_progress" "The first call with this Idempotency-Key has no answer yet";
    BODY_TOO_LARGE = 413 "body_too_large" "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type" "The body has the wrong content type";
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused" "The Idempotency-Key was used with another request";
    RATE_LIMITED = 429 "rate_limited" "Too many calls";
    TOO_MANY_HOLDS = 429 "too_many_holds" "Too many holds are open";
    INTERNAL = 500 "internal" "The server failed";
    UNAVAILABLE = 503 "unavailable" "The server cannot answer now";
}

/// What is wrong with one member of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Path of the member, such as `items[3].quantities.images`; a header or parameter by its name.
    pub field: String,
    /// Reads on after the field's name.
    pub message: String,
}

/// What a wallet lacks; part of a 402.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub available: Credits,
    pub required: Credits,
}

/// What keeps new work out; part of a 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnHold {
    pub until: Option<Timestamp>,
    pub step_up: StepUp,
}

/// Where problems send people.
#[derive(Clone, Debug)]
pub struct Links {
    /// A customer who lacks credits.
    pub buy: Arc<str>,
    /// A customer who is restricted.
    pub appeal: Arc<str>,
}

/// An error on its way out. The request's id is added where it leaves, see [`crate::observe`].
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: &'static Kind,
    pub detail: String,
    pub errors: Vec<FieldProblem>,
    pub shortage: Option<Shortage>,
    pub on_hold: Option<OnHold>,
    pub retry_after_seconds: Option<u64>,
}

/// An RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub type_: String,
    /// The same for every problem of this code.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// Stable name for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub code: &'static str,
    /// Also in the header `X-Request-Id`; quote it to support.
    pub request_id: String,
    /// The members at fault, if members are at fault.
    pub errors: Vec<FieldProblem>,
    /// Only with `insufficient_credits`: what the wallet can spend now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::amount::SignedCredits>, nullable = false)]
    pub available: Option<Credits>,
    /// Only with `insufficient_credits`: what would have been needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::amount::SignedCredits>, nullable = false)]
    pub required: Option<Credits>,
    /// Only with `insufficient_credits`: where the customer can buy credits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buy_url: Option<String>,
    /// Only with `restricted`, and only when it ends by itself: from this instant on work is let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::amount::Instant>, nullable = false)]
    pub until: Option<Timestamp>,
    /// Only with `restricted`: what ends it sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[a-z_]+$", nullable = false)]
    pub step_up: Option<&'static str>,
    /// Only with `restricted`: where the customer reads why, and can object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub appeal_url: Option<String>,
}

impl Problem {
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            shortage: None,
            on_hold: None,
            retry_after_seconds: None,
        }
    }

    /// 400 for one member of the request.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::fields(vec![FieldProblem { field: field.into(), message: message.into() }])
    }

    /// 400 for several members of the request.
    pub fn fields(errors: Vec<FieldProblem>) -> Problem {
        let sentence = |e: &FieldProblem| match e.field.as_str() {
            "" => e.message.clone(),
            field => format!("{field} {}", e.message),
        };
        let detail = errors.iter().map(sentence).collect::<Vec<_>>().join("; ");
        Problem { errors, ..Problem::new(INVALID_REQUEST, detail) }
    }

    /// 404; the same words whether a thing never was or belongs to somebody else.
    pub fn not_found() -> Problem {
        Problem::new(NOT_FOUND, "Nothing is found under this path for this API key.")
    }

    /// 503: nothing was decided, or the same key tells what was.
    pub fn unavailable(detail: &str) -> Problem {
        Problem { retry_after_seconds: Some(1), ..Problem::new(UNAVAILABLE, detail) }
    }

    /// 500: our defect; what it was stands in the log under the request's id.
    pub fn internal() -> Problem {
        Problem::new(
            INTERNAL,
            "The failure is logged under this request_id. Retrying is safe with the same Idempotency-Key.",
        )
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The document; what only the edge knows comes in here.
    pub fn body(&self, request_id: &str, links: &Links) -> ProblemBody {
        let shortage = self.shortage.as_ref();
        ProblemBody {
            type_: format!("/docs#{}", self.kind.code),
            title: self.kind.title,
            status: self.kind.status,
            detail: self.detail.clone(),
            code: self.kind.code,
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
            available: shortage.map(|s| s.available),
            required: shortage.map(|s| s.required),
            buy_url: shortage.map(|_| links.buy.to_string()),
            until: self.on_hold.and_then(|on_hold| on_hold.until),
            step_up: self.on_hold.map(|on_hold| on_hold.step_up.as_str()),
            appeal_url: self.on_hold.map(|_| links.appeal.to_string()),
        }
    }

    /// What an error response that is not ours means (axum's 404 and 405, for example).
    pub fn of_status(status: StatusCode) -> Problem {
        match status {
            StatusCode::NOT_FOUND => Problem::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Problem::new(METHOD_NOT_ALLOWED, "The methods that this path knows are in the Allow header.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(BODY_TOO_LARGE, "The body is too large."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Problem::new(UNSUPPORTED_MEDIA_TYPE, "The content type is not supported here.")
            }
            other if other.is_client_error() => Problem::new(INVALID_REQUEST, "The request is malformed."),
            _ => Problem::internal(),
        }
    }
}

/// Carries the problem beside an empty body; [`crate::observe`] writes the document.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if self.kind == UNAUTHENTICATED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}
