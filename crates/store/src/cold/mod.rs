//! Tables that `app` writes inside of [`crate::Store::write`] transactions: one file a table, its entity
//! beside its queries. Instants are in microseconds, credits in micro-credits, UTC and integer only.
//! Every finder takes the owner first: the wallet, the key's owner, or the unique name itself.

pub mod api_keys;
pub mod audit;
pub mod catalogues;
pub mod checkouts;
pub mod customers;
pub mod deliveries;
pub mod inbox;
pub mod mails;
pub mod outbox;
pub mod password_resets;
pub mod payment_signals;
pub mod problems;
pub mod queue;
pub mod quotes;
pub mod requests;
pub mod retention;
pub mod risk;
pub mod sandbox_objects;
pub mod schedules;
pub mod secrets;
pub mod sessions;
pub mod users;
pub mod verifications;
pub mod verify_runs;
