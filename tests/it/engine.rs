//! The engine on every database: keys, fences, groups, reversals.

use std::sync::Mutex;
use std::time::Duration;

use ::engine::{Engine, EngineCommand, EngineConfig, EngineError, Faults, KeyedInput, Place, Request};
use kernel::{Clock, Credits, IdempotencyKey};
use ledger::{CaptureCharge, Command, EntryKind, GrantKind, LotTerms, Refusal, WhenShort};
use store::lanes;
use tests::databases::{authorize, benches, benches_with, command, debit, grant, is_short, key_of, terms_of};

fn small_batches() -> EngineConfig {
    EngineConfig { batch: 7, remembered_wallets: 3, ..EngineConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_commands_on_one_wallet_spend_exactly_what_is_there() {
    for bench in benches_with(small_batches()).await {
        let wallet = bench.funded_wallet(100).await;
        let other = bench.another_engine(small_batches()).await;
        let calls: Vec<_> = (0..400)
            .map(|n| {
                let engine: Engine = if n % 2 == 0 { bench.engine.clone() } else { other.clone() };
                let spend = if n % 3 == 0 { authorize(1) } else { debit(1) };
                tokio::spawn(async move { engine.submit(command(wallet, &format!("c{n}"), spend)).await })
            })
            .collect();
        let (mut done, mut short) = (0, 0);
        for call in calls {
            match call.await.expect("no panic") {
                Ok(_) => done += 1,
                Err(error) if is_short(&error) => short += 1,
                Err(error) => panic!("{}: {error}", bench.name),
            }
        }
        assert_eq!((done, short), (100, 300), "{}", bench.name);
        assert_eq!(bench.balances(wallet).await.0, Credits::ZERO);
        bench.assert_verified().await;
    }
}

#[tokio::test]
async fn idem_1_the_same_key_answers_as_the_first_time_also_while_in_flight() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(10).await;
        let tries = (0..20).map(|_| bench.engine.submit(command(wallet, "once", debit(4))));
        let answers: Vec<_> = futures_all(tries).await.into_iter().map(|a| a.expect("a success")).collect();
        assert_eq!(answers.iter().filter(|a| !a.replayed).count(), 1, "{}", bench.name);
        assert!(answers.iter().all(|a| a.entry == answers[0].entry));
        assert_eq!(bench.balances(wallet).await.0, Credits::whole(6));
        let restarted = bench.another_engine(EngineConfig::default()).await;
        let later = restarted.submit(command(wallet, "once", debit(4))).await.expect("a replay");
        assert!(later.replayed && later.entry == answers[0].entry, "{}: read back from rows", bench.name);
    }
}

#[tokio::test]
async fn idem_2_a_key_with_another_input_is_refused_and_changes_nothing() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(10).await;
        bench.engine.submit(command(wallet, "k", debit(1))).await.expect("a success");
        let other = Request { key: key_of("k", 2), ..command(wallet, "k", debit(2)) };
        assert!(matches!(bench.engine.submit(other).await, Err(EngineError::KeyReused)));
        assert_eq!(bench.balances(wallet).await.0, Credits::whole(9));
    }
}

