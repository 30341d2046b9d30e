//! More than the server can do. The server and PostgreSQL get one core, the load another, so that the load
//! does not take from the server what it measures.

use std::process::Command;
use std::time::{Duration, Instant};

use ::tests::process::Server;
use ::tests::say;
use store::Store;

use crate::bed::{Bed, Schema};
use crate::case::{Case, Peer};
use crate::client::Connection;
use crate::http::{self, Target, request_of};
use crate::open_loop::{self, Outcome, Phase, Stream, sorted_ms};
use crate::spread::{Chooser, Spread};
use crate::stats::median;
use crate::{cpu, database, machine};

const WALLETS: usize = 1_000;
/// Closed-loop callers that find out what can be done.
const CALLERS: usize = 256;
/// The same with as many as the server lets in at once: none of them is refused, but each connection costs memory that
/// is not in a cache.
const ALL_PLACES: usize = 2_048;
const LOADS: [f64; 3] = [1.0, 2.0, 10.0];
/// Customers who share the server fairly, and what of the peak they take together.
const OTHERS: std::ops::Range<usize> = 1..101;
const OTHERS_TAKE: f64 = 0.4;
/// One more customer sends so many times as much as each of them: a fifth of the peak, half of it, twice of it.
const LOUD: [f64; 4] = [0.0, 50.0, 125.0, 500.0];
/// Quick answers in a row that mean it is over.
const CALM_ANSWERS: usize = 20;
const GIVES_UP_AFTER: Duration = Duration::from_secs(30);

/// Rounds of everything, so that a machine that is slower for a while is so for both sides of a ratio.
const ROUNDS: usize = 3;

/// How the rounds' numbers become one.
#[derive(Clone, Copy)]
enum Of {
    Median,
    /// What must not happen in any round.
    Sum,
    Worst,
}

/// A table whose cells are numbers of one round each.
struct Table {
    rows_are: &'static str,
    columns: Vec<(String, Of)>,
    /// In the order in which they were first added: a row's name, and for each column what the rounds had.
    rows: Vec<(String, Vec<Vec<f64>>)>,
}

pub fn run(seed: u64, lasting: Duration) {
    let is_pinned = pin(0);
    let bed = Bed::postgres(WALLETS);
    let url = bed.copy(Schema::Scrip, "overload");
    let options = bed.options(&url);
    let mut server = Server::start(&options);
    let target = Target { port: server.port(), api_key: bed.api_key.clone() };
    let store = bed.runtime.block_on(Store::connect(&url)).expect("the database opens");
    let commands = || bed.runtime.block_on(database::commands(&store));
    let was = commands();
    let mut acknowledged = http::touch_all(&target, WALLETS, "touch");
    if is_pinned {
        pin(1);
    }
    let (mut loads, mut shares) = (table_of_loads(), table_of_shares());
    let (mut peaks, mut crowded_peaks) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let mut capacity = |callers: usize| {
            let chooser = Chooser::new(Spread::Uniform, WALLETS, seed);
            let case = Case::postgres(Peer::Scrip, Spread::Uniform, callers);
            let (mut tally, window) =
                http::run(&target, case, chooser, lasting, &format!("capacity{round}-{callers}-"));
            acknowledged += tally.acknowledged;
            tally.pace(window).per_second
        };
        let (peak, crowded) = (capacity(CALLERS), capacity(ALL_PLACES));
        peaks.push(peak);
        crowded_peaks.push(crowded);
        let quiet = quiet_ms(&target, &format!("quiet{round}-"), &mut acknowledged);
        let mut alone_ms = None;
        for share in LOUD {
            let mut streams = vec![Stream { customers: OTHERS, per_second: OTHERS_TAKE * peak }];
            if share > 0.0 {
                streams.push(Stream {
                    customers: 0..1,
                    per_second: share / OTHERS.len() as f64 * OTHERS_TAKE * peak,
                });
            }
            let phase = open_loop::run(&target, &format!("l{round}-{share}"), &streams, seed, lasting);
            acknowledged += phase.outcomes.iter().map(|outcome| outcome.acknowledged).sum::<u64>();
            let others = phase.outcomes[0].good_ms(99);
            add_shares(&mut shares, share, &phase.outcomes, others / *alone_ms.get_or_insert(others));
        }
        let mut phases = Vec::new();
        for load in LOADS {
            let stream = Stream { customers: 0..WALLETS, per_second: load * peak };
            let phase = open_loop::run(&target, &format!("x{round}-{load}"), &[stream], seed, lasting);
            let back =
                recovered_after(&target, &format!("y{round}-{load}"), &phase, quiet, &mut acknowledged);
            acknowledged += phase.outcomes[0].acknowledged;
            let memory_mib = cpu::child_peak_mib("scrip") as f64;
            phases.push(Loaded { load, phase, memory_mib, back });
        }
        add_loads(&mut loads, (peak, crowded), &phases);
    }
    let pinned =
        if is_pinned { "server and PostgreSQL on one core, the load on another" } else { "not pinned" };
    println!(
        "Peak: {:.0} debits per second with {CALLERS} callers, {:.0} with {ALL_PLACES} ({pinned}); medians of {ROUNDS} rounds; commit {}.\n",
        median(&peaks),
        median(&crowded_peaks),
        machine::commit()
    );
    println!("{}\n\n{}", loads.text(), shares.text());
    bed.runtime.block_on(database::settle(&store));
    assert_eq!(commands() - was, acknowledged, "the journal did not grow by what was acknowledged");
    bed.runtime.block_on(store.close()).expect("it closes");
    assert!(server.stop().success(), "{}", server.output());
    say("the journal grew by exactly what was acknowledged");
}

