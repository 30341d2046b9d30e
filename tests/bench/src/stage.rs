//! One round's databases and servers, started when a case first needs them, proven when the round ends.

use std::time::{Duration, Instant};

use ::tests::process::{Server, ServerOptions};
use engine::{Engine, EngineConfig};
use kernel::Clock;
use store::Store;

use crate::bed::{Bed, Schema};
use crate::case::{Case, Peer, Sample};
use crate::http::Target;
use crate::in_process::Debits;
use crate::naive::Naive;
use crate::naive_server::NaiveServer;
use crate::spread::Chooser;
use crate::tally::{Pace, Tally, Window};
use crate::{cpu, database, http, in_process, pgbench};

const NAIVE_SERVER: &str = "bench";
const SCRIP_SERVER: &str = "scrip";

pub struct Stage<'a> {
    bed: &'a Bed,
    /// Tells this round's databases and keys from those of others.
    name: String,
    seed: u64,
    cases: usize,
    postmaster: u32,
    scrip: Option<ScripSide>,
    engine: Option<EngineSide>,
    naive_http: Option<NaiveServer>,
    naive: Option<Naive>,
}

struct ScripSide {
    options: ServerOptions,
    server: Server,
    store: Store,
    target: Target,
    /// Per second, of wallets that the server did not know: in bulk, by one caller.
    first_debits: f64,
}

struct EngineSide {
    options: ServerOptions,
    store: Store,
    engine: Engine,
}

struct Spent {
    database: u64,
    server: u64,
    generator: u64,
}