#[tokio::test]
async fn idem_3_a_key_belongs_to_its_wallet_and_events_and_our_own_never_meet_callers_keys() {
    for bench in benches().await {
        let (one, two) = (bench.funded_wallet(10).await, bench.funded_wallet(10).await);
        for wallet in [one, two] {
            let answer = bench.engine.submit(command(wallet, "same", debit(1))).await.expect("a success");
            assert!(!answer.replayed, "{}", bench.name);
        }
        let event = |source: &str, id: &str, input| Request {
            key: KeyedInput::Event { source: source.to_owned(), id: id.to_owned(), hash: [input; 32] },
            ..command(one, "unused", debit(1))
        };
        for (source, id, input, replayed) in
            [("k", "same", 1, false), ("ab", "c", 1, false), ("a", "bc", 1, false), ("ab", "c", 9, true)]
        {
            let answer = bench.engine.submit(event(source, id, input)).await.expect("a success");
            assert_eq!(answer.replayed, replayed, "{} {source} {id}", bench.name);
        }
        for (text, replayed) in [("same", false), ("s:same", false), ("1:ksame", false), ("same", true)] {
            let key = IdempotencyKey::new(text).expect("a valid key");
            let ours = KeyedInput::System { key, hash: [1; 32] };
            let answer = bench.engine.submit(Request { key: ours, ..command(one, "unused", debit(1)) }).await;
            assert_eq!(answer.expect("a success").replayed, replayed, "{} {text}", bench.name);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_not_stored_and_is_decided_anew() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(1).await;
        let refused = bench.engine.submit(command(wallet, "later", debit(5))).await;
        assert!(is_short(&refused.expect_err("too little")), "{}", bench.name);
        bench.engine.submit(command(wallet, "more", grant(9))).await.expect("a grant");
        let answer = bench.engine.submit(command(wallet, "later", debit(5))).await.expect("now it fits");
        assert!(!answer.replayed);
        assert_eq!(bench.balances(wallet).await.0, Credits::whole(5));
    }
}

#[tokio::test]
async fn another_process_never_decides_on_stale_memory() {
    for bench in benches().await {
        let wallet = bench.new_wallet().await;
        let other = bench.another_engine(EngineConfig::default()).await;
        let early = bench.engine.submit(command(wallet, "early", debit(1))).await;
        assert!(is_short(&early.expect_err("empty")), "the first engine now remembers an empty wallet");
        other.submit(command(wallet, "fund", grant(5))).await.expect("a grant by the other process");
        bench.engine.submit(command(wallet, "now", debit(5))).await.expect("it sees the grant");
        let rest = other.submit(command(wallet, "rest", debit(1))).await;
        assert!(is_short(&rest.expect_err("spent")), "{}", bench.name);
        bench.assert_verified().await;
    }
}

/// The canary of the test above: without the fence the stale memory decides.
#[tokio::test]
async fn a_broken_fence_is_noticed() {
    let broken = EngineConfig {
        faults: Faults { ignores_fence: true, ..Faults::default() },
        ..EngineConfig::default()
    };
    for bench in benches_with(broken).await {
        let wallet = bench.new_wallet().await;
        let other = bench.another_engine(EngineConfig::default()).await;
        let early = bench.engine.submit(command(wallet, "early", debit(1))).await;
        assert!(is_short(&early.expect_err("empty")));
        other.submit(command(wallet, "fund", grant(5))).await.expect("a grant");
        let stale = bench.engine.submit(command(wallet, "now", debit(5))).await;
        assert!(is_short(&stale.expect_err("the broken engine refuses on stale memory")), "{}", bench.name);
    }
}

#[tokio::test]
async fn a_changed_lane_map_is_read_again_and_no_command_is_lost() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(10).await;
        let gsn_before = lanes::read_map(&bench.store).await.expect("a map").lanes.len();
        lanes::replace_map(&bench.store, 4).await.expect("a new map");
        assert_ne!(gsn_before, 4);
        for n in 0..10 {
            bench.engine.submit(command(wallet, &format!("d{n}"), debit(1))).await.expect("a debit");
        }
        assert_eq!(bench.balances(wallet).await.0, Credits::ZERO, "{}", bench.name);
        bench.assert_verified().await;
    }
}

