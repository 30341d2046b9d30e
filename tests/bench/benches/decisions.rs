//! What one request costs before the database: price, decision, limits. Run with `just micro`.
#![allow(clippy::expect_used, reason = "a benchmark that meets an error has no result")]

use catalog::{Ask, Catalog, DEMO, Options, price};
use divan::{AllocProfiler, Bencher, black_box};
use kernel::{Amount, Credits, Driver, Quantities, Timestamp, WalletId, new_uuid};
use ledger::{Command, DEFAULT_PRIORITY, Gate, GrantKind, LotTerms, Wallet, WhenShort, check, decide};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::EPOCH.plus_seconds(1_770_000_000)
}

/// A wallet with so many lots, of which the first pays.
fn wallet(lots: usize) -> Wallet {
    let mut wallet = Wallet::new(WalletId::from_uuid(new_uuid()));
    for _ in 0..lots {
        let grant = Command::Grant(LotTerms {
            kind: GrantKind::Promo,
            granted: Credits::whole(1_000),
            priority: DEFAULT_PRIORITY,
            expires_at: None,
            paid: None,
            clawed_back: Credits::ZERO,
            voided: false,
        });
        wallet = decide(&wallet, &grant, now()).expect("a grant fits").wallet;
    }
    wallet
}

fn debit(gate: Gate) -> Command {
    Command::Debit { price: Credits::whole(1), gate, when_short: WhenShort::Refuse }
}

/// Two rates, no factor.
#[divan::bench]
fn price_of_tokens(bencher: Bencher) {
    let quantities = [(Driver::InputTokens, 1_500), (Driver::OutputTokens, 500)];
    price_of(bencher, "text.generate", "gpt-4", &quantities);
}

/// A size, steps and an exact fraction.
#[divan::bench]
fn price_of_an_image(bencher: Bencher) {
    let quantities = [(Driver::Images, 2), (Driver::Width, 768), (Driver::Height, 512), (Driver::Steps, 50)];
    price_of(bencher, "image.generate", "sdxl", &quantities);
}

fn price_of(bencher: Bencher, feature: &str, model: &str, quantities: &[(Driver, u64)]) {
    let catalog = Catalog::parse(DEMO).expect("the demo's rate card is valid");
    let amount = |n: u64| Amount::whole(n).expect("it fits");
    let quantities: Quantities = quantities.iter().map(|(driver, n)| (*driver, amount(*n))).collect();
    let options = Options::default();
    let ask = Ask {
        feature,
        model,
        quantities: &quantities,
        options: &options,
        plan: catalog::Plan::DEFAULT,
        at: now(),
        prompt_complexity: None,
    };
    bencher.bench(|| price(black_box(&catalog), black_box(&ask)).expect("it has a price"));
}

#[divan::bench(args = [1, 10, 100])]
fn decide_a_debit(bencher: Bencher, lots: usize) {
    let (wallet, command) = (wallet(lots), debit(Gate::default()));
    bencher.bench(|| decide(black_box(&wallet), black_box(&command), now()).expect("it can be paid"));
}

/// With a plan's limit of calls in any minute, most of it used.
#[divan::bench]
fn decide_a_debit_under_a_limit(bencher: Bencher) {
    let gate = Gate { calls_per_minute: Some(6_000), ..Gate::default() };
    let command = debit(gate);
    let mut wallet = wallet(100);
    for n in 0..5_900i64 {
        wallet = decide(&wallet, &command, now().plus_seconds(n / 100)).expect("it fits").wallet;
    }
    let then = now().plus_seconds(59);
    bencher.bench(|| decide(black_box(&wallet), black_box(&command), then).expect("it fits"));
}

#[divan::bench(args = [1, 100])]
fn check_a_wallet(bencher: Bencher, lots: usize) {
    let wallet = wallet(lots);
    bencher.bench(|| check(black_box(&wallet)));
}
