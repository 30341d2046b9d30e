//! A small client of Scrip's HTTP API: JSON over HTTP/1.1, safe retries, typed problems.
//!
//! It speaks plain HTTP, because it stands beside the server (replay, tests, tools on the same
//! machine); across a network put a proxy with TLS between the two.
//!
//! A failed call says nothing about whether it happened. Therefore [`Client::send`] repeats a call
//! with the very same body and key, and leaves it to the server to make it happen once.

mod calls;
mod error;
mod retry;
mod transport;

pub use calls::{
    Answer, Customer, GrantRequest, Granted, Hold, HoldRequest, Lot, NewCustomer, Page, Posting, Quote,
    QuoteRequest, Receipt, Wallet,
};
pub use error::{ClientError, FieldError, Problem};
pub use hyper::{HeaderMap, Method};
pub use retry::{Limits, Pause, PauseReason};
pub use transport::{Client, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Reply, Request};