#[tokio::test]
async fn a_receipt_is_reversed_once_to_the_very_lots_even_when_they_were_used_up() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(3).await;
        bench.engine.submit(command(wallet, "second", grant(4))).await.expect("a grant");
        let spent = bench.engine.submit(command(wallet, "spend", debit(5))).await.expect("a debit");
        let reverse = |key| Request {
            command: EngineCommand::Reverse { receipt: spent.entry.seq },
            ..command(wallet, key, debit(0))
        };
        // A restarted engine remembers neither the receipt nor the closed lot.
        let engine = bench.another_engine(EngineConfig::default()).await;
        let undone = engine.submit(reverse("undo")).await.expect("a reversal");
        assert_eq!(undone.entry.kind, EntryKind::Reverse);
        let read = store::wallets::read(&bench.store, wallet).await.expect("a read").expect("a wallet");
        let left: Vec<_> = read.lots.values().map(|lot| lot.remaining).collect();
        assert_eq!(left, [Credits::whole(3), Credits::whole(4)], "{}", bench.name);
        assert!(engine.submit(reverse("undo")).await.expect("a replay").replayed);
        let again = engine.submit(reverse("undo-2")).await;
        assert!(matches!(again, Err(EngineError::Refused(Refusal::AlreadyReversed))));
        let unknown = Request { command: EngineCommand::Reverse { receipt: 999 }, ..reverse("undo-3") };
        let unknown = engine.submit(unknown).await;
        assert!(matches!(unknown, Err(EngineError::Refused(Refusal::UnknownReceipt))));
        bench.assert_verified().await;
    }
}

#[tokio::test]
async fn a_vendor_transaction_is_unique_for_ever_in_its_wallet() {
    for bench in benches().await {
        let (one, two) = (bench.funded_wallet(10).await, bench.funded_wallet(10).await);
        let of = |wallet, key: &str| Request {
            vendor_transaction: Some("call-7".to_owned()),
            ..command(wallet, key, debit(1))
        };
        bench.engine.submit(of(one, "a")).await.expect("the first");
        assert!(bench.engine.submit(of(one, "a")).await.expect("its replay").replayed);
        let taken = bench.engine.submit(of(one, "b")).await;
        assert!(matches!(taken, Err(EngineError::VendorTransactionTaken(_))), "{}", bench.name);
        bench.engine.submit(of(two, "a")).await.expect("another wallet has its own");
    }
}

#[tokio::test]
async fn a_lapsed_hold_is_posted_with_the_next_success_and_still_captured_at_its_price() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(10).await;
        let hold = bench.engine.submit(command(wallet, "hold", authorize(6))).await.expect("a hold");
        bench.clock.advance_seconds(901);
        assert_eq!(bench.balances(wallet).await, (Credits::whole(4), Credits::whole(6), Credits::ZERO));
        let capture = Command::Capture {
            hold: hold.entry.seq,
            charge: CaptureCharge::Credits(Credits::whole(6)),
            is_final: true,
            when_short: WhenShort::Refuse,
        };
        let late = bench.engine.submit(command(wallet, "capture", capture)).await.expect("a late capture");
        assert_eq!(late.entry.seq, hold.entry.seq + 2, "the lapse has a seq of its own");
        let lapse = store::journal::entry(&bench.store, wallet, hold.entry.seq + 1).await;
        let lapse = lapse.expect("a read").expect("the lapse");
        assert_eq!((lapse.kind, lapse.key), (EntryKind::Lapse, None));
        assert_eq!(lapse.effective_at, tests::databases::noon().plus_seconds(900));
        assert_eq!(bench.balances(wallet).await, (Credits::whole(4), Credits::ZERO, Credits::ZERO));
        bench.assert_verified().await;
    }
}

#[tokio::test]
async fn the_past_is_read_as_it_was_known_across_snapshots() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(3_000).await;
        let mut known = Vec::new();
        for round in 0..25 {
            bench.clock.advance_seconds(10);
            let calls =
                (0..100).map(|n| bench.engine.submit(command(wallet, &format!("{round}-{n}"), debit(1))));
            assert!(futures_all(calls).await.iter().all(Result::is_ok));
            known.push((bench.clock.now(), Credits::whole(3_000 - (round + 1) * 100)));
        }
        for (at, available) in known {
            let then = store::wallets::read_as_of(&bench.store, wallet, at).await.expect("a read");
            assert_eq!(then.expect("a wallet").available, available, "{} at {at}", bench.name);
        }
        let report = store::verify::verify(&bench.store).await.expect("verify");
        assert!(report.is_ok() && report.snapshots == 2, "{}: {report:?}", bench.name);
    }
}

