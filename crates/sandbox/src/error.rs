use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::StoreError;

/// What goes wrong outside of a request.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox sends events over http to this machine only, not to {url:?}")]
    NotLoopback { url: String },
    #[error("the sandbox's objects cannot be stored")]
    Store(#[from] StoreError),
}

/// Stripe's error envelope.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    /// `invalid_request_error`, `idempotency_error`, `api_error`.
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub param: Option<String>,
    pub message: String,
}

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
        }
    }

    pub fn code(mut self, code: &'static str) -> ApiError {
        self.code = Some(code);
        self
    }

    pub fn param(mut self, param: impl Into<String>) -> ApiError {
        self.param = Some(param.into());
        self
    }

    pub fn status(mut self, status: StatusCode) -> ApiError {
        self.status = status;
        self
    }

    pub fn missing_param(param: &str) -> ApiError {
        ApiError::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    pub fn bad_param(param: &str, what: &str) -> ApiError {
        ApiError::invalid(format!("Invalid {param}: {what}")).code("parameter_invalid").param(param)
    }

    /// 404, as Stripe says it.
    pub fn no_such(kind: &str, id: &str) -> ApiError {
        ApiError::invalid(format!("No such {kind}: '{id}'"))
            .code("resource_missing")
            .param("id")
            .status(StatusCode::NOT_FOUND)
    }

    pub fn unauthorized(message: &str) -> ApiError {
        ApiError::invalid(message).status(StatusCode::UNAUTHORIZED)
    }

    pub fn idempotency(message: &str) -> ApiError {
        ApiError { kind: "idempotency_error", ..ApiError::invalid(message) }
    }

    pub fn body(&self) -> Value {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = self.code {
            error["code"] = code.into();
            error["doc_url"] =
                format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into();
        }
        if let Some(param) = &self.param {
            error["param"] = param.as_str().into();
        }
        json!({ "error": error })
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        tracing::error!(error = &error as &dyn std::error::Error, "the sandbox cannot use its database");
        ApiError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "api_error",
            code: None,
            param: None,
            message: "The sandbox cannot use its database.".to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}
