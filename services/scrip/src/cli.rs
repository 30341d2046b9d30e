use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use engine::Faults;

use crate::replay::{DEFAULT_CONCURRENCY, DEFAULT_FEATURE, DEFAULT_MODEL};
use crate::settings::Settings;
use crate::{commands, doctor, logs, operators, serve};

/// Credits for AI products: quotes, holds, usage and an exact ledger.
#[derive(Parser)]
#[command(name = "scrip", version, about, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything; the default
    Serve(Serve),
    /// Apply the migrations that the database lacks
    Migrate {
        /// Cut the wallets anew into this many lanes, each with one writer; about one per core of the database
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=64))]
        lanes: Option<i64>,
    },
    /// Recompute every balance, lot and hold from the journal; exit 1 on any difference
    Verify,
    /// Move older journal rows out of the way of writers now, as the worker does by itself
    Seal {
        /// Rows to leave, those recorded last; by default half of hot_rows
        #[arg(long)]
        keep: Option<u64>,
    },
    /// Check settings, database, clock and gateway, and say what to do about what is wrong
    Doctor,
    /// Send a recorded LLM trace through a running server and compare its journal with the trace
    Replay(Replay),
    /// Make or revoke API keys
    #[command(subcommand)]
    Keys(Keys),
    /// Make or revoke those who sign in to the console
    #[command(subcommand)]
    Operators(Operators),
}

#[derive(clap::Args, Default)]
pub struct Serve {
    /// Services to start, separated by commas; all by default
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Service>,
    /// Address to listen on, such as 127.0.0.1:8080
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Add the demo also where it does not come by itself; `--demo=bare` leaves its history out
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "filled")]
    pub demo: Option<Demo>,
    /// Take play money through the built-in sandbox gateway also where it does not start by itself
    #[arg(long)]
    pub sandbox: bool,
}

/// How much of the demo an empty installation gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Demo {
    /// Catalogue, the customer `demo`, a test key, and five customers with thirty days of use
    Filled,
    /// Catalogue, the customer `demo` and a test key
    Bare,
}

/// A part of Scrip that can run in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    Api,
    Payments,
    Fraud,
    Worker,
    Portal,
    Console,
}

impl Serve {
    /// Whether this process runs the service; without `--only` it runs all.
    pub fn runs(&self, service: Service) -> bool {
        self.only.is_empty() || self.only.contains(&service)
    }
}

#[derive(clap::Args)]
pub struct Replay {
    /// An Azure LLM trace (CSV) or a Mooncake trace (JSONL), plain or gzipped
    pub file: PathBuf,
    /// The running server; by default the one of the settings
    #[arg(long)]
    pub url: Option<String>,
    /// A merchant key; by default SCRIP_API_KEY, else the demo key
    #[arg(long)]
    pub key: Option<String>,
    #[arg(long, default_value = DEFAULT_FEATURE)]
    pub feature: String,
    #[arg(long, default_value = DEFAULT_MODEL)]
    pub model: String,
    /// Requests under way at once
    #[arg(long, default_value_t = DEFAULT_CONCURRENCY)]
    pub concurrency: usize,
}

#[derive(Subcommand)]
pub enum Keys {
    /// Make a merchant key and print its secret once
    Create {
        #[arg(long)]
        name: String,
        /// Of read, usage, catalogue, admin
        #[arg(long, value_delimiter = ',', default_value = "read,usage,catalogue,admin")]
        scopes: Vec<String>,
        /// For a production installation: sk_live_… instead of sk_test_…
        #[arg(long)]
        live: bool,
    },
    /// Every key with its state; never a secret
    List,
    /// Revoke a key by its id (key_…)
    Revoke { id: String },
}

#[derive(Subcommand)]
pub enum Operators {
    /// Make an operator; prints a new password once, or takes yours from standard input
    Create {
        /// What they sign in with; an address that no customer signs in with
        #[arg(long)]
        email: String,
        /// What the console calls them; the address when absent
        #[arg(long)]
        name: Option<String>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Every operator, oldest first
    List,
    /// End an operator and all their sessions
    Revoke { email: String },
}

pub async fn run(faults: Faults) -> ExitCode {
    let cli = Cli::parse();
    let done = match environment().and_then(|environment| Settings::read(&environment)) {
        Ok(settings) => match logs::start(&settings) {
            Ok(()) => {
                dispatch(cli.command.unwrap_or(Command::Serve(Serve::default())), settings, faults).await
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| {
        eprintln!("scrip: {error}");
        ExitCode::FAILURE
    })
}

/// Variables of others may be any bytes; ours are text.
fn environment() -> Result<BTreeMap<String, String>, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => {
                environment.insert(name, value);
            }
            (Ok(name), Err(_)) if name.starts_with("SCRIP_") => {
                return Err(format!("{name} is not UTF-8 text"));
            }
            _ => {}
        }
    }
    Ok(environment)
}

async fn dispatch(command: Command, settings: Settings, faults: Faults) -> Result<ExitCode, String> {
    match command {
        Command::Serve(options) => serve::serve(settings, options, faults).await,
        Command::Migrate { lanes } => commands::migrate(&settings, lanes).await,
        Command::Verify => commands::verify(&settings).await,
        Command::Seal { keep } => commands::seal(&settings, keep).await,
        Command::Doctor => doctor::doctor(&settings).await,
        Command::Replay(options) => commands::replay(&settings, options).await,
        Command::Keys(keys) => commands::keys(&settings, keys).await,
        Command::Operators(operators) => operators::operators(&settings, operators).await,
    }
}