#[tokio::test]
async fn cache_1_dropping_all_memory_and_every_snapshot_changes_no_balance() {
    use sea_orm::ConnectionTrait;
    for bench in benches_with(small_batches()).await {
        let wallet = bench.funded_wallet(2_000).await;
        let calls = (0..1_200).map(|n| bench.engine.submit(command(wallet, &format!("c{n}"), debit(1))));
        assert!(futures_all(calls).await.iter().all(Result::is_ok));
        let before =
            store::wallets::read_as_of(&bench.store, wallet, bench.clock.now()).await.expect("a read");
        bench.store.writer().execute_unprepared("DELETE FROM snapshots").await.expect("they go");
        let after =
            store::wallets::read_as_of(&bench.store, wallet, bench.clock.now()).await.expect("a read");
        assert_eq!(before, after, "{}", bench.name);
        let fresh = bench.another_engine(EngineConfig::default()).await;
        fresh.submit(command(wallet, "last", debit(800))).await.expect("exactly what is left");
        assert_eq!(bench.balances(wallet).await.0, Credits::ZERO);
    }
}

#[tokio::test]
async fn many_lots_in_one_debit_keep_their_rows_in_order() {
    for bench in benches().await {
        let wallet = bench.new_wallet().await;
        for n in 0..60 {
            bench.engine.submit(command(wallet, &format!("g{n}"), grant(1))).await.expect("a grant");
        }
        let debit = bench.engine.submit(command(wallet, "all", debit(60))).await.expect("a debit");
        let lots: Vec<_> = debit.entry.lines.iter().filter_map(|line| line.lot).collect();
        assert_eq!(
            lots,
            (1..=60).collect::<Vec<_>>(),
            "{}: equal lots burn in the order of their ids",
            bench.name
        );
        let stored = store::journal::entry(&bench.store, wallet, debit.entry.seq).await.expect("a read");
        assert_eq!(stored.as_ref(), Some(&*debit.entry));
        bench.assert_verified().await;
    }
}

#[tokio::test]
async fn a_full_queue_answers_at_once_and_a_stopped_engine_takes_nothing() {
    for bench in benches_with(EngineConfig { queue: 4, batch: 1, ..EngineConfig::default() }).await {
        let wallet = bench.funded_wallet(1_000).await;
        let calls = (0..200).map(|n| bench.engine.submit(command(wallet, &format!("c{n}"), debit(1))));
        let answers = futures_all(calls).await;
        let refused = answers.iter().filter(|a| matches!(a, Err(EngineError::Overloaded))).count();
        let done = answers.iter().filter(|a| a.is_ok()).count();
        assert!(refused > 0 && done > 0 && refused + done == 200, "{}: {done} done", bench.name);
        let left = Credits::whole(1_000 - i64::try_from(done).expect("small"));
        assert_eq!(bench.balances(wallet).await.0, left);
        bench.engine.stop().await;
        let late = bench.engine.submit(command(wallet, "late", debit(1))).await;
        assert!(matches!(late, Err(EngineError::Stopping)));
    }
}

#[tokio::test]
async fn lock_1_a_caller_that_goes_away_leaves_nothing_locked_and_its_retry_finds_the_answer() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(10).await;
        for n in 0..20u32 {
            let call = bench.engine.submit(command(wallet, "gone", debit(3)));
            // Polled once, so that it is queued, then dropped with its connection.
            tokio::select! {
                biased;
                _ = call => {}
                () = std::future::ready(()) => {}
            }
            let next = bench.engine.submit(command(wallet, &format!("n{n}"), debit(0))).await;
            assert!(next.is_ok(), "{}: {next:?}", bench.name);
        }
        let retry = bench.engine.submit(command(wallet, "gone", debit(3))).await.expect("the answer");
        assert!(retry.replayed, "{}: the dropped call was decided once", bench.name);
        assert_eq!(bench.balances(wallet).await.0, Credits::whole(7));
    }
}

