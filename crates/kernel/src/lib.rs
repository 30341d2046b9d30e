//! The words every other crate shares: credits, money, instants, ids, quantities.
//!
//! Pure: nothing here reads the clock, draws a random number or performs I/O; [`Clock`], [`new_uuid`]
//! and [`new_request_id`] are the named doors to the outside, used by `app` and `engine`, the last where
//! requests arrive.

mod base32;
mod bucket;
mod clock;
mod credits;
mod ids;
mod keys;
mod money;
mod quantities;
pub mod text;
mod timestamp;

pub use bucket::{BUCKETS, Bucket, bucket_of};
pub use clock::{Clock, new_request_id, new_uuid};
pub use credits::{Credits, MICROS_PER_CREDIT};
pub use ids::{
    ApiKeyId, CaseId, CheckoutId, CustomerId, GrantId, HoldId, IdError, QuoteId, ReceiptId, Seq, WalletId,
};
pub use keys::{IdempotencyKey, KeyError};
pub use money::{Currency, Money, MoneyError};
pub use quantities::{AMOUNT_UNIT, Amount, Driver, Quantities, QuantityError};
pub use timestamp::{Timestamp, TimestampError};

/// A decimal or credit text that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("is not a decimal number such as \"12.5\"")]
    NotDecimal,
    #[error("has more than six digits after the point")]
    TooFine,
    #[error("is larger than {0}")]
    TooLarge(&'static str),
    #[error("is negative")]
    Negative,
}
