//! A database with something of everything in it, made by the engine from a seed.

use ::engine::{EngineCommand, Request};
use futures::future::join_all;
use kernel::{Credits, Currency, Money, Seq, WalletId};
use ledger::{CaptureCharge, Command, EntryKind, GrantKind, LotTerms, StepUp, WhenShort};
use tests::databases::{Bench, authorize, command, debit, grant};
use tests::random::SplitMix64;

const WALLETS: usize = 16;
const COMMANDS: usize = 40;
/// Commands of the first wallet beside those: enough rows for a snapshot.
const COMMANDS_FOR_A_SNAPSHOT: usize = 1_100;
const PARTS: usize = 10;

/// Stops the engine at the end, so that every projection is at its wallet's head, and leaves half of the
/// journal sealed.
pub async fn write(bench: &Bench, random: &mut SplitMix64) -> Vec<WalletId> {
    let mut wallets = Vec::new();
    for _ in 0..WALLETS {
        wallets.push(bench.new_wallet().await);
    }
    for n in 0..COMMANDS {
        for wallet in &wallets {
            one(bench, *wallet, n, random).await;
        }
        bench.clock.advance_seconds(random.amount(40));
    }
    let long = wallets[0];
    bench.engine.submit(command(long, "long", grant(50_000))).await.expect("a grant");
    // Refused when chance has left it unrestricted.
    let _ = bench.engine.submit(command(long, "work", tests::databases::release())).await;
    for part in 0..PARTS {
        bench.clock.advance_seconds(1);
        let many = (0..COMMANDS_FOR_A_SNAPSHOT / PARTS).map(|n| {
            let request = command(long, &format!("many-{part}-{n}"), debit(1));
            bench.engine.submit(request)
        });
        for answer in join_all(many).await {
            answer.expect("a debit");
        }
    }
    bench.engine.stop().await;
    let rows = store::seal::hot_rows(&bench.store).await.expect("a count");
    let sealed = store::seal::seal(&bench.store, rows / 2).await.expect("it seals");
    assert!(sealed > 0 && sealed < rows, "{}: {sealed} of {rows} rows are sealed", bench.name);
    wallets
}

/// A command chosen by chance; a refusal is as good as a success.
async fn one(bench: &Bench, wallet: WalletId, n: usize, random: &mut SplitMix64) {
    let known = store::wallets::read(&bench.store, wallet).await.expect("a read").expect("a wallet");
    let lots: Vec<Seq> = known.lots.keys().copied().collect();
    let holds: Vec<Seq> = known.holds.keys().copied().collect();
    let pick = |from: &[Seq], random: &mut SplitMix64| match from {
        [] => 1,
        some => some[random.below(some.len())],
    };
    let kind = if n == 0 { 0 } else { random.below(15) };
    let chosen = match kind {
        0 | 1 => plain(random, 60),
        2 => Command::VoidGrant { grant: pick(&lots, random) },
        3 => Command::Clawback { grant: pick(&lots, random), credits: Credits::whole(random.amount(9)) },
        4 | 5 => authorize(random.amount(12)),
        6 => Command::Extend {
            hold: pick(&holds, random),
            credits: Credits::whole(random.amount(3)),
            ttl_seconds: Some(1_000),
        },
        7 | 8 => Command::Capture {
            hold: pick(&holds, random),
            charge: capture(random),
            is_final: random.below(3) > 0,
            when_short: WhenShort::Absorb,
        },
        9 => Command::VoidHold { hold: pick(&holds, random) },
        10 => reversible(bench, wallet, n, random).await,
        11 => Command::Restrict {
            until: (random.below(2) == 0).then(|| bench.clock.now().plus_seconds(random.amount(60))),
            step_up: StepUp::ALL[random.below(StepUp::ALL.len())],
        },
        12 => Command::Release { restriction: None },
        _ => Command::Debit {
            price: Credits::whole(random.amount(90)),
            gate: ledger::Gate::default(),
            when_short: WhenShort::Overdraft { limit: Credits::whole(30) },
        },
    };
    let request = Request {
        about: Some(format!("{{\"n\":{n}}}").into()).filter(|_| random.below(2) == 0),
        ..command(wallet, &format!("n-{n}"), chosen)
    };
    let _ = bench.engine.submit(request).await;
}

/// Reverses the newest debit or capture, and answers a debit to go on with.
async fn reversible(bench: &Bench, wallet: WalletId, n: usize, random: &mut SplitMix64) -> Command {
    let rows = store::journal::page(&bench.store, wallet, None, 50).await.expect("a page");
    let spent = rows.iter().find(|row| matches!(row.kind, EntryKind::Debit | EntryKind::Capture));
    if let Some(receipt) = spent.map(|row| row.seq) {
        let undo = Request {
            command: EngineCommand::Reverse { receipt },
            ..command(wallet, &format!("undo-{n}"), debit(1))
        };
        let _ = bench.engine.submit(undo).await;
    }
    debit(random.amount(5))
}

fn capture(random: &mut SplitMix64) -> CaptureCharge {
    if random.below(2) == 0 {
        return CaptureCharge::Credits(Credits::whole(random.amount(8)));
    }
    let total = Credits::whole(random.amount(8));
    CaptureCharge::Cumulative { total, captures_seen: 0, progress: "{\"input_tokens\":7}".to_owned() }
}

fn plain(random: &mut SplitMix64, most: i64) -> Command {
    let granted = Credits::whole(random.amount(most) + most / 2);
    let is_paid = random.below(2) == 0;
    let usd: Currency = "usd".parse().expect("a currency");
    Command::Grant(LotTerms {
        kind: if is_paid { GrantKind::Purchase } else { GrantKind::Promo },
        granted,
        priority: if random.below(2) == 0 { 50 } else { 40 },
        expires_at: (random.below(2) == 0)
            .then(|| tests::databases::noon().plus_seconds(random.amount(4_000) + 300)),
        paid: is_paid.then(|| Money { amount: random.amount(5_000), currency: usd }),
        clawed_back: Credits::ZERO,
        voided: false,
    })
}
