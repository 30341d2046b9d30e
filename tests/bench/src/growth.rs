//! Whether a debit and the reads of pages stay cheap while the journal grows: the same load right after a
//! checkpoint, on journals of different length, with older rows beside the new ones or sealed.

use std::fmt;
use std::time::{Duration, Instant};

use ::tests::random::SplitMix64;
use ::tests::say;
use kernel::{Seq, WalletId};
use store::Store;

use crate::bed::{Bed, Schema};
use crate::case::{Case, Peer};
use crate::runs::CROWD;
use crate::spread::Spread;
use crate::stage::{Stage, postmaster};
use crate::stats::median;
use crate::{cpu, database, machine};

/// Debits that a wallet of the largest journal has; the number of wallets follows the rows.
const MAX_DEBITS: u64 = 100;
const MAX_WALLETS: u64 = 100_000;

/// Half of the default of `hot_rows`.
const SEALED_AT_ONCE: u64 = 500_000;

/// Reads of each kind.
const READS: usize = 2_000;
const LINES_PER_PAGE: u64 = 100;

/// A journal of so many rows, and what was measured on it.
struct Size {
    rows: u64,
    is_sealed: bool,
    per_second: f64,
    database_us: f64,
    reads: Reads,
}

/// PostgreSQL's CPU in microseconds for one read of each kind.
struct Reads {
    wallet: Twice,
    page: Twice,
    receipt: Twice,
}

/// Of wallets that were not read before, and of the same ones right after it.
struct Twice {
    first: f64,
    again: f64,
}

/// One size after the other, so that the disk holds one at a time.
pub fn run(seed: u64, rows: &[u64], rounds: usize, measured: Duration) {
    say(&format!("commit {}", machine::commit()));
    let sizes = rows.iter().flat_map(|rows| [(*rows, false), (*rows, true)]);
    let sizes: Vec<Size> = sizes.map(|size| measure(seed, size, rounds, measured)).collect();
    print(&sizes);
}

fn measure(seed: u64, (rows, is_sealed): (u64, bool), rounds: usize, measured: Duration) -> Size {
    let begin = Instant::now();
    let (bed, rows) = prepare(rows, is_sealed);
    let name = format!("{rows} rows{}", if is_sealed { ", sealed" } else { "" });
    say(&format!("{name}: loaded after {:.0} s", begin.elapsed().as_secs_f64()));
    let case = Case::postgres(Peer::Engine, Spread::Uniform, CROWD);
    let (mut rates, mut database_us) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let mut stage = Stage::new(&bed, &format!("g{round}"), seed + round as u64);
        // Opens the copy, so that the checkpoint covers it.
        stage.run(case, measured / 4);
        bed.cluster().sql("postgres", "CHECKPOINT");
        let sample = stage.run(case, measured);
        say(&format!("{name}: {:.0}/s, {:.1} µs", sample.pace.per_second, sample.database_us));
        rates.push(sample.pace.per_second);
        database_us.push(sample.database_us);
        stage.prove().iter().for_each(|proof| say(proof));
    }
    let reads = reads(&bed, rows, seed);
    Size { rows, is_sealed, per_second: median(&rates), database_us: median(&database_us), reads }
}

/// Sealed rows are so by the product's own hand, as many at a time as by default: the wallets' rows lie in the sealed
/// table as they do after years.
fn prepare(rows: u64, is_sealed: bool) -> (Bed, u64) {
    let wallets = (rows / 2).clamp(1, MAX_WALLETS);
    let debits = (rows / wallets).saturating_sub(1).min(MAX_DEBITS);
    let bed = Bed::postgres(usize::try_from(wallets).expect("a count"));
    let at_once = if is_sealed { (SEALED_AT_ONCE / wallets).max(1) } else { debits };
    bed.runtime.block_on(async {
        let store = Store::connect(&bed.url(Schema::Scrip, "loaded")).await.expect("it opens");
        let debit = database::debit(&store).await;
        let mut had = 0;
        while had < debits {
            let until = debits.min(had + at_once);
            database::grow(&store, &debit, had + 1..=until).await;
            if is_sealed {
                store::seal::seal(&store, 0).await.expect("it seals");
            }
            had = until;
        }
        database::execute(&store, "VACUUM ANALYZE", vec![]).await;
        store.close().await.expect("it closes");
    });
    (bed, wallets * (debits + 1))
}

/// Of wallets by chance, on the database as it was loaded.
fn reads(bed: &Bed, rows: u64, seed: u64) -> Reads {
    let mut random = SplitMix64::seeded(seed);
    let server = postmaster(bed);
    let store = bed.runtime.block_on(Store::connect(&bed.url(Schema::Scrip, "loaded"))).expect("it opens");
    let entries = usize::try_from(rows).expect("a count") / bed.wallets.len();
    let mut some = || -> Vec<(WalletId, Seq)> {
        let one = |random: &mut SplitMix64| {
            let wallet = bed.wallets[random.below(bed.wallets.len())];
            (wallet, i64::try_from(random.below(entries) + 1).expect("a seq"))
        };
        (0..READS).map(|_| one(&mut random)).collect()
    };
    let cost = |kind: usize, wallets: &[(WalletId, Seq)]| {
        let before = cpu::family_micros(server);
        for (wallet, seq) in wallets.iter().copied() {
            bed.runtime.block_on(async {
                let found = match kind {
                    0 => store::wallets::read(&store, wallet).await.map(|wallet| wallet.is_some()),
                    1 => store::journal::page(&store, wallet, None, LINES_PER_PAGE)
                        .await
                        .map(|lines| !lines.is_empty()),
                    _ => store::journal::entry(&store, wallet, seq).await.map(|entry| entry.is_some()),
                };
                assert!(found.expect("it reads"), "a wallet of the benchmark has it");
            });
        }
        (cpu::family_micros(server) - before) as f64 / READS as f64
    };
    let mut each = |kind: usize| {
        // Opens connections and fills caches.
        cost(kind, &some());
        let wallets = some();
        Twice { first: cost(kind, &wallets), again: cost(kind, &wallets) }
    };
    let reads = Reads { wallet: each(0), page: each(1), receipt: each(2) };
    bed.runtime.block_on(store.close()).expect("it closes");
    reads
}

fn print(sizes: &[Size]) {
    println!(
        "| journal rows | older rows | debits per second, 512 callers | PostgreSQL's CPU µs per debit | to the first | per wallet read, and again | per statement page of {LINES_PER_PAGE} | per receipt |"
    );
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let first = sizes.first().map_or(0.0, |size| size.database_us);
    for Size { rows, is_sealed, per_second, database_us, reads } in sizes {
        let Reads { wallet, page, receipt } = reads;
        let place = if *is_sealed { "sealed" } else { "beside" };
        println!(
            "| {rows} | {place} | {per_second:.0} | {database_us:.1} | {:.2} | {wallet} | {page} | {receipt} |",
            database_us / first
        );
    }
}

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}, {:.0}", self.first, self.again)
    }
}
