//! Whether a debit stays cheap while the journal grows: the same load right after a checkpoint, on
//! journals of different length.

use std::time::{Duration, Instant};

use ::tests::say;
use store::Store;

use crate::bed::{Bed, Schema};
use crate::case::{Case, Peer};
use crate::runs::CROWD;
use crate::spread::Spread;
use crate::stage::Stage;
use crate::stats::median;
use crate::{database, machine};

/// Debits that a wallet of the largest journal has; the number of wallets follows the rows.
const MAX_DEBITS: u64 = 100;
const MAX_WALLETS: u64 = 100_000;

struct Size {
    rows: u64,
    bed: Bed,
    rates: Vec<f64>,
    database_us: Vec<f64>,
}

pub fn run(seed: u64, rows: &[u64], rounds: usize, measured: Duration) {
    let begin = Instant::now();
    let mut sizes: Vec<Size> = rows.iter().map(|rows| prepare(*rows)).collect();
    say(&format!("loaded after {:.0} s; commit {}", begin.elapsed().as_secs_f64(), machine::commit()));
    let case = Case::postgres(Peer::Engine, Spread::Uniform, CROWD);
    for round in 1..=rounds {
        for size in &mut sizes {
            let mut stage = Stage::new(&size.bed, &format!("g{round}"), seed + round as u64);
            // Opens the copy, so that the checkpoint covers it.
            stage.run(case, measured / 4);
            size.bed.cluster().sql("postgres", "CHECKPOINT");
            let sample = stage.run(case, measured);
            say(&format!(
                "{} rows: {:.0}/s, {:.1} µs",
                size.rows, sample.pace.per_second, sample.database_us
            ));
            size.rates.push(sample.pace.per_second);
            size.database_us.push(sample.database_us);
            stage.prove().iter().for_each(|proof| say(proof));
        }
    }
    print(&sizes);
}

fn prepare(rows: u64) -> Size {
    let wallets = (rows / 2).clamp(1, MAX_WALLETS);
    let debits = (rows / wallets).saturating_sub(1).min(MAX_DEBITS);
    let bed = Bed::postgres(usize::try_from(wallets).expect("a count"));
    bed.runtime.block_on(async {
        let store = Store::connect(&bed.url(Schema::Scrip, "loaded")).await.expect("it opens");
        database::grow(&store, debits, "postings").await;
        store.close().await.expect("it closes");
    });
    Size { rows: wallets * (debits + 1), bed, rates: Vec::new(), database_us: Vec::new() }
}

fn print(sizes: &[Size]) {
    println!(
        "| journal rows | debits per second, 512 callers | PostgreSQL's CPU µs per debit | to the first |"
    );
    println!("| ---: | ---: | ---: | ---: |");
    let first = sizes.first().map_or(0.0, |size| median(&size.database_us));
    for Size { rows, rates, database_us, .. } in sizes {
        let cpu = median(database_us);
        println!("| {rows} | {:.0} | {cpu:.1} | {:.2} |", median(rates), cpu / first);
    }
}
