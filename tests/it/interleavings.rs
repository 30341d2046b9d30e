//! Two engines on one database, many callers at once, some of whom go away before their answer: whatever
//! the interleaving, some order of the commands and reads explains all that was seen.

use std::time::{Duration, Instant};

use ::engine::{Engine, EngineConfig, EngineError, Faults};
use kernel::WalletId;
use ledger::{Command, Refusal};
use store::Store;
use tests::bank::Effect;
use tests::databases::{Bench, authorize, benches_with, command, debit, grant, is_short, release, restrict};
use tests::linear::{NEVER, Seen, Verdict, What, judge};
use tests::random::SplitMix64;
use tests::say;

const ROUNDS: usize = 12;
const CANARY_ROUNDS: usize = 60;
const CALLERS: u64 = 8;
const STEPS: u64 = 12;
const MAX_SETS: usize = 2_000_000;
const LARGEST_GRANT: i64 = 8;
const LARGEST_SPENDING: i64 = 6;
/// One of so many callers does not wait for its answer.
const IMPATIENCE: usize = 10;
const LONGEST_PATIENCE_US: u64 = 3_000;
/// Of so many commands three are about a restriction.
const KINDS_OF_COMMANDS: usize = 20;
const MICROS: i64 = 1_000_000;

/// Holds of one caller that are open, as far as it knows: (seq, credits).
type Holds = Vec<(i64, i64)>;

#[tokio::test(flavor = "multi_thread")]
async fn every_interleaving_on_two_engines_has_an_order_that_explains_it() {
    let mut random = SplitMix64::announced("interleavings");
    for bench in benches_with(with(Faults::default())).await {
        for _ in 0..ROUNDS {
            let (verdict, history) = round(&bench, &Faults::default(), &mut random).await;
            assert_eq!(verdict, Verdict::Linearizable, "{}: {history:#?}", bench.name);
        }
        bench.assert_verified().await;
    }
}

/// The canary: an engine that does not ask whether another one wrote refuses what was possible.
#[tokio::test(flavor = "multi_thread")]
async fn engines_that_ignore_the_fence_are_noticed_by_their_histories() {
    let mut random = SplitMix64::announced("interleavings without the fence");
    let faults = Faults { ignores_fence: true, ..Faults::default() };
    for bench in benches_with(with(faults.clone())).await {
        let mut is_noticed = false;
        for _ in 0..CANARY_ROUNDS {
            let (verdict, _) = round(&bench, &faults, &mut random).await;
            is_noticed = matches!(verdict, Verdict::Impossible { .. });
            if is_noticed {
                break;
            }
        }
        assert!(is_noticed, "{}: {CANARY_ROUNDS} rounds did not notice it", bench.name);
    }
}

/// A batch in which anything is written runs into the journal's key when its memory was stale; so the
/// canary decides one command at a time.
fn with(faults: Faults) -> EngineConfig {
    let batch = if faults.ignores_fence { 1 } else { 5 };
    EngineConfig { batch, faults, ..EngineConfig::default() }
}

async fn round(bench: &Bench, faults: &Faults, random: &mut SplitMix64) -> (Verdict, Vec<Seen>) {
    let wallet = bench.new_wallet().await;
    let other = bench.another_engine(with(faults.clone())).await;
    let begin = Instant::now();
    let callers = (0..CALLERS).map(|number| {
        let caller = Caller {
            engines: [bench.engine.clone(), other.clone()],
            store: bench.store.clone(),
            wallet,
            number,
            begin,
            random: random.fork(),
        };
        tokio::spawn(caller.work())
    });
    let mut history = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        history.extend(caller.await.expect("no panic"));
    }
    (judge(&history, MAX_SETS), history)
}

struct Caller {
    engines: [Engine; 2],
    store: Store,
    wallet: WalletId,
    number: u64,
    begin: Instant,
    random: SplitMix64,
}

impl Caller {
    async fn work(mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut holds = Holds::new();
        for step in 0..STEPS {
            let begin = self.moment();
            let (what, has_answer) = match self.random.below(5) {
                0 => (self.read().await, true),
                _ => self.submit(step, &mut holds).await,
            };
            let end = if has_answer { self.moment() } else { NEVER };
            seen.push(Seen { begin, end, what });
        }
        seen
    }

    async fn read(&self) -> What {
        let wallet = store::wallets::read(&self.store, self.wallet).await.expect("a read").expect("a wallet");
        What::Read(Effect { available: wallet.available.micros(), held: wallet.held.micros() })
    }

    /// What happened or may have happened, and whether it was waited for.
    async fn submit(&mut self, step: u64, holds: &mut Holds) -> (What, bool) {
        let credits = self.random.amount(LARGEST_SPENDING);
        let spends = |held: i64| What::Moved {
            needs: credits * MICROS,
            by: Effect { available: -credits * MICROS, held: held * MICROS },
        };
        let (asked, what, is_hold) = match self.random.below(KINDS_OF_COMMANDS) {
            0 => (restrict(), What::PutOnHold, false),
            // Twice as often: most of the time there is work.
            1 | 2 => (release(), What::Released, false),
            3..=7 => {
                let credits = self.random.amount(LARGEST_GRANT);
                let by = Effect { available: credits * MICROS, held: 0 };
                (grant(credits), What::Moved { needs: 0, by }, false)
            }
            8..=11 => (authorize(credits), spends(credits), true),
            12..=15 if !holds.is_empty() => {
                let (hold, credits) = holds.swap_remove(self.random.below(holds.len()));
                let by = Effect { available: credits * MICROS, held: -credits * MICROS };
                (Command::VoidHold { hold }, What::Moved { needs: 0, by }, false)
            }
            _ => (debit(credits), spends(0), false),
        };
        let engine = &self.engines[self.random.below(2)];
        let key = format!("{}-{step}", self.number);
        let answer = engine.submit(command(self.wallet, &key, asked));
        let answer = if self.random.below(IMPATIENCE) == 0 {
            let patience = Duration::from_micros(self.random.draw() % LONGEST_PATIENCE_US);
            match tokio::time::timeout(patience, answer).await {
                Ok(answer) => answer,
                Err(_) => return (what, false),
            }
        } else {
            answer.await
        };
        match answer {
            Ok(answer) => {
                if is_hold {
                    holds.push((answer.entry.seq, credits));
                }
                (what, true)
            }
            Err(EngineError::Refused(Refusal::Restricted { .. })) => (What::OnHold, true),
            Err(EngineError::Refused(Refusal::NotRestricted)) => (What::NotOnHold, true),
            Err(error) if is_short(&error) => (What::Short { needs: credits * MICROS }, true),
            Err(error) => {
                // No wallet has as little: an answer that no history explains.
                say(&format!("{key}: {error}"));
                (What::Short { needs: i64::MIN }, true)
            }
        }
    }

    fn moment(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(NEVER)
    }
}
