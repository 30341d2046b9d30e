//! A bank whose tellers never forget: they move credits over HTTP while the server is killed again and
//! again, retry with the same keys, and in the end compare their own log with the server's journal.

mod audit;
mod operation;
mod teller;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kernel::WalletId;

use crate::cluster::Cluster;
use crate::process::{Server, ServerOptions};
use crate::random::SplitMix64;
use crate::wire::Wire;
use operation::Record;
use teller::{Log, Teller};

const TELLERS: usize = 12;
const WALLETS: usize = 6;
/// Kills come at a random moment of this span after the first write.
const LONGEST_LIFE_MS: u64 = 500;
const FIRST_WRITE_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);

pub struct Plan<'a> {
    /// How to start the server, on a new database.
    pub options: ServerOptions,
    pub victim: Victim<'a>,
    pub random: SplitMix64,
    pub kills: usize,
    /// Whether tellers also ask for what was acknowledged before; without, only kills cause retries.
    pub repeats: bool,
}

/// What is killed with SIGKILL and started again.
#[derive(Clone, Copy, Debug)]
pub enum Victim<'a> {
    Server,
    /// The database under a server that stays.
    Database(&'a Cluster),
}

/// What a run did that found no flaw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub kills: usize,
    pub acknowledged: usize,
    pub refused: usize,
    /// Acknowledged operations of which an attempt had no answer.
    pub cut_off: usize,
    /// Operations of which an attempt without an answer had happened, as the next one told.
    pub had_happened: usize,
    /// Times that an acknowledged operation was asked for again.
    pub repeats: u64,
    pub entries: usize,
    /// The first line of `scrip verify`.
    pub verified: String,
    pub took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// Acknowledged, but the journal does not have it.
    Lost,
    /// In the journal, but no answer told of it.
    ChargedTwice,
    /// A repetition was not answered as the first time.
    AnsweredDifferently,
    /// In the journal as something other than what was asked for.
    WrittenDifferently,
    /// Refused although nothing forbids it.
    Refused,
    /// Answered with a server error, or never.
    Unanswered,
    Balance,
    Verify,
}

#[derive(Clone, Debug)]
pub struct Flaw {
    pub kind: FlawKind,
    pub what: String,
}

/// A customer of the bank with one wallet.
struct Holder {
    customer: String,
    wallet: WalletId,
}

/// What the tellers and the killer know together.
struct Shared {
    holders: Vec<Holder>,
    is_closing: AtomicBool,
    /// How many times the server was killed.
    life: AtomicUsize,
    /// New writes that were acknowledged in each life of the server.
    acknowledged: Vec<AtomicU64>,
}

/// Ends the tellers also when the killer fails, so that its failure is seen.
struct Closing<'a>(&'a Shared);

/// Opens the bank, kills its server as planned and checks everything that was promised.
///
/// # Errors
///
/// Every promise that was broken.
pub fn run(mut plan: Plan<'_>) -> Result<Report, Vec<Flaw>> {
    let begin = Instant::now();
    let mut server = Server::start(&plan.options);
    let key = server.api_key().expect("the first start prints a key");
    let mut wire = Wire::new(server.port(), &key);
    let shared = Shared::open(&mut wire, plan.kills);
    let randoms: Vec<SplitMix64> = (0..TELLERS).map(|_| plan.random.fork()).collect();
    let killer = plan.random.fork();
    let mut logs = vec![Teller::new(&shared, &plan, &key, 0, plan.random.clone()).fund()];
    thread::scope(|scope| {
        let _closing = Closing(&shared);
        let tellers: Vec<_> = (1..)
            .zip(randoms)
            .map(|(number, random)| Teller::new(&shared, &plan, &key, number, random))
            .map(|teller| scope.spawn(|| teller.work()))
            .collect();
        kill_repeatedly(&plan, killer, &shared, &mut server);
        shared.is_closing.store(true, Ordering::SeqCst);
        logs.extend(tellers.into_iter().map(|teller| teller.join().expect("a teller does not panic")));
    });
    let mut report = Report { kills: plan.kills, ..Report::default() };
    let mut flaws = Vec::new();
    let records = report.add_up(logs, &mut flaws);
    // Read by a server that knows nothing but the database.
    server.stop();
    server = Server::start(&plan.options);
    let mut wire = Wire::new(server.port(), &key);
    report.entries = audit::journal(&mut wire, &shared.holders, &records, &mut flaws);
    server.stop();
    report.verified = audit::verify(&plan.options, report.entries, &mut flaws);
    report.took = begin.elapsed();
    if flaws.is_empty() { Ok(report) } else { Err(flaws) }
}

