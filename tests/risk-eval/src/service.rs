//! A set through the real service, from where a committed signal is said: its log of signals, its follower, its nights of training, on a database, with a
//! restart in the middle.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use app::{App, AppConfig, work};
use engine::{Engine, EngineConfig};
use kernel::{Clock, Timestamp, new_uuid};
use risk::book::Book;
use risk::record::{Place, Record, Source};
use risk::signal::{Address, What};
use serde::Serialize;
use store::Store;

use crate::abuse::Set;
use crate::cpu;
use crate::timed::{Scores, Spent, Summary, summarise};

/// Signals that the process has said when it looks again.
const SIGNALS_PER_TICK: usize = 500;
/// A follower takes in what is older; afterwards everything is.
const SETTLED_SECONDS: i64 = 10;

/// What ends the output.
#[derive(Serialize)]
pub struct Outcome {
    signals: usize,
    wallets: usize,
    /// Of one more copy of the state in memory, wallets and networks; of all that this process grew by; and of a
    /// snapshot.
    memory_bytes_per_wallet: u64,
    process_bytes_per_wallet: u64,
    snapshot_bytes_per_wallet: usize,
    /// Of a tick, over the signals it took in, from the log to the verdict, by the clock on the wall.
    p50_micros: f64,
    p99_micros: f64,
    /// Processor time of all ticks over all signals, and that of a night's training.
    cpu_micros_per_signal: f64,
    /// By the clock on the wall, of all ticks.
    signals_per_second: f64,
    cpu_seconds_per_night: f64,
    /// The state after the restart in the middle is that of somebody who never stopped.
    pub is_identical_after_restart: bool,
    restart_seconds: f64,
    models: String,
    /// Of the first copy, by the scores that the service acted on.
    pub quality: Summary,
}

struct Run {
    app: App,
    clock: Clock,
    url: String,
    scores: Arc<Mutex<Vec<Scores>>>,
    per_signal: Vec<f64>,
    restart_seconds: f64,
    cpu_of_ticks: f64,
    seconds_of_ticks: f64,
    cpu_of_nights: f64,
}

/// Feeds copies of the set, `signals` or a little more, signal by signal.
pub fn run(set: &Set, signals: usize) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(feed(set, signals))
}

