//! A bank whose tellers never forget: they move credits over HTTP while something is broken again and
//! again, retry with the same keys, and in the end compare their own log with the server's journal.

mod audit;
mod due;
mod fault;
mod flaw;
mod operation;
mod reader;
mod report;
mod settling;
mod shared;
mod teller;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::ServerOptions;
use crate::random::SplitMix64;
use crate::wire::Wire;
pub use fault::{Fault, Kills, NoFault, Places, Servers};
pub use flaw::{Flaw, FlawKind};
pub use operation::Effect;
use operation::LONGEST_SHORT_TTL_SECONDS;
pub use report::Report;
use shared::{Closing, Shared};
use teller::Teller;

const TELLERS: usize = 16;
const WALLETS: usize = 24;
/// Sets of operations that the search for an order may try, for each wallet.
const MAX_SETS: usize = 2_000_000;
/// Lots and holds with an end have it soon after the last teller stopped.
const ALL_IS_DUE_AFTER: Duration = Duration::from_secs(LONGEST_SHORT_TTL_SECONDS.unsigned_abs() + 2);

pub struct Plan<'a> {
    /// How to start the servers, all on one new database.
    pub servers: Vec<ServerOptions>,
    pub fault: &'a mut dyn Fault,
    pub random: SplitMix64,
    pub strikes: usize,
    /// Goes on until so many operations were acknowledged, if the strikes are over before.
    pub operations: usize,
    /// Whether tellers also ask for what was acknowledged before; without, only faults cause retries.
    pub repeats: bool,
}

/// Opens the bank, lets the fault strike as planned and checks everything that was promised.
///
/// # Errors
///
/// Every promise that was broken.
pub fn run(plan: Plan<'_>) -> Result<Report, Vec<Flaw>> {
    let Plan { servers, fault, mut random, strikes, operations, repeats } = plan;
    let begin = Instant::now();
    let mut servers = Servers::start(servers);
    let key = servers.api_key();
    let retries = fault.server_retries();
    let shared = Shared::open(&mut Wire::new(servers.port(0), &key), WALLETS, strikes, servers.turned_away());
    let ports = servers.ports();
    let mut teller = |number| Teller::new(&shared, &ports, &key, number, random.fork(), repeats, retries);
    let mut logs = vec![teller(0).fund()];
    let tellers: Vec<Teller<'_>> = (1..=TELLERS).map(&mut teller).collect();
    let mut striker = random.fork();
    thread::scope(|scope| {
        let _closing = Closing(&shared);
        let tellers: Vec<_> = tellers.into_iter().map(|teller| scope.spawn(|| teller.work())).collect();
        let readers: Vec<_> = ports.iter().map(|port| reader::Reader::new(&shared, *port, &key)).collect();
        let readers: Vec<_> = readers.into_iter().map(|reader| scope.spawn(|| reader.work())).collect();
        for life in 0..strikes {
            shared.wait_for_a_write(life);
            thread::sleep(fault.life(&mut striker));
            // Before the fault: an answer that comes after it then belongs to the new life.
            fault.strike(&mut servers, &mut striker);
            shared.life.store(life + 1, Ordering::SeqCst);
        }
        shared.wait_for_a_write(strikes);
        shared.wait_for_operations(operations);
        shared.is_closing.store(true, Ordering::SeqCst);
        logs.extend(tellers.into_iter().map(|teller| teller.join().expect("a teller does not panic")));
        logs.extend(readers.into_iter().map(|reader| reader.join().expect("a reader does not panic")));
    });
    thread::sleep(ALL_IS_DUE_AFTER);
    logs.push(Teller::new(&shared, &ports, &key, TELLERS + 1, random.fork(), repeats, retries).close());
    let mut flaws = Vec::new();
    let mut report = Report { strikes, ..Report::default() };
    let records = report.add_up(logs, WALLETS, &mut flaws);
    report.turned_away = servers.turned_away().load(Ordering::SeqCst);
    // Read by a server that knows nothing but the database.
    servers.stop_all();
    servers.start_first();
    let mut wire = Wire::new(servers.port(0), &key);
    report.entries = audit::journal(&mut wire, &shared.holders, &records, &mut flaws);
    servers.stop_all();
    report.verified = audit::verify(servers.options(0), report.entries, &mut flaws);
    report.took = begin.elapsed();
    if flaws.is_empty() { Ok(report) } else { Err(flaws) }
}
