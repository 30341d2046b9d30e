//! The batched ledger writer: the only way credits move.
//!
//! Commands queue per lane; one writer takes all that waits, decides each in order with `ledger`,
//! writes everything in one transaction and answers after its commit. The writer's memory of wallets is
//! used while the lane's fence is ours; a lost fence drops the memory and redoes the batch.

mod batch;
mod config;
mod engine;
mod memory;
mod queue;
mod request;
mod tap;
mod thread;
mod writer;

pub use config::{EngineConfig, Faults, Place};
pub use engine::Engine;
pub use request::{Answer, EngineCommand, EngineError, KeyedInput, Request};
pub use tap::{Keeps, Tap};
