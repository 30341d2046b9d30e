//! `scrip verify` against a thousand damages of a database: each is found and the row named.

mod harm;
mod history;

use std::collections::BTreeMap;

use harm::{Damage, Harm, TABLES};
use kernel::WalletId;
use sea_orm::{DatabaseTransaction, TransactionTrait};
use store::verify::{Report, verify_buckets};
use tests::databases::{Bench, benches};
use tests::random::SplitMix64;
use tests::say;

const DAMAGES: usize = 1_000;
/// So many of them also by the whole verification, not only that of the buckets concerned.
const EVERY_NTH_WHOLE: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_each_of_a_thousand_damages_and_names_the_row() {
    let mut random = SplitMix64::announced("damages");
    for bench in benches().await {
        history::write(&bench, &mut random).await;
        bench.assert_verified().await;
        damage(&bench, &mut random).await;
        bench.assert_verified().await;
    }
}

async fn damage(bench: &Bench, random: &mut SplitMix64) {
    let mut rows = Vec::new();
    for table in TABLES {
        rows.push(harm::rows(bench.store.reader(), table).await.expect("the keys are read"));
        assert!(!rows[rows.len() - 1].is_empty(), "{}: nothing in {}", bench.name, table.name);
    }
    let (mut counts, mut refused, mut same) = (BTreeMap::new(), 0, 0);
    let mut found = 0;
    while found < DAMAGES {
        let n = random.below(TABLES.len());
        let txn = bench.store.writer().begin().await.expect("a transaction");
        match harm::harm(&txn, &TABLES[n], &rows[n], random).await {
            // Keys and NOT NULL: the database itself does not let it happen.
            Err(_) => refused += 1,
            // Two rows with the same content changed places: nothing is different.
            Ok(None) => same += 1,
            Ok(Some(damage)) => {
                let is_whole = found % EVERY_NTH_WHOLE == 0;
                let report = verify(bench, &txn, &damage, is_whole).await;
                assert_named(bench, &damage, &report);
                *counts.entry((damage.table, kind_of(&damage.harm))).or_insert(0) += 1;
                found += 1;
            }
        }
        txn.rollback().await.expect("nothing stays");
    }
    say(&format!(
        "{}: {found} damages found; {refused} more were refused by the database, {same} changed nothing; {counts:?}",
        bench.name
    ));
}

async fn verify(bench: &Bench, txn: &DatabaseTransaction, damage: &Damage, is_whole: bool) -> Report {
    let dialect = bench.store.dialect();
    if is_whole {
        return verify_buckets(txn, dialect, (i16::MIN, i16::MAX)).await.expect("verify reads on");
    }
    let mut described = Vec::new();
    let mut breaks = 0;
    for bucket in &damage.buckets {
        let part = verify_buckets(txn, dialect, (*bucket, *bucket)).await.expect("verify reads on");
        breaks += part.breaks;
        described.extend(part.described);
    }
    Report { breaks, described, ..Report::default() }
}

fn assert_named(bench: &Bench, damage: &Damage, report: &Report) {
    let Damage { table, row, harm, wallets, .. } = damage;
    let context = format!("{}: {table} {row:?} {harm:?}: {:?}", bench.name, report.described);
    assert!(!report.is_ok(), "not found: {context}");
    let named = |wallet: &store::Uuid| {
        let id = WalletId::from_uuid(*wallet).to_string();
        report.described.iter().find(|what| what.contains(&id)).cloned()
    };
    let what = wallets.iter().find_map(named).unwrap_or_else(|| panic!("not named: {context}"));
    let place = match (*table, harm) {
        (_, Harm::Flipped("bucket" | "wallet" | "seq" | "line")) => return,
        ("postings" | "sealed_postings", Harm::Flipped(_)) => format!("entry {} ", row.seq),
        ("lots", Harm::Flipped(_) | Harm::Deleted) => format!("lot {} ", row.seq),
        ("holds", Harm::Flipped(_) | Harm::Deleted) => format!("hold {} ", row.seq),
        _ => return,
    };
    // SQLite also takes what does not fit the column; such a row is named by its key.
    let is_named = what.contains(&place) || what.contains(&format!("seq {}: ", row.seq));
    assert!(is_named, "{place:?} is not named: {context}");
}

fn kind_of(harm: &Harm) -> &'static str {
    match harm {
        Harm::Flipped(_) => "flipped",
        Harm::Deleted => "deleted",
        Harm::EntryDeleted => "entry deleted",
        Harm::TailDeleted => "tail deleted",
        Harm::Doubled(_) => "doubled",
        Harm::Swapped => "swapped",
    }
}
