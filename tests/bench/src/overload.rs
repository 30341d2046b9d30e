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
use crate::{cpu, database, machine};

const WALLETS: usize = 1_000;
/// Closed-loop callers that find out what can be done.
const CALLERS: usize = 256;
/// The same with as many as the server works for at once: none of them waits for a place or is refused, but each
/// connection costs memory that is not in a cache.
const ALL_PLACES: usize = 2_048;
const LOADS: [f64; 3] = [1.0, 2.0, 10.0];
/// Customers who share the server fairly, and what they take of it together.
const OTHERS: std::ops::Range<usize> = 1..101;
const OTHERS_TAKE: f64 = 0.4;
/// In fair shares, of a hundredth each.
const LOUD: [f64; 3] = [0.0, 50.0, 500.0];
/// Quick answers in a row that mean it is over.
const CALM_ANSWERS: usize = 20;
const GIVES_UP_AFTER: Duration = Duration::from_secs(30);

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
    let mut capacity = |callers: usize| {
        let chooser = Chooser::new(Spread::Uniform, WALLETS, seed);
        let case = Case::postgres(Peer::Scrip, Spread::Uniform, callers);
        let (mut tally, window) = http::run(&target, case, chooser, lasting, &format!("capacity{callers}-"));
        acknowledged += tally.acknowledged;
        tally.pace(window).per_second
    };
    let (peak, crowded) = (capacity(CALLERS), capacity(ALL_PLACES));
    let quiet = quiet_ms(&target, "quiet", &mut acknowledged);
    let pinned =
        if is_pinned { "server and PostgreSQL on one core, the load on another" } else { "not pinned" };
    println!(
        "Peak: {peak:.0} debits per second with {CALLERS} callers, {crowded:.0} with {ALL_PLACES} ({pinned}); commit {}.\n",
        machine::commit()
    );
    println!(
        "| offered | done per second | of peak | of peak with {ALL_PLACES} | p99 ms | refused per second | p99 ms | wrong | broken | not sent | /livez p99 ms, failed | memory MiB | calm again after s |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for load in LOADS {
        let stream = Stream { customers: 0..WALLETS, per_second: load * peak };
        let phase = open_loop::run(&target, &format!("x{load}"), &[stream], seed, lasting);
        let back = recovered_after(&target, &format!("y{load}"), &phase, quiet, &mut acknowledged);
        acknowledged += phase.outcomes[0].acknowledged;
        print_load(load, (peak, crowded), &phase, back);
    }
    println!(
        "\n| one customer sends | others' p99 ms | others refused | its own done per second | refused |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for shares in LOUD {
        let mut streams = vec![Stream { customers: OTHERS, per_second: OTHERS_TAKE * peak }];
        if shares > 0.0 {
            streams.push(Stream { customers: 0..1, per_second: shares / 100.0 * peak });
        }
        let phase = open_loop::run(&target, &format!("l{shares}"), &streams, seed, lasting);
        acknowledged += phase.outcomes.iter().map(|outcome| outcome.acknowledged).sum::<u64>();
        print_shares(shares, &phase.outcomes);
    }
    bed.runtime.block_on(database::settle(&store));
    assert_eq!(commands() - was, acknowledged, "the journal did not grow by what was acknowledged");
    bed.runtime.block_on(store.close()).expect("it closes");
    assert!(server.stop().success(), "{}", server.output());
    say("the journal grew by exactly what was acknowledged");
}

fn print_load(load: f64, (peak, crowded): (f64, f64), phase: &Phase, back: Option<Duration>) {
    let outcome = &phase.outcomes[0];
    let Outcome { wrong, broken, unsent, .. } = outcome;
    let back = back.map_or("not".to_owned(), |after| format!("{:.1}", after.as_secs_f64()));
    println!(
        "| {load:.0}x | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {wrong} | {broken} | {unsent} | {:.0}, {} | {} | {back} |",
        outcome.per_second(),
        outcome.per_second() / peak,
        outcome.per_second() / crowded,
        outcome.good_ms(99),
        outcome.refused as f64 / outcome.seconds,
        outcome.refused_ms(99),
        sorted_ms(&phase.livez_us, 99),
        phase.livez_failed,
        cpu::child_peak_mib("scrip"),
    );
}

fn print_shares(shares: f64, outcomes: &[Outcome]) {
    let others = &outcomes[0];
    let own = outcomes.get(1).cloned().unwrap_or_default();
    let who = if shares > 0.0 { format!("{shares:.0} times its share") } else { "nothing".to_owned() };
    let own_rate = if own.good > 0 { own.per_second() } else { 0.0 };
    println!("| {who} | {:.1} | {} | {own_rate:.0} | {} |", others.good_ms(99), others.refused, own.refused);
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
