//! Following what is committed: by the tap of this process, and by the journal in one order for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::engine::EngineConfig;
use futures::future::join_all;
use kernel::{Timestamp, WalletId};
use ledger::{Entry, EntryKind};
use store::ConnectionTrait;
use store::walk::Walk;
use tests::databases::{Bench, authorize, benches, benches_with, command, debit, grant, release, restrict};
use tests::random::SplitMix64;

const USES: &[EntryKind] = &[EntryKind::Hold, EntryKind::Debit, EntryKind::Unbilled];
const WALLETS: usize = 7;
const ROUNDS: usize = 12;

async fn history(bench: &Bench, random: &mut SplitMix64) -> Vec<WalletId> {
    let mut wallets = Vec::new();
    for _ in 0..WALLETS {
        let wallet = bench.funded_wallet(1_000).await;
        bench.engine.submit(command(wallet, "first", debit(1))).await.expect("a debit");
        wallets.push(wallet);
    }
    for round in 0..ROUNDS {
        let calls = wallets.iter().enumerate().map(|(n, wallet)| {
            let asked = match random.below(12) {
                0 => restrict(),
                1..=3 => release(),
                4 => grant(1),
                5..=7 => authorize(random.amount(5)),
                _ => debit(random.amount(5)),
            };
            bench.engine.submit(command(*wallet, &format!("{round}-{n}"), asked))
        });
        for answer in join_all(calls.collect::<Vec<_>>()).await {
            // A refusal is as good as a success.
            drop(answer);
        }
        // Several rounds have one instant, so that the wallet and the seq decide.
        bench.clock.advance_seconds(i64::from(round % 3 == 0));
    }
    wallets
}

/// Of all wallets by their statements, in the canonical order.
async fn expected(bench: &Bench, wallets: &[WalletId]) -> Vec<(WalletId, Entry)> {
    let mut all = Vec::new();
    for wallet in wallets {
        let head = store::wallets::read(&bench.store, *wallet).await.expect("a read").expect("a wallet").seq;
        let entries = store::statement::entries(&bench.store, *wallet, 1, head).await.expect("a read");
        all.extend(entries.into_iter().map(|entry| (*wallet, entry)));
    }
    all.retain(|(_, entry)| USES.contains(&entry.kind));
    all.sort_by_key(|(wallet, entry)| (entry.recorded_at, *wallet.uuid().as_bytes(), entry.seq));
    all
}

async fn walk(bench: &Bench, from: Timestamp, to: Timestamp, chunk: usize) -> Vec<(WalletId, Entry)> {
    let walk = Walk::between(&bench.store, USES, from, to).in_chunks_of(chunk);
    let all = seen(walk).await;
    let lately = Walk::between(&bench.store, USES, from, to).in_chunks_of(chunk).lately();
    assert_eq!(seen(lately).await, all, "{}: from {from} to {to}", bench.name);
    all
}

