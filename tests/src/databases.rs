use std::sync::Arc;

use engine::{Engine, EngineCommand, EngineConfig, EngineError, KeyedInput, Request};
use kernel::{Clock, Credits, IdempotencyKey, Timestamp, WalletId, new_uuid};
use ledger::{Command, DEFAULT_PRIORITY, Gate, GrantKind, LotTerms, StepUp, WhenShort};
use store::Store;

use crate::cluster::postgres;
use crate::scratch::ScratchDir;

/// A new, migrated database with one engine on it and a clock that stands still.
pub struct Bench {
    pub name: &'static str,
    pub url: String,
    pub store: Store,
    pub engine: Engine,
    pub clock: Clock,
    _folder: Option<Arc<ScratchDir>>,
}

/// Noon of the day on which every manual clock starts.
pub fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a valid instant")
}

/// One bench per database that this machine has: SQLite always, PostgreSQL where it is found.
pub async fn benches() -> Vec<Bench> {
    benches_with(EngineConfig::default()).await
}

pub async fn benches_with(config: EngineConfig) -> Vec<Bench> {
    let mut benches = Vec::new();
    for (name, url, folder) in urls() {
        let store = Store::connect(&url).await.expect("a fresh database opens");
        migrations::migrate(&store).await.expect("it migrates");
        let clock = Clock::manual(noon());
        let engine = Engine::start(store.clone(), clock.clone(), config.clone()).await.expect("it starts");
        benches.push(Bench { name, url, store, engine, clock, _folder: folder });
    }
    benches
}

/// Addresses of new, empty databases.
pub fn urls() -> Vec<(&'static str, String, Option<Arc<ScratchDir>>)> {
    let folder = Arc::new(ScratchDir::new("bench"));
    let file = format!("sqlite://{}", folder.path().join("scrip.db").display());
    let mut urls = vec![("sqlite", file, Some(folder))];
    if let Some(cluster) = postgres() {
        urls.push(("postgres", cluster.fresh_database(), None));
    }
    urls
}

impl Bench {
    /// A second process's view: its own connections, its own engine, the same database.
    pub async fn another_engine(&self, config: EngineConfig) -> Engine {
        let store = Store::connect(&self.url).await.expect("it opens again");
        Engine::start(store, self.clock.clone(), config).await.expect("it starts")
    }

    pub async fn new_wallet(&self) -> WalletId {
        let id = WalletId::from_uuid(new_uuid());
        let txn = self.store.write().await.expect("a transaction");
        store::wallets::create(&txn, id).await.expect("a new wallet");
        txn.commit().await.expect("a commit");
        id
    }

    pub async fn funded_wallet(&self, credits: i64) -> WalletId {
        let id = self.new_wallet().await;
        self.engine.submit(command(id, "fund", grant(credits))).await.expect("a grant");
        id
    }

    pub async fn balances(&self, id: WalletId) -> (Credits, Credits, Credits) {
        let wallet = store::wallets::read(&self.store, id).await.expect("a read").expect("a wallet");
        (wallet.available, wallet.held, wallet.debt)
    }

    pub async fn assert_verified(&self) {
        let report = store::verify::verify(&self.store).await.expect("verify reads everything");
        assert!(report.is_ok(), "{}: {:?}", self.name, report.described);
    }
}

pub fn command(wallet: WalletId, key: &str, command: Command) -> Request {
    Request {
        wallet,
        key: key_of(key, 1),
        command: EngineCommand::Ledger(command),
        about: None,
        vendor_transaction: None,
    }
}

/// A key whose input hash is 32 times `input`.
pub fn key_of(key: &str, input: u8) -> KeyedInput {
    KeyedInput::Key { key: IdempotencyKey::new(key).expect("a valid key"), hash: [input; 32] }
}

/// The lot that a grant would make.
pub fn terms_of(command: Command) -> LotTerms {
    match command {
        Command::Grant(terms) => terms,
        other => panic!("{other:?} is no grant"),
    }
}

pub fn grant(credits: i64) -> Command {
    Command::Grant(LotTerms {
        kind: GrantKind::Promo,
        granted: Credits::whole(credits),
        priority: DEFAULT_PRIORITY,
        expires_at: None,
        paid: None,
        clawed_back: Credits::ZERO,
        voided: false,
    })
}

pub fn debit(credits: i64) -> Command {
    Command::Debit { price: Credits::whole(credits), gate: Gate::default(), when_short: WhenShort::Refuse }
}

pub fn authorize(credits: i64) -> Command {
    Command::Authorize { credits: Credits::whole(credits), ttl_seconds: 900, gate: Gate::default() }
}

/// Until it is released.
pub fn restrict() -> Command {
    Command::Restrict { until: None, step_up: StepUp::Review }
}

pub fn release() -> Command {
    Command::Release { restriction: None }
}

pub fn is_short(error: &EngineError) -> bool {
    matches!(error, EngineError::Refused(ledger::Refusal::Short { .. }))
}
