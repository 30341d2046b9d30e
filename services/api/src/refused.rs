//! From what a use case says to what HTTP says (rules.md, "Errors").

use app::AppError;
use kernel::Timestamp;
use ledger::{Refusal, StepUp};

use crate::problem::{self, FieldProblem, KINDS, OnHold, Problem, Shortage};

impl From<AppError> for Problem {
    fn from(error: AppError) -> Problem {
        let says = sentence(&error.to_string());
        match error {
            AppError::Invalid { errors } => Problem::fields(
                errors.into_iter().map(|e| FieldProblem { field: e.field, message: e.message }).collect(),
            ),
            AppError::Conflict { code, detail } => Problem::new(conflict(code), sentence(&detail)),
            AppError::Unauthenticated => unauthenticated(),
            AppError::Forbidden { .. } => Problem::new(problem::FORBIDDEN, says),
            AppError::NotFound { .. } => Problem::new(problem::NOT_FOUND, says),
            AppError::Refused(refusal) => refusal.into(),
            AppError::InProgress { .. } => {
                Problem { retry_after_seconds: Some(1), ..Problem::new(problem::IN_PROGRESS, says) }
            }
            AppError::KeyReused => Problem::new(problem::IDEMPOTENCY_KEY_REUSED, says),
            AppError::VendorTransactionTaken { .. } => Problem::new(problem::VENDOR_TRANSACTION_TAKEN, says),
            AppError::Crowded { retry_after_seconds, .. } => Problem {
                retry_after_seconds: Some(retry_after_seconds.into()),
                ..Problem::new(problem::RATE_LIMITED, says)
            },
            AppError::Overloaded { retry_after_seconds } | AppError::NotPayable { retry_after_seconds } => {
                Problem {
                    retry_after_seconds: Some(retry_after_seconds.into()),
                    ..Problem::new(problem::UNAVAILABLE, says)
                }
            }
            AppError::Unavailable { retry_after_seconds, cause } => {
                tracing::error!(cause = %chain(cause.as_deref()), "a use case failed; its caller was told to retry");
                Problem {
                    retry_after_seconds: Some(retry_after_seconds.into()),
                    ..Problem::new(problem::UNAVAILABLE, says)
                }
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let says = refusal.to_string();
        let of = |kind| Problem::new(kind, sentence(&says));
        match refusal {
            Refusal::Short { needed, available } => {
                let shortage = Some(Shortage { available, required: needed });
                Problem { shortage, ..of(problem::INSUFFICIENT_CREDITS) }
            }
            Refusal::RateLimited { retry_after_seconds, .. } => {
                let seconds = u64::try_from(retry_after_seconds).unwrap_or(1);
                Problem { retry_after_seconds: Some(seconds), ..of(problem::RATE_LIMITED) }
            }
            Refusal::TooManyHolds { .. } => {
                Problem { retry_after_seconds: Some(1), ..of(problem::TOO_MANY_HOLDS) }
            }
            // The hold moved under every try of the use case: somebody is capturing it right now.
            Refusal::HoldMoved => Problem { retry_after_seconds: Some(1), ..of(problem::UNAVAILABLE) },
            Refusal::QuoteExpired { .. } => of(problem::QUOTE_EXPIRED),
            Refusal::Restricted { until, step_up } => {
                let on_hold = Some(OnHold { until, step_up });
                Problem { on_hold, ..Problem::new(problem::RESTRICTED, restricted(until, step_up)) }
            }
            Refusal::RestrictedLonger { .. } => of(problem::RESTRICTED_LONGER),
            Refusal::NotRestricted => of(problem::NOT_RESTRICTED),
            Refusal::NotEntitled => of(problem::NOT_ENTITLED),
            Refusal::TooManyLots { .. } => of(problem::TOO_MANY_LOTS),
            Refusal::HoldNotOpen { .. } => of(problem::HOLD_NOT_OPEN),
            Refusal::AlreadyReversed => of(problem::ALREADY_REVERSED),
            Refusal::GrantVoided => of(problem::GRANT_VOIDED),
            Refusal::UnknownGrant | Refusal::UnknownHold | Refusal::UnknownReceipt => of(problem::NOT_FOUND),
            Refusal::ExpiryPassed { .. } => Problem::field("expires_at", "is not in the future"),
            Refusal::ClawbackTooLarge { .. } | Refusal::TooLarge => Problem::field("credits", says),
        }
    }
}

/// For the person whose work was not let in.
fn restricted(until: Option<Timestamp>, step_up: StepUp) -> String {
    let what = match until {
        Some(until) => format!("New work of this customer is on hold until {until}."),
        None => "New work of this customer is on hold.".to_owned(),
    };
    let sooner = match step_up {
        StepUp::VerifyMail => "Confirming the mail address ends it at once",
        StepUp::ConfirmCard => "Buying with a card that the bank confirms (3-D Secure) ends it at once",
        StepUp::Wait => "Nothing needs to be done but to wait",
        StepUp::Review => "We are looking at it",
    };
    format!("{what} {sooner}. Holds that are open can still be captured, and no credits are lost.")
}

pub fn unauthenticated() -> Problem {
    Problem::new(problem::UNAUTHENTICATED, "Send a valid API key as Authorization: Bearer sk_…")
}

/// A use case names the code; one that the documentation does not list is a wrong state.
fn conflict(code: &str) -> &'static problem::Kind {
    KINDS.iter().find(|kind| kind.status == 400 && kind.code == code).copied().unwrap_or(problem::WRONG_STATE)
}

/// What an error says, for people to read by itself.
fn sentence(says: &str) -> String {
    let mut rest = says.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    let text: String = first.chain(rest).collect();
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// An error with all its causes, for the log.
fn chain(mut error: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> String {
    let Some(first) = error.take() else { return "none was told".to_owned() };
    let mut text = first.to_string();
    let mut next = first.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