async fn seen(mut walk: Walk<'_>) -> Vec<(WalletId, Entry)> {
    let mut all = Vec::new();
    loop {
        let page = walk.next(5).await.expect("a page");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_sees_every_entry_of_its_time_once_and_in_order_sealed_or_not() {
    let mut random = SplitMix64::announced("a walk");
    for bench in benches().await {
        let wallets = history(&bench, &mut random).await;
        let all = expected(&bench, &wallets).await;
        assert!(all.len() >= WALLETS, "{}", bench.name);
        for chunk in [1, 4, 1_000] {
            assert_eq!(walk(&bench, Timestamp::EPOCH, Timestamp::MAX, chunk).await, all, "{}", bench.name);
        }
        let middle = all[all.len() / 2].1.recorded_at;
        let (before, since): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|(_, e)| e.recorded_at < middle);
        assert_eq!(walk(&bench, Timestamp::EPOCH, middle, 4).await, before);
        assert_eq!(walk(&bench, middle, Timestamp::MAX, 4).await, since);
        let (wallet, entry) = &all[all.len() / 3];
        let at = (entry.recorded_at, *wallet, entry.seq);
        let rest =
            Walk::after(&bench.store, USES, at, Timestamp::MAX).next(usize::MAX).await.expect("a page");
        assert_eq!(rest, all[all.len() / 3 + 1..]);

        bench.engine.stop().await;
        let rows = store::seal::hot_rows(&bench.store).await.expect("a count");
        assert!(store::seal::seal(&bench.store, rows / 2).await.expect("it seals") > 0);
        assert_eq!(walk(&bench, Timestamp::EPOCH, Timestamp::MAX, 4).await, all, "{}", bench.name);
        assert_eq!(walk(&bench, middle, Timestamp::MAX, 4).await, since, "{}", bench.name);
        // Whoever says that no wallet did anything since has its sealed rows left unread.
        bench
            .store
            .writer()
            .execute_unprepared("UPDATE wallets SET recorded_at = 0")
            .await
            .expect("it writes");
        let first = all[0].1.recorded_at;
        let unread = seen(Walk::between(&bench.store, USES, first, Timestamp::MAX).lately()).await;
        assert!(unread.len() < all.len() && all.ends_with(&unread), "{}: {unread:?}", bench.name);
    }
}

/// All that `history` does; what time did is not told.
const TOLD: &[EntryKind] =
    &[EntryKind::Grant, EntryKind::Hold, EntryKind::Debit, EntryKind::Restrict, EntryKind::Release];

#[allow(clippy::unnecessary_wraps, reason = "a tap asks what is kept")]
fn whole(wallet: WalletId, entry: &Arc<Entry>) -> Option<(WalletId, Entry)> {
    Some((wallet, Entry::clone(entry)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tap_tells_every_committed_command_of_its_kinds_once_and_no_repeat() {
    let mut random = SplitMix64::announced("the tap");
    for kinds in [TOLD, USES] {
        for bench in benches_with(EngineConfig { batch: 5, ..EngineConfig::default() }).await {
            let tap = bench.engine.follow(kinds, 100_000, whole);
            let wallets = history(&bench, &mut random).await;
            let again =
                bench.engine.submit(command(wallets[0], "fund", grant(1_000))).await.expect("a repeat");
            assert!(again.replayed);
            let mut by_wallet: BTreeMap<WalletId, Vec<Entry>> = BTreeMap::new();
            for (wallet, entry) in tap.take() {
                by_wallet.entry(wallet).or_default().push(entry);
            }
            for wallet in wallets {
                let head =
                    store::wallets::read(&bench.store, wallet).await.expect("a read").expect("a wallet").seq;
                let mut entries =
                    store::statement::entries(&bench.store, wallet, 1, head).await.expect("a read");
                entries.retain(|entry| kinds.contains(&entry.kind));
                assert_eq!(by_wallet.remove(&wallet), Some(entries), "{}", bench.name);
            }
            assert_eq!((by_wallet.len(), tap.dropped(), tap.take().len()), (0, 0, 0));
        }
    }
}

#[tokio::test]
async fn what_a_caller_left_behind_is_told_as_well() {
    for bench in benches().await {
        let tap = bench.engine.follow(USES, 10, whole);
        let wallet = bench.funded_wallet(10).await;
        let mut call = Box::pin(bench.engine.submit(command(wallet, "left", debit(1))));
        assert!(futures::future::poll_immediate(&mut call).await.is_none(), "{}", bench.name);
        drop(call);
        bench.engine.stop().await;
        let told: Vec<_> = tap.take().into_iter().map(|(wallet, entry)| (wallet, entry.kind)).collect();
        assert_eq!(told, [(wallet, EntryKind::Debit)], "{}", bench.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_nobody_empties_drops_and_counts_and_the_walk_catches_up() {
    let mut random = SplitMix64::announced("a full tap");
    for bench in benches().await {
        let engine = bench.another_engine(EngineConfig::default()).await;
        let tap = engine.follow(USES, 3, whole);
        let wallet = bench.funded_wallet(1_000).await;
        let spent = random.below(20) + 10;
        for n in 0..spent {
            engine.submit(command(wallet, &format!("d-{n}"), debit(1))).await.expect("a debit");
        }
        let told = tap.take();
        assert_eq!((told.len(), tap.dropped()), (3, spent as u64 - 3));
        let seen: BTreeSet<i64> = told.iter().map(|(_, entry)| entry.seq).collect();
        let walked = walk(&bench, Timestamp::EPOCH, Timestamp::MAX, 1_000).await;
        let missed = walked.iter().filter(|(of, entry)| *of == wallet && !seen.contains(&entry.seq)).count();
        assert_eq!(missed, spent - 3);
        engine.stop().await;
    }
}
