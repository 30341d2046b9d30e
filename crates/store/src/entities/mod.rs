//! One module a table.

pub mod hold;
pub mod lane;
pub mod lane_bucket;
pub mod lot;
pub mod posting;
pub mod reversal;
pub mod snapshot;
pub mod vendor_transaction;
pub mod wallet;