impl<'a> Stage<'a> {
    pub fn new(bed: &'a Bed, name: &str, seed: u64) -> Stage<'a> {
        let postmaster = if bed.is_sqlite() { 0 } else { postmaster(bed) };
        Stage {
            bed,
            name: name.to_owned(),
            seed,
            cases: 0,
            postmaster,
            scrip: None,
            engine: None,
            naive_http: None,
            naive: None,
        }
    }

    /// Measures a case; fails when the journal does not show exactly what was acknowledged.
    pub fn run(&mut self, case: Case, measured: Duration) -> Sample {
        self.cases += 1;
        let tag = format!("{}-{}", self.name, self.cases);
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(self.cases as u64);
        let chooser = Chooser::new(case.spread, self.bed.wallets.len(), seed);
        match case.peer {
            Peer::NaivePgbench => self.pgbench(case, measured),
            Peer::NaiveHttp => self.naive_http(case, chooser, measured, &tag),
            Peer::Naive => self.naive(case, chooser, measured, &tag),
            Peer::Engine => self.engine(case, chooser, measured, &tag),
            Peer::Scrip | Peer::ScripReplays | Peer::ScripBulk | Peer::ScripHolds => {
                self.scrip(case, chooser, measured, &tag)
            }
        }
    }

    /// How fast wallets were debited that the server did not know, if it was asked.
    pub fn first_debits(&self) -> Option<f64> {
        self.scrip.as_ref().map(|side| side.first_debits)
    }

    /// Stops everything and lets `scrip verify` recompute what Scrip wrote; answers what it printed.
    pub fn prove(mut self) -> Vec<String> {
        let mut proofs = Vec::new();
        if let Some(mut side) = self.scrip.take() {
            self.bed.runtime.block_on(side.store.close()).expect("it closes");
            assert!(side.server.stop().success(), "{}", side.server.output());
            proofs.push(verify(&side.options));
            self.bed.drop_copy(Schema::Scrip, &self.copy_of("http"));
        }
        if let Some(side) = self.engine.take() {
            self.bed.runtime.block_on(async {
                side.engine.stop().await;
                side.store.close().await.expect("it closes");
            });
            proofs.push(verify(&side.options));
            self.bed.drop_copy(Schema::Scrip, &self.copy_of("engine"));
        }
        if self.naive_http.take().is_some() {
            self.bed.drop_copy(Schema::Naive, &self.copy_of("http"));
        }
        if let Some(naive) = self.naive.take() {
            self.bed.runtime.block_on(naive.close()).expect("it closes");
            self.bed.drop_copy(Schema::Naive, &self.copy_of("engine"));
        }
        proofs
    }

    fn pgbench(&mut self, case: Case, measured: Duration) -> Sample {
        self.start_naive_http();
        let database = format!("naive_{}", self.copy_of("http"));
        let before = self.spent(NAIVE_SERVER);
        let ran = pgbench::run(
            self.bed.cluster(),
            &database,
            self.bed.folder.path(),
            (case.spread, self.bed.wallets.len()),
            case.callers,
            measured,
        );
        let after = self.spent(NAIVE_SERVER);
        let database_us = (after.database - before.database) as f64 / ran.transactions;
        let pace = Pace { per_second: ran.per_second, ..Pace::default() };
        Sample { pace, database_us, ..Sample::default() }
    }

    fn naive_http(&mut self, case: Case, chooser: Chooser, measured: Duration, tag: &str) -> Sample {
        let port = self.start_naive_http();
        let target = Target { port, api_key: "none".to_owned() };
        let url = self.bed.url(Schema::Naive, &self.copy_of("http"));
        let entries = || self.bed.runtime.block_on(naive_entries(&url));
        let (was, before) = (entries(), self.spent(NAIVE_SERVER));
        let (tally, window) = http::run(&target, case, chooser, measured, tag);
        let after = self.spent(NAIVE_SERVER);
        grown_by(case, was, entries(), tally.acknowledged);
        sample(tally, window, &before, &after)
    }

    fn naive(&mut self, case: Case, chooser: Chooser, measured: Duration, tag: &str) -> Sample {
        let runtime = &self.bed.runtime;
        let name = self.copy_of("engine");
        let naive = self.naive.get_or_insert_with(|| {
            let url = self.bed.copy(Schema::Naive, &name);
            runtime.block_on(Naive::connect(&url)).expect("the database opens")
        });
        let calls = in_process::naive(naive.clone(), chooser, case.callers, measured, tag);
        let before = self.spent("");
        let (tally, window) = self.bed.runtime.block_on(calls);
        sample(tally, window, &before, &self.spent(""))
    }

    fn engine(&mut self, case: Case, chooser: Chooser, measured: Duration, tag: &str) -> Sample {
        let name = self.copy_of("engine");
        let bed = self.bed;
        let side = self.engine.get_or_insert_with(|| EngineSide::start(bed, &bed.copy(Schema::Scrip, &name)));
        let (store, engine) = (side.store.clone(), side.engine.clone());
        let debits = Debits::of(bed, engine);
        let was = bed.runtime.block_on(database::commands(&store));
        let before = self.spent("");
        let calls = in_process::engine(debits, chooser, case.callers, measured, tag);
        let (tally, window) = bed.runtime.block_on(calls);
        let after = self.spent("");
        grown_by(case, was, bed.runtime.block_on(database::commands(&store)), tally.acknowledged);
        sample(tally, window, &before, &after)
    }

    fn scrip(&mut self, case: Case, chooser: Chooser, measured: Duration, tag: &str) -> Sample {
        let (bed, name) = (self.bed, self.copy_of("http"));
        if let Some(side) = &self.engine {
            bed.runtime.block_on(side.engine.stop());
        }
        let side = self.scrip.get_or_insert_with(|| ScripSide::start(bed, &bed.copy(Schema::Scrip, &name)));
        let (store, target) = (side.store.clone(), side.target.clone());
        let commands = || bed.runtime.block_on(database::commands(&store));
        let (was, before) = (commands(), self.spent(SCRIP_SERVER));
        let (tally, window) = http::run(&target, case, chooser, measured, tag);
        let after = self.spent(SCRIP_SERVER);
        grown_by(case, was, commands(), tally.acknowledged);
        sample(tally, window, &before, &after)
    }

    fn start_naive_http(&mut self) -> u16 {
        let (bed, name) = (self.bed, self.copy_of("http"));
        self.naive_http.get_or_insert_with(|| NaiveServer::start(&bed.copy(Schema::Naive, &name))).port
    }

    fn copy_of(&self, side: &str) -> String {
        format!("{}_{side}", self.name)
    }

    fn spent(&self, server: &str) -> Spent {
        Spent {
            database: if self.postmaster == 0 { 0 } else { cpu::family_micros(self.postmaster) },
            server: if server.is_empty() { 0 } else { cpu::child_micros(server) },
            generator: cpu::own_micros(),
        }
    }
}

impl ScripSide {
    fn start(bed: &Bed, url: &str) -> ScripSide {
        let options = bed.options(url);
        let server = Server::start(&options);
        let target = Target { port: server.port(), api_key: bed.api_key.clone() };
        let begin = Instant::now();
        let touched = http::touch_all(&target, bed.wallets.len(), "touch");
        let first_debits = touched as f64 / begin.elapsed().as_secs_f64();
        let store = bed.runtime.block_on(Store::connect(url)).expect("the database opens");
        ScripSide { options, server, store, target, first_debits }
    }
}

impl EngineSide {
    fn start(bed: &Bed, url: &str) -> EngineSide {
        let (store, engine) = bed.runtime.block_on(async {
            let store = Store::connect(url).await.expect("the database opens");
            let engine = Engine::start(store.clone(), Clock::System, EngineConfig::default()).await;
            let engine = engine.expect("the engine starts");
            Debits::of(bed, engine.clone()).touch_all().await;
            (store, engine)
        });
        EngineSide { options: bed.options(url), store, engine }
    }
}

fn sample(mut tally: Tally, window: Window, before: &Spent, after: &Spent) -> Sample {
    let each = |micros: u64| micros as f64 / tally.done.max(1) as f64;
    Sample {
        database_us: each(after.database - before.database),
        server_us: each(after.server.saturating_sub(before.server)),
        generator_us: each(after.generator - before.generator),
        pace: tally.pace(window),
    }
}

fn grown_by(case: Case, was: u64, is: u64, acknowledged: u64) {
    assert_eq!(is - was, acknowledged, "{case}: the journal did not grow by what was acknowledged");
}

fn verify(options: &ServerOptions) -> String {
    let output = options.run("verify");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_ok = output.status.success() && said.trim_end().ends_with("verify: ok");
    assert!(is_ok, "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().next().unwrap_or_default().to_owned()
}

async fn naive_entries(url: &str) -> u64 {
    let store = Store::connect(url).await.expect("the database opens");
    let entries = database::count(&store, "SELECT count(*) AS n FROM entries").await;
    store.close().await.expect("it closes");
    entries
}

pub fn postmaster(bed: &Bed) -> u32 {
    let file = bed.cluster().sql("postgres", "SELECT pg_read_file('postmaster.pid')");
    file.lines().next().and_then(|pid| pid.parse().ok()).expect("the first line is the process")
}
