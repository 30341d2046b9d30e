/// Why a gateway's answer cannot be used. None of the texts carries a secret or card data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The gateway understood and said no; asking again with the same input is useless.
    #[error("the gateway refused ({status}, {}): {message}", code.as_deref().unwrap_or("no code"))]
    Refused {
        status: u16,
        code: Option<String>,
        /// The bank's reason when a card was declined.
        decline_code: Option<String>,
        message: String,
    },
    /// Our key is wrong or may not do this: the operator's matter, whatever was asked. Asking again helps
    /// once the key is mended.
    #[error("the gateway does not accept our key ({status}): {reason}")]
    Denied { status: u16, reason: String },
    #[error("the gateway does not know {id}")]
    NotFound { id: String },
    /// No usable answer after all attempts. The call may have happened: ask again with the same key.
    #[error("the gateway gave no answer after {attempts} attempts: {reason}")]
    Unavailable { attempts: u32, reason: String },
    /// The gateway said yes in a form that we do not understand.
    #[error("the gateway's answer is not understood: {reason}")]
    Unexpected { reason: String },
    #[error("the gateway's settings are wrong: {reason}")]
    Settings { reason: String },
}

/// An object of a list that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {error}")]
pub struct Unreadable {
    /// The gateway's.
    pub id: String,
    /// Ours, if it has one.
    pub reference: Option<String>,
    pub error: Box<GatewayError>,
}

/// Why an event is not the gateway's. The answer is 400 and nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("the signature header has no time or no v1 signature")]
    BadHeader,
    #[error("no configured secret made this signature")]
    WrongSignature,
    #[error("signed {age_seconds} s ago, more than the {tolerance_seconds} s that are allowed")]
    TooOld { age_seconds: i64, tolerance_seconds: i64 },
}
