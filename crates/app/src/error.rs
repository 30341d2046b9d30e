use engine::EngineError;
use ledger::Refusal;
use serde::{Deserialize, Serialize};
use store::StoreError;

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field} {message}")]
pub struct FieldError {
    /// The member of the body or the query parameter, such as `quantities.images`.
    pub field: String,
    /// What to do about it; reads on after the field's name.
    pub message: String,
}

/// Why a use case did nothing. Each variant is one kind of answer.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// 400: the caller has to change the request.
    #[error("{}", all(errors))]
    Invalid { errors: Vec<FieldError> },
    /// 400 with a code of its own: a name is taken or an object is in another state.
    #[error("{detail}")]
    Conflict { code: &'static str, detail: String },
    /// 401.
    #[error("no such API key")]
    Unauthenticated,
    /// 403: the key may not do this.
    #[error("the API key lacks {needs}")]
    Forbidden { needs: &'static str },
    /// 404: an id in a path.
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    /// The ledger's answer: 400, 402, 403 or 429 by its kind.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// 409: the first call with this key still waits for somebody else's answer.
    #[error("{what} is still on its way; the same request with the same key tells it soon")]
    InProgress { what: &'static str },
    /// 422.
    #[error("the idempotency key was used with another input")]
    KeyReused,
    /// 400.
    #[error("the vendor transaction {vendor_transaction:?} is already on another receipt of this customer")]
    VendorTransactionTaken { vendor_transaction: String },
    /// 429: nothing was decided; the same request may be sent again.
    #[error("{limit} calls for this customer are already under way")]
    Crowded { limit: usize, retry_after_seconds: u32 },
    /// 503: nothing was decided; the same request may be sent again.
    #[error("too many commands are waiting")]
    Overloaded { retry_after_seconds: u32 },
    /// 503: the gateway does not take the operator's settings; the same idempotency key goes on later.
    #[error("payments are not available right now; please try again later")]
    NotPayable { retry_after_seconds: u32 },
    /// 503: the outcome may be unknown; the same idempotency key tells it.
    #[error("the database does not answer")]
    Unavailable {
        retry_after_seconds: u32,
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// How long a caller should wait before the same request has a chance.
const RETRY_AFTER_SECONDS: u32 = 1;

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), message: message.into() }
    }
}

/// Every field with what is wrong with it, in one line.
fn all(errors: &[FieldError]) -> String {
    errors.iter().map(|e| format!("{} {}", e.field, e.message)).collect::<Vec<_>>().join("; ")
}

impl AppError {
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> AppError {
        AppError::Invalid { errors: vec![FieldError::new(field, message)] }
    }

    pub(crate) fn not_found(what: &'static str) -> AppError {
        AppError::NotFound { what }
    }
}

impl From<StoreError> for AppError {
    fn from(cause: StoreError) -> AppError {
        AppError::Unavailable { retry_after_seconds: RETRY_AFTER_SECONDS, cause: Some(Box::new(cause)) }
    }
}

impl From<EngineError> for AppError {
    fn from(error: EngineError) -> AppError {
        match error {
            EngineError::Refused(Refusal::UnknownHold) => AppError::not_found("hold"),
            EngineError::Refused(Refusal::UnknownGrant) => AppError::not_found("grant"),
            EngineError::Refused(Refusal::UnknownReceipt) => AppError::not_found("receipt"),
            EngineError::Refused(refusal) => AppError::Refused(refusal),
            EngineError::KeyReused => AppError::KeyReused,
            EngineError::VendorTransactionTaken(vendor_transaction) => {
                AppError::VendorTransactionTaken { vendor_transaction }
            }
            EngineError::UnknownWallet => AppError::not_found("wallet"),
            // Only a settling job can see it, and it asks the engine itself.
            EngineError::NothingDue => AppError::not_found("due entry"),
            EngineError::Overloaded => AppError::Overloaded { retry_after_seconds: RETRY_AFTER_SECONDS },
            cause @ (EngineError::Unavailable(_) | EngineError::Stopping | EngineError::NoThread(_)) => {
                AppError::Unavailable {
                    retry_after_seconds: RETRY_AFTER_SECONDS,
                    cause: Some(Box::new(cause)),
                }
            }
        }
    }
}

impl From<jobs::JobError> for AppError {
    fn from(error: jobs::JobError) -> AppError {
        let jobs::JobError::Store(error) = error;
        error.into()
    }
}

impl From<jobs::ScheduleError> for AppError {
    fn from(error: jobs::ScheduleError) -> AppError {
        match error {
            jobs::ScheduleError::Store(error) => error.into(),
            error => AppError::Unavailable {
                retry_after_seconds: RETRY_AFTER_SECONDS,
                cause: Some(Box::new(error)),
            },
        }
    }
}
