//! The executable: settings, the command line, and everything started in one process.

mod cli;
mod commands;
mod demo;
mod doctor;
mod gateway;
mod logs;
mod operators;
mod proxies;
pub mod replay;
mod serve;
mod server;
mod settings;

use std::process::ExitCode;

pub use engine::{Faults, Place};

/// Runs the command line. `faults` is empty in the shipped executable; the test package's own
/// executable passes others to show that its checks would notice.
pub fn run(faults: Faults) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("scrip: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(cli::run(faults))
}
