//! Who is abusing the product, and why do we think so? Signals go in, one wallet's assessment comes out: a score
//! from 0 to 1, the named patterns that make it up, and sentences with numbers.
//!
//! ```text
//! Signal → Book (O(1) state of wallets and networks) → Features → detectors + Ensemble → Assessment
//! ```
//!
//! Everything is causal: a score uses what was known at its moment and nothing later. Everything is repeatable:
//! the same signals in the same order, and the same model id with the same rows, give the same bits. There is no
//! clock, no randomness from outside and no database here. Prompts are never kept, only their prints.
//!
//! Floating-point numbers are at home here and nowhere else near credits: nothing in this crate moves any.

pub mod book;
pub mod detectors;
pub mod drift;
pub mod features;
pub mod feedback;
pub mod model;
mod network;
mod outputs;
pub mod record;
pub mod score;
pub mod signal;
pub mod stored;
pub mod text;
pub mod training;
pub mod wallet;
pub mod watch;
pub mod window;