#[tokio::test]
async fn the_machines_clock_going_back_never_dates_an_entry_before_the_last() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(10).await;
        let behind = Clock::manual(tests::databases::noon().plus_seconds(-3_600));
        let engine =
            Engine::start(bench.store.clone(), behind, EngineConfig::default()).await.expect("starts");
        let answer = engine.submit(command(wallet, "k", debit(1))).await.expect("a debit");
        assert_eq!(answer.entry.recorded_at, tests::databases::noon(), "{}", bench.name);
    }
}

/// Where the next engine that comes by panics.
static PANICS_AT: Mutex<Option<Place>> = Mutex::new(None);

fn panic_where_asked(place: Place) {
    let is_here = PANICS_AT.lock().expect("nobody panics with it").take_if(|at| *at == place).is_some();
    assert!(!is_here, "on purpose");
}

#[tokio::test]
async fn a_writer_that_panics_goes_on_and_a_retry_tells_what_became_of_the_command() {
    let faults = Faults { at: Some(panic_where_asked), ..Faults::default() };
    for bench in benches_with(EngineConfig { faults, ..EngineConfig::default() }).await {
        let wallet = bench.funded_wallet(10).await;
        for (place, is_done) in [(Place::BeforeFence, false), (Place::AfterCommit, true)] {
            let key = format!("{place:?}");
            *PANICS_AT.lock().expect("nobody panics with it") = Some(place);
            let unheard = bench.engine.submit(command(wallet, &key, debit(1))).await;
            assert!(matches!(unheard, Err(EngineError::Stopping)), "{}: {unheard:?}", bench.name);
            let retry = bench.engine.submit(command(wallet, &key, debit(1))).await.expect("the lane goes on");
            assert_eq!(retry.replayed, is_done, "{}: {place:?}", bench.name);
        }
        assert!(bench.engine.is_ready().await, "{}", bench.name);
        assert_eq!(bench.balances(wallet).await.0, Credits::whole(8), "{}", bench.name);
        bench.assert_verified().await;
    }
}

#[tokio::test]
async fn a_stop_ends_though_projections_panic_each_time_and_readers_fold_the_journal() {
    fn panics(place: Place) {
        assert!(place != Place::InProjections, "on purpose");
    }
    let faults = Faults { at: Some(panics), ..Faults::default() };
    for bench in benches_with(EngineConfig { faults, ..EngineConfig::default() }).await {
        let wallet = bench.funded_wallet(10).await;
        bench.engine.submit(command(wallet, "d", debit(1))).await.expect("a debit");
        let stopped = tokio::time::timeout(Duration::from_secs(60), bench.engine.stop()).await;
        assert!(stopped.is_ok(), "{}: it stops", bench.name);
        assert_eq!(bench.balances(wallet).await.0, Credits::whole(9), "{}", bench.name);

        let next = bench.another_engine(EngineConfig::default()).await;
        assert_eq!(next.bring_up().await.expect("it looks"), 1, "{}", bench.name);
        next.stop().await;
        let left = store::due::behind(&bench.store, None, 10).await.expect("it looks");
        assert_eq!(left, [], "{}", bench.name);
    }
}

