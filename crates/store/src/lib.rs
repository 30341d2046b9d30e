//! The only crate that names a table: SeaORM entities, queries and the two dialects.
//!
//! Hot tables (`postings`, `wallets`, `lots`, `holds`, `lanes`, `snapshots`, `reversals`,
//! `vendor_transactions`) are written by the engine through [`LaneTx`] only; every statement on them
//! carries the bucket. Cold tables are written by `app` inside [`Store::write`] transactions.

mod append;
pub mod cold;
mod connect;
pub mod digests;
pub mod due;
pub mod entities;
mod error;
pub mod finds;
pub mod health;
pub mod holds;
pub mod journal;
mod known;
mod lane_tx;
pub mod lanes;
pub mod notices;
mod pages;
mod postings;
mod project;
mod rows;
pub mod seal;
mod sql;
pub mod statement;
pub mod verify;
pub mod walk;
pub mod wallets;

pub use append::{Batch, ROWS_PER_SNAPSHOT};
pub use cold::queue::Queue;
pub use connect::{CONNECT_SECONDS, Dialect, Store, place};
pub use error::StoreError;
pub use known::{Ahead, Known};
pub use lane_tx::{Claimed, KeysIn, LaneConnection, LaneTx, Reads, UsedKey};
pub use lanes::{Lane, LaneMap};
pub use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, TryGetable, Value, prelude::Uuid,
};
