//! Our key, several attempts: async-stripe repeats a request only under keys of its own. Its client keeps
//! the `Stripe-Should-Retry` header to itself, so the documented statuses decide.

use std::time::Duration;

use stripe::StripeError;
use stripe_shared::ApiErrorsType;

use crate::GatewayError;

/// How long an unanswered call is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// At least one.
    pub attempts: u32,
    /// Before the second attempt; doubles for each further one.
    pub first_pause: Duration,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { attempts: 4, first_pause: Duration::from_millis(250) }
    }
}

/// The code of a refusal because our key was used with other parameters.
pub(super) const KEY_REUSED: &str = "idempotency_error";
const PAUSE_MAX: Duration = Duration::from_secs(8);

impl Retries {
    /// Repeats `attempt` while there is no answer or Stripe asks to come again.
    pub(super) async fn run<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, GatewayError>
    where
        F: Future<Output = Result<T, StripeError>>,
    {
        let mut made = 0;
        loop {
            made += 1;
            let error = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !is_transient(&error) {
                return Err(refusal(what, error));
            }
            if made >= self.attempts {
                return Err(GatewayError::Unavailable { attempts: made, reason: reason(&error) });
            }
            tracing::info!(what, attempt = made, reason = reason(&error), "asking Stripe again");
            tokio::time::sleep(self.pause(made)).await;
        }
    }

    fn pause(&self, made: u32) -> Duration {
        self.first_pause.saturating_mul(1 << (made - 1).min(16)).min(PAUSE_MAX)
    }
}

/// What async-stripe says of an error body that is not Stripe's, such as a proxy's page.
const FOREIGN_ERROR_BODY: &str = "error deserializing Stripe error";

/// <https://docs.stripe.com/error-low-level#status-codes>
fn is_transient(error: &StripeError) -> bool {
    match error {
        StripeError::Stripe(_, status) => matches!(status, 409 | 424 | 429 | 500..=599),
        StripeError::ClientError(_) | StripeError::Timeout => true,
        StripeError::JSONDeserialize(text) => text == FOREIGN_ERROR_BODY,
        StripeError::ConfigError(_) => false,
    }
}

fn refusal(what: &str, error: StripeError) -> GatewayError {
    match error {
        StripeError::Stripe(_, 404) => GatewayError::NotFound { id: what.to_owned() },
        StripeError::Stripe(said, status @ (401 | 403)) => {
            let reason = said.message.unwrap_or_else(|| "no reason given".to_owned());
            GatewayError::Denied { status, reason }
        }
        StripeError::Stripe(said, status) => GatewayError::Refused {
            status,
            code: code_of(&said).or(said.code.map(|code| code.as_str().to_owned())),
            decline_code: said.decline_code,
            message: said.message.unwrap_or_else(|| "no reason given".to_owned()),
        },
        StripeError::ConfigError(reason) => GatewayError::Settings { reason },
        other => GatewayError::Unexpected { reason: reason(&other) },
    }
}

/// Stripe gives its error about a key that was used with other parameters a type and no code.
fn code_of(said: &stripe_shared::ApiErrors) -> Option<String> {
    matches!(said.type_, ApiErrorsType::IdempotencyError).then(|| KEY_REUSED.to_owned())
}

/// The fact without the payload: Stripe's error objects carry whole payments.
fn reason(error: &StripeError) -> String {
    match error {
        StripeError::Stripe(said, status) => {
            format!("status {status}: {}", said.message.as_deref().unwrap_or("no reason given"))
        }
        other => other.to_string(),
    }
}
