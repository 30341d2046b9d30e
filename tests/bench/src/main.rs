//! Measures Scrip beside what a founder would write by hand, in one run, interleaved, on one machine.
//! Every case ends with a proof: the journal grew by exactly what was acknowledged, and `scrip verify`
//! agrees with every row.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that meets an error has no result"
)]

mod bed;
mod case;
mod client;
mod cpu;
mod database;
mod growth;
mod http;
mod in_process;
mod machine;
mod naive;
mod naive_server;
mod open_loop;
mod overload;
mod pgbench;
mod report;
mod runs;
mod spread;
mod stage;
mod stats;
mod tally;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::case::{Case, Peer};
use crate::spread::Spread;

/// Measured in each case of a full run.
const FULL_SECONDS: f64 = 1.5;

/// As Scrip has it, so that the peers have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Scrip beside hand-written debits: one transaction each
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    /// Of all random choices
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Every peer, key distribution and number of callers; writes web/docs/benchmarks.md. The default
    Full(Full),
    /// The headline ratios within 50 seconds; the last line is one JSON object
    Quick,
    /// The engine and PostgreSQL's CPU per debit as the journal grows
    Growth(Growth),
    /// More calls than can be done: what still is, what is refused how fast, and who suffers
    Overload {
        /// Of each load
        #[arg(long, default_value_t = 6.0)]
        seconds: f64,
    },
    /// One case alone, for a profiler
    Case(Alone),
    /// The hand-written peer as a process of its own; started by the benchmark
    #[command(hide = true)]
    NaiveServer {
        #[arg(long)]
        url: String,
        #[arg(long)]
        port: u16,
    },
}

#[derive(clap::Args)]
struct Full {
    #[arg(long, default_value_t = 100_000)]
    wallets: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measured in each case, after a quarter of it unmeasured
    #[arg(long, default_value_t = FULL_SECONDS)]
    seconds: f64,
}

#[derive(clap::Args)]
struct Growth {
    /// Journal rows, comma-separated; 10000000 needs about 40 GB of disk
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    rows: Vec<u64>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

#[derive(clap::Args)]
struct Alone {
    #[arg(long, value_enum, default_value_t = Peer::Scrip)]
    peer: Peer,
    #[arg(long, value_enum, default_value_t = Spread::Uniform)]
    spread: Spread,
    #[arg(long, default_value_t = 64)]
    callers: usize,
    #[arg(long)]
    sqlite: bool,
    #[arg(long, default_value_t = 10_000)]
    wallets: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

fn main() {
    let cli = Cli::parse();
    let full = Full { wallets: 100_000, rounds: 3, seconds: FULL_SECONDS };
    match cli.command.unwrap_or(Command::Full(full)) {
        Command::Full(Full { wallets, rounds, seconds }) => {
            runs::full(cli.seed, wallets, rounds, Duration::from_secs_f64(seconds));
        }
        Command::Quick => runs::quick(cli.seed),
        Command::Growth(Growth { rows, rounds, seconds }) => {
            growth::run(cli.seed, &rows, rounds, Duration::from_secs_f64(seconds));
        }
        Command::Overload { seconds } => overload::run(cli.seed, Duration::from_secs_f64(seconds)),
        Command::Case(Alone { peer, spread, callers, sqlite: is_sqlite, wallets, seconds }) => {
            let case = Case { is_sqlite, peer, spread, callers };
            runs::alone(cli.seed, case, wallets, Duration::from_secs_f64(seconds));
        }
        Command::NaiveServer { url, port } => naive_server::run(&url, port),
    }
}