async fn feed(set: &Set, signals: usize) -> Result<Outcome, String> {
    let records = records(set, signals.div_ceil(set.signals.len()).max(1));
    let folder = std::env::temp_dir().join(format!("risk-eval-{}", new_uuid().simple()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let done = through(set, &records, &folder).await;
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    done
}

async fn through(set: &Set, records: &[Record], folder: &Path) -> Result<Outcome, String> {
    let first = records.first().ok_or("an empty set")?.place.at;
    let clock = Clock::manual(Timestamp::from_micros_saturating(first).plus_seconds(-SETTLED_SECONDS));
    let url = format!("sqlite://{}", folder.join("risk.db").display());
    let scores = Arc::new(Mutex::new(vec![Scores::new(); set.accounts.len()]));
    let app = open(&url, &clock, &scores).await?;
    let mut run = Run {
        app,
        clock,
        url,
        scores,
        per_signal: Vec::new(),
        restart_seconds: 0.0,
        cpu_of_ticks: 0.0,
        seconds_of_ticks: 0.0,
        cpu_of_nights: 0.0,
    };
    let before = resident();
    tick(&mut run).await?;
    let half = records.len() / 2;
    for (number, batch) in records.chunks(SIGNALS_PER_TICK).enumerate() {
        batch.iter().for_each(|record| app::risk::say(&run.app, *record));
        reach(&run.clock, batch.last().map_or(first, |record| record.place.at));
        tick(&mut run).await?;
        if number == half / SIGNALS_PER_TICK {
            restart(&mut run).await?;
        }
        let (train, before) = (work::RISK_SCHEDULES[1], cpu::of_process());
        work::schedule_round(&run.app, train).await.map_err(|e| e.to_string())?;
        run.cpu_of_nights += cpu::of_process() - before;
    }
    run.clock.advance_seconds(SETTLED_SECONDS);
    tick(&mut run).await?;
    let (_, state) = app::risk::state_of(&run.app).await;
    let grown = resident().saturating_sub(before);
    let outcome = summed_up(set, records, &run, (state, grown)).await?;
    run.app.engine().stop().await;
    Ok(outcome)
}

async fn open(url: &str, clock: &Clock, scores: &Arc<Mutex<Vec<Scores>>>) -> Result<App, String> {
    let store = Store::connect(url).await.map_err(|e| e.to_string())?;
    migrations::migrate(&store).await.map_err(|e| e.to_string())?;
    let engine = Engine::start(store.clone(), clock.clone(), EngineConfig::default()).await;
    let app = App::open(store, clock.clone(), engine.map_err(|e| e.to_string())?, AppConfig::default());
    let scores = Arc::clone(scores);
    app::risk::listen(&app, move |wallet, at, score| {
        // Copies of the set have higher numbers than its accounts.
        let account = usize::try_from(wallet.uuid().as_u128()).ok();
        let mut scores = scores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = account.and_then(|account| scores.get_mut(account)) {
            of.push((at, score));
        }
    });
    Ok(app)
}

async fn tick(run: &mut Run) -> Result<(), String> {
    let (started, before) = (Instant::now(), cpu::of_process());
    let done = app::risk::tick(&run.app).await.map_err(|e| e.to_string())?;
    run.cpu_of_ticks += cpu::of_process() - before;
    run.seconds_of_ticks += started.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    if done.applied > 0 {
        run.per_signal.push(started.elapsed().as_secs_f64() * 1e6 / done.applied as f64);
    }
    Ok(())
}

/// As a stop and a start of the process: nothing of the memory is left.
async fn restart(run: &mut Run) -> Result<(), String> {
    app::risk::stop(&run.app).await.map_err(|e| e.to_string())?;
    run.app.engine().stop().await;
    let started = Instant::now();
    run.app = open(&run.url, &run.clock, &run.scores).await?;
    app::risk::tick(&run.app).await.map_err(|e| e.to_string())?;
    run.restart_seconds = started.elapsed().as_secs_f64();
    Ok(())
}

fn reach(clock: &Clock, at: i64) {
    let behind = at - clock.now().micros();
    clock.advance_seconds((behind.max(0) + 999_999) / 1_000_000);
}

async fn summed_up(
    set: &Set,
    records: &[Record],
    run: &Run,
    (state, grown): (Book, u64),
) -> Result<Outcome, String> {
    let mut oracle = Book::default();
    records.iter().for_each(|record| drop(oracle.take(&record.signal())));
    let wallets = state.wallets();
    let snapshot = risk::stored::book_to_bytes(&state).map_err(|e| e.to_string())?.len();
    let mut per_signal = run.per_signal.clone();
    per_signal.sort_unstable_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = |share: f64| per_signal.get((share * per_signal.len() as f64) as usize).copied().unwrap_or(0.0);
    let by = app::Principal::system();
    let models = app::risk::models::list(&run.app, &by).await.map_err(|e| e.to_string())?;
    let fitted = models.len();
    let promoted = models.iter().filter(|model| model.promoted_at.is_some()).count();
    let scores = run.scores.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Outcome {
        signals: records.len(),
        wallets,
        memory_bytes_per_wallet: bytes_of_a_copy(&state) / (wallets.max(1) as u64),
        process_bytes_per_wallet: grown / (wallets.max(1) as u64),
        snapshot_bytes_per_wallet: snapshot / wallets.max(1),
        p50_micros: at(0.5),
        p99_micros: at(0.99),
        #[allow(clippy::cast_precision_loss)]
        cpu_micros_per_signal: run.cpu_of_ticks * 1e6 / records.len() as f64,
        #[allow(clippy::cast_precision_loss)]
        signals_per_second: records.len() as f64 / run.seconds_of_ticks,
        #[allow(clippy::cast_precision_loss)]
        cpu_seconds_per_night: run.cpu_of_nights / fitted.max(1) as f64,
        is_identical_after_restart: state == oracle,
        restart_seconds: run.restart_seconds,
        models: format!("{fitted} fitted, {promoted} of them spoke"),
        quality: summarise(set, &scores, &spent(set)),
    })
}

fn spent(set: &Set) -> Vec<Spent> {
    let mut spent = vec![Spent::new(); set.accounts.len()];
    for signal in &set.signals {
        if let (What::Used(used), Ok(account)) = (signal.what, usize::try_from(signal.wallet)) {
            spent[account].push((signal.at, f64::from(used.credits)));
        }
    }
    spent
}

/// Copies of the set at the same times, each with wallets and networks of its own.
fn records(set: &Set, copies: usize) -> Vec<Record> {
    let mut records = Vec::with_capacity(set.signals.len() * copies);
    for copy in (0_u32..).take(copies) {
        for (number, signal) in (0..).zip(&set.signals) {
            let wallet = signal.wallet + (u128::from(copy) << 64);
            let place = Place { at: signal.at * 1_000, wallet, source: Source::Journal, number };
            records.push(Record { place, what: elsewhere(signal.what, copy) });
        }
    }
    records.sort_unstable_by_key(|record| record.place);
    records
}

/// The same on another network.
fn elsewhere(what: What, copy: u32) -> What {
    let moved = |address: Address| Address {
        network: address.network ^ copy.rotate_right(8),
        host: address.host ^ copy.rotate_right(16),
    };
    match what {
        What::Used(mut used) => {
            used.address = moved(used.address);
            What::Used(used)
        }
        What::SignedUp(mut sign_up) => {
            sign_up.address = moved(sign_up.address);
            What::SignedUp(sign_up)
        }
        other => other,
    }
}

/// Bytes of this process in memory; 0 where the system does not say.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

/// Copies that use up what the allocator has kept, and copies that are measured.
const COPIES: [usize; 2] = [2, 4];

fn bytes_of_a_copy(state: &Book) -> u64 {
    let used_up: Vec<Book> = (0..COPIES[0]).map(|_| state.clone()).collect();
    let before = resident();
    let measured: Vec<Book> = (0..COPIES[1]).map(|_| state.clone()).collect();
    let grown = resident().saturating_sub(before);
    drop((used_up, measured));
    grown / COPIES[1] as u64
}