impl Table {
    fn new(rows_are: &'static str, columns: &[(&str, Of)]) -> Table {
        Table {
            rows_are,
            columns: columns.iter().map(|(name, of)| ((*name).to_owned(), *of)).collect(),
            rows: Vec::new(),
        }
    }

    fn add(&mut self, name: String, cells: &[f64]) {
        if !self.rows.iter().any(|(known, _)| *known == name) {
            self.rows.push((name.clone(), vec![Vec::new(); cells.len()]));
        }
        let row = self.rows.iter_mut().find(|(known, _)| *known == name).expect("it is there");
        row.1.iter_mut().zip(cells).for_each(|(rounds, cell)| rounds.push(*cell));
    }

    fn text(&self) -> String {
        let heads: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let lines = " ---: |".repeat(heads.len() + 1);
        let mut text = format!("| {} | {} |\n|{lines}", self.rows_are, heads.join(" | "));
        for (name, cells) in &self.rows {
            let cells = cells.iter().zip(&self.columns).map(|(rounds, (_, of))| match of {
                Of::Median => short(median(rounds)),
                Of::Sum => short(rounds.iter().sum()),
                Of::Worst => short(rounds.iter().copied().fold(0.0, f64::max)),
            });
            text += &format!("\n| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        text
    }
}

/// Ratios with two digits, counts with none.
fn short(number: f64) -> String {
    match number {
        number if !number.is_finite() => "never".to_owned(),
        number if number.abs() < 10.0 && number.fract() != 0.0 => format!("{number:.2}"),
        number => format!("{number:.0}"),
    }
}

fn table_of_loads() -> Table {
    let of_crowded = format!("of peak with {ALL_PLACES}");
    Table::new(
        "offered",
        &[
            ("done per second", Of::Median),
            ("of the most that was done", Of::Median),
            (&format!("of peak with {CALLERS}"), Of::Median),
            (&of_crowded, Of::Median),
            ("p99 ms", Of::Median),
            ("refused per second", Of::Median),
            ("their p99 ms", Of::Median),
            ("wrong", Of::Sum),
            ("broken", Of::Sum),
            ("not sent per second", Of::Median),
            ("/livez p99 ms", Of::Median),
            ("/livez failed", Of::Sum),
            ("memory MiB", Of::Median),
            ("calm again after s, at worst", Of::Worst),
        ],
    )
}

/// A phase in which everybody sends so many times the peak.
struct Loaded {
    load: f64,
    phase: Phase,
    memory_mib: f64,
    /// How long after it answers were quick again.
    back: Option<Duration>,
}

/// Those of one round.
fn add_loads(table: &mut Table, (peak, crowded): (f64, f64), phases: &[Loaded]) {
    let most = phases.iter().map(|one| one.phase.outcomes[0].per_second()).fold(0.0, f64::max);
    for Loaded { load, phase, memory_mib, back } in phases {
        let outcome = &phase.outcomes[0];
        let cells = [
            outcome.per_second(),
            outcome.per_second() / most,
            outcome.per_second() / peak,
            outcome.per_second() / crowded,
            outcome.good_ms(99),
            outcome.refused as f64 / outcome.seconds,
            outcome.refused_ms(99),
            outcome.wrong as f64,
            outcome.broken as f64,
            outcome.unsent as f64 / outcome.seconds,
            sorted_ms(&phase.livez_us, 99),
            phase.livez_failed as f64,
            *memory_mib,
            back.map_or(f64::INFINITY, |after| after.as_secs_f64()),
        ];
        table.add(format!("{load:.0}x"), &cells);
    }
}

fn table_of_shares() -> Table {
    Table::new(
        "one customer sends",
        &[
            ("others' p99 ms", Of::Median),
            ("to that without it", Of::Median),
            ("others refused", Of::Sum),
            ("its own done per second", Of::Median),
            ("refused per second", Of::Median),
        ],
    )
}

fn add_shares(table: &mut Table, share: f64, outcomes: &[Outcome], to_alone: f64) {
    let others = &outcomes[0];
    let own = outcomes.get(1).cloned().unwrap_or_default();
    let per_second = |calls: usize| if calls > 0 { calls as f64 / others.seconds } else { 0.0 };
    let cells =
        [others.good_ms(99), to_alone, others.refused as f64, per_second(own.good), per_second(own.refused)];
    let who = if share > 0.0 { format!("{share:.0} times another's") } else { "nothing".to_owned() };
    table.add(who, &cells);
}

/// The p99 of one caller alone, in milliseconds.
fn quiet_ms(target: &Target, tag: &str, acknowledged: &mut u64) -> f64 {
    let took: Vec<u32> = one_after_the_other(target, tag, 200, acknowledged);
    sorted_ms(&took, 99)
}

/// From the load's end until answers are as quick as three times those of a quiet server.
fn recovered_after(
    target: &Target,
    tag: &str,
    phase: &Phase,
    quiet_ms: f64,
    acknowledged: &mut u64,
) -> Option<Duration> {
    let mut round = 0;
    while phase.ended.elapsed() < GIVES_UP_AFTER {
        let began = phase.ended.elapsed();
        round += 1;
        let took = one_after_the_other(target, &format!("{tag}-{round}-"), CALM_ANSWERS, acknowledged);
        if sorted_ms(&took, 100) <= 3.0 * quiet_ms {
            return Some(began);
        }
    }
    None
}

/// Micros of each answer; one that is refused counts as endless.
fn one_after_the_other(target: &Target, tag: &str, calls: usize, acknowledged: &mut u64) -> Vec<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connection = Connection::open(target.port).await.expect("the server takes connections");
        let mut request = request_of(Peer::Scrip, target, tag);
        let mut took = Vec::new();
        for n in 0..calls {
            request.set_key(n);
            request.set_customers(|| n % WALLETS);
            let began = Instant::now();
            let reply = connection.call(&request).await.expect("the server answers");
            let is_good = (200..300).contains(&reply.status);
            *acknowledged += u64::from(is_good);
            let micros = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
            took.push(if is_good { micros } else { u32::MAX });
        }
        took
    })
}

/// Binds this process, and what it starts from now on, to one core. False where that cannot be done.
fn pin(core: usize) -> bool {
    let has_two = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) || core > 0;
    let own = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-acp", &core.to_string(), &own]).output();
    has_two && pinned.is_ok_and(|output| output.status.success())
}