#[tokio::test]
async fn verify_names_a_flipped_row_of_every_hot_table() {
    use sea_orm::ConnectionTrait;
    for (table, flip) in [
        ("postings", "UPDATE postings SET amount = amount + 1 WHERE kind = 'debit'"),
        ("postings", "UPDATE postings SET balance_after = balance_after - 1 WHERE kind = 'hold'"),
        ("postings", "DELETE FROM postings WHERE kind = 'debit'"),
        ("wallets", "UPDATE wallets SET available = available + 1"),
        ("wallets", "UPDATE wallets SET lots = REPLACE(lots, '0]', '1]')"),
        ("lots", "UPDATE lots SET has_remaining = NOT has_remaining"),
        ("lots", "UPDATE lots SET priority = priority + 1"),
        ("holds", "UPDATE holds SET captured = captured + 1"),
        ("holds", "DELETE FROM holds"),
        ("wallets", "DELETE FROM wallets"),
    ] {
        for bench in benches().await {
            let wallet = bench.funded_wallet(10).await;
            bench.engine.submit(command(wallet, "d", debit(1))).await.expect("a debit");
            bench.engine.submit(command(wallet, "h", authorize(1))).await.expect("a hold");
            bench.engine.submit(command(wallet, "e", debit(1))).await.expect("a debit");
            bench.assert_verified().await;
            bench.engine.stop().await; // every projection is written
            bench.store.writer().execute_unprepared(flip).await.expect(flip);
            let report = store::verify::verify(&bench.store).await.expect("verify reads on");
            assert!(!report.is_ok(), "{}: {table}: {flip}", bench.name);
            assert!(report.described[0].contains("wal_"), "{:?}", report.described);
        }
    }
}

/// A journal that adds up and yet spends an expired lot: only folding with what is due shows it.
#[tokio::test]
async fn verify_notices_credits_that_were_spent_after_their_expiry() {
    use sea_orm::ConnectionTrait;
    for bench in benches().await {
        let wallet = bench.new_wallet().await;
        let expires_at = bench.clock.now().plus_seconds(60);
        let terms = LotTerms { expires_at: Some(expires_at), ..terms_of(grant(10)) };
        bench.engine.submit(command(wallet, "g", Command::Grant(terms))).await.expect("a grant");
        bench.clock.advance_seconds(30);
        bench.engine.submit(command(wallet, "d", debit(1))).await.expect("a debit in time");
        bench.engine.stop().await;
        bench.assert_verified().await;
        let earlier = bench.clock.now().plus_seconds(-10);
        for sql in [
            format!("UPDATE postings SET terms = REPLACE(terms, '{expires_at}', '{earlier}')"),
            format!("UPDATE lots SET expires_at = {}", earlier.micros()),
            "UPDATE postings SET digest = NULL".to_owned(),
        ] {
            bench.store.writer().execute_unprepared(&sql).await.expect("it is written");
        }
        store::digests::fill(bench.store.writer(), bench.store.dialect()).await.expect("new digests");
        let report = store::verify::verify(&bench.store).await.expect("verify reads on");
        assert!(report.described.iter().any(|what| what.contains("was due")), "{}: {report:?}", bench.name);
    }
}

#[tokio::test]
async fn lot_4_one_grant_is_voided_and_what_is_held_of_it_follows_when_its_hold_ends() {
    for bench in benches().await {
        let wallet = bench.funded_wallet(5).await;
        let priced = LotTerms { kind: GrantKind::Purchase, ..terms_of(grant(5)) };
        bench.engine.submit(command(wallet, "pack", Command::Grant(priced))).await.expect("a grant");
        let hold = bench.engine.submit(command(wallet, "hold", authorize(3))).await.expect("a hold");
        bench.engine.submit(command(wallet, "void", Command::VoidGrant { grant: 1 })).await.expect("a void");
        assert_eq!(bench.balances(wallet).await, (Credits::whole(5), Credits::whole(3), Credits::ZERO));
        let back = Command::VoidHold { hold: hold.entry.seq };
        bench.engine.submit(command(wallet, "back", back)).await.expect("the hold ends");
        assert_eq!(bench.balances(wallet).await, (Credits::whole(5), Credits::ZERO, Credits::ZERO));
        bench.assert_verified().await;
    }
}

async fn futures_all<F: Future>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    futures::future::join_all(calls).await
}
