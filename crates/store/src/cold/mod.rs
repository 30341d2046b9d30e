//! Tables that `app` writes inside of [`crate::Store::write`] transactions: one file a table, its entity
//! beside its queries. Instants are in microseconds, credits in micro-credits, UTC and integer only.
//! Every finder takes the owner first: the wallet, the key's owner, or the unique name itself.

pub mod api_keys;
pub mod catalogues;
pub mod customers;
pub mod deliveries;
pub mod quotes;
pub mod requests;
pub mod sandbox_objects;