/// Each kill comes after at least one acknowledged write since the start before it.
fn kill_repeatedly(plan: &Plan<'_>, mut random: SplitMix64, shared: &Shared, server: &mut Server) {
    for life in 0..plan.kills {
        shared.wait_for_a_write(life);
        thread::sleep(Duration::from_millis(random.draw() % LONGEST_LIFE_MS));
        match plan.victim {
            Victim::Server => server.kill9(),
            Victim::Database(cluster) => cluster.kill9(),
        }
        shared.life.store(life + 1, Ordering::SeqCst);
        match plan.victim {
            Victim::Server => *server = Server::start(&plan.options),
            Victim::Database(cluster) => cluster.restart(),
        }
    }
    shared.wait_for_a_write(plan.kills);
}

impl Shared {
    fn open(wire: &mut Wire, kills: usize) -> Shared {
        Shared {
            holders: (0..WALLETS).map(|number| holder(wire, number)).collect(),
            is_closing: AtomicBool::new(false),
            life: AtomicUsize::new(0),
            acknowledged: (0..=kills).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn wait_for_a_write(&self, life: usize) {
        let begin = Instant::now();
        while self.acknowledged[life].load(Ordering::SeqCst) == 0 {
            assert!(begin.elapsed() < FIRST_WRITE_WITHIN, "no write was acknowledged in life {life}");
            thread::sleep(LOOK_AGAIN_AFTER);
        }
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.is_closing.store(true, Ordering::SeqCst);
    }
}

fn holder(wire: &mut Wire, number: usize) -> Holder {
    let customer = format!("holder-{number}");
    let body = format!(
        r#"{{"external_id": "{customer}", "kind": "individual", "name": "{customer}", "email": "{customer}@example.com"}}"#
    );
    let made = wire.post("/v1/customers", &customer, &body).expect("the server runs");
    assert_eq!(made.status, 201, "{}", made.body);
    let wallet = wire.get(&format!("/v1/customers/{customer}/wallet")).expect("the server runs");
    let id = wallet.text("id").parse().unwrap_or_else(|_| panic!("a wallet has an id: {}", wallet.body));
    Holder { customer, wallet: id }
}

impl Report {
    fn add_up(&mut self, logs: Vec<Log>, flaws: &mut Vec<Flaw>) -> Vec<Record> {
        let mut records = Vec::new();
        for log in logs {
            self.refused += log.refused;
            self.repeats += log.repeats;
            flaws.extend(log.flaws);
            records.extend(log.records);
        }
        self.acknowledged = records.len();
        self.cut_off = records.iter().filter(|record| record.unanswered > 0).count();
        self.had_happened = records.iter().filter(|record| record.first.is_replayed).count();
        records
    }
}

impl Flaw {
    fn new(kind: FlawKind, what: impl Into<String>) -> Flaw {
        Flaw { kind, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills in {:.1} s; {} operations acknowledged, {} refused; {} were cut off, {} had happened before \
             their answer; {} asked for again; verify: {}",
            self.kills,
            self.took.as_secs_f64(),
            self.acknowledged,
            self.refused,
            self.cut_off,
            self.had_happened,
            self.repeats,
            self.verified
        )
    }
}
