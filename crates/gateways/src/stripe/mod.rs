//! Stripe on async-stripe, which pins the API version of every request.

mod convert;
mod envelope;
mod gateway;
mod retry;
mod settings;
mod signature;
mod signs;

pub use gateway::Stripe;
pub use retry::Retries;
pub use settings::StripeSettings;
pub use signature::TOLERANCE_SECONDS;
