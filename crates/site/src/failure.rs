//! Why a page could not be shown.

use app::AppError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Each is one error page; [`crate::frame`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Also what belongs to somebody else.
    NotFound,
    /// A form without its token: from another site, or left open over a sign-in.
    ForeignForm,
    UnreadableForm,
    /// Something in the address cannot be.
    Invalid(String),
    Busy {
        retry_after_seconds: u32,
    },
    /// Our defect or the database's; told to the log only.
    Broken(String),
}

impl Failure {
    /// Of what may be over in a moment.
    pub const BUSY: Failure = Failure::Busy { retry_after_seconds: 2 };

    pub fn status(&self) -> StatusCode {
        match self {
            Failure::NotFound => StatusCode::NOT_FOUND,
            Failure::ForeignForm => StatusCode::FORBIDDEN,
            Failure::UnreadableForm | Failure::Invalid(_) => StatusCode::BAD_REQUEST,
            Failure::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn of_status(status: StatusCode) -> Failure {
        match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Failure::NotFound,
            StatusCode::SERVICE_UNAVAILABLE => Failure::BUSY,
            other if other.is_client_error() => Failure::UnreadableForm,
            other => Failure::Broken(format!("a handler answered {other}")),
        }
    }

    pub(crate) fn title(&self) -> &'static str {
        match self {
            Failure::NotFound => "Page not found",
            Failure::ForeignForm => "This form is no longer valid",
            Failure::UnreadableForm | Failure::Invalid(_) => "This request could not be read",
            Failure::Busy { .. } => "One moment, please",
            Failure::Broken(_) => "Something went wrong on our side",
        }
    }

    pub(crate) fn advice(&self) -> String {
        match self {
            Failure::NotFound => {
                "There is nothing at this address, or it belongs to another account.".to_owned()
            }
            Failure::ForeignForm => {
                "Nothing was changed. Go back, reload the page and send the form again.".to_owned()
            }
            Failure::UnreadableForm => "Nothing was changed. Go back and try again.".to_owned(),
            Failure::Invalid(what) => what.clone(),
            Failure::Busy { retry_after_seconds } => {
                let wait = if *retry_after_seconds < 30 { "a few seconds" } else { "a minute" };
                format!("Too much is going on right now. Please try again in {wait}.")
            }
            Failure::Broken(_) => {
                "It has been logged. If it happens again, tell us the number below.".to_owned()
            }
        }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Failure {
        match error {
            AppError::NotFound { .. } | AppError::Forbidden { .. } => Failure::NotFound,
            AppError::Crowded { retry_after_seconds, .. } | AppError::Overloaded { retry_after_seconds } => {
                Failure::Busy { retry_after_seconds }
            }
            AppError::Invalid { errors } => {
                let sentence = |e: &app::FieldError| format!("{} {}", e.field, e.message);
                Failure::Invalid(errors.iter().map(sentence).collect::<Vec<_>>().join("; "))
            }
            AppError::Conflict { detail, .. } => Failure::Invalid(detail),
            error => Failure::Broken(chain(&error)),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Carries the failure beside an empty body.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
