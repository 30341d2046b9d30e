//! x
pub mod book;
pub mod detectors;
pub mod features;
pub mod model;
pub mod network;
pub mod outputs;
pub mod score;
pub mod signal;
pub mod text;
pub mod wallet;
pub mod watch;
pub mod window;
