//! The short commands. Each prints what it did on stdout and what went wrong on stderr.

use std::process::ExitCode;

use app::payments::PaymentGateway;
use app::{App, AppConfig, Principal, keys::NewApiKey};
use engine::{Engine, Faults};
use kernel::{Clock, Credits};
use store::Store;

use crate::cli::{Keys, Replay};
use crate::demo;
use crate::replay::{ReplayOptions, replay as run_replay};
use crate::settings::{API_KEY_VARIABLE, Settings};

/// An error with its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub async fn open_store(settings: &Settings) -> Result<Store, String> {
    if settings.is_embedded() {
        let dir = &settings.data_dir;
        std::fs::create_dir_all(dir).map_err(|e| format!("data_dir {}: {e}", dir.display()))?;
    }
    Store::connect(&settings.database_url()).await.map_err(|e| format!("database: {}", chain(&e)))
}

pub async fn open_app(
    settings: &Settings,
    store: Store,
    gateway: Option<PaymentGateway>,
    faults: Faults,
) -> Result<App, String> {
    let engine = Engine::start(store.clone(), Clock::System, settings.engine(faults));
    let engine = engine.await.map_err(|e| format!("engine: {}", chain(&e)))?;
    Ok(App::open(store, Clock::System, engine, AppConfig { gateway, ..settings.app()? }))
}

pub async fn migrate(settings: &Settings) -> Result<ExitCode, String> {
    let store = open_store(settings).await?;
    let pending = migrations::pending(&store).await.map_err(|e| chain(&e))?;
    migrations::migrate(&store).await.map_err(|e| chain(&e))?;
    for name in &pending {
        println!("applied {name}");
    }
    println!("the database is up to date ({} applied now)", pending.len());
    Ok(ExitCode::SUCCESS)
}

pub async fn verify(settings: &Settings) -> Result<ExitCode, String> {
    let store = open_store(settings).await?;
    let report = store::verify::verify(&store).await.map_err(|e| chain(&e))?;
    println!(
        "{} wallets, {} entries, {} postings, {} lots, {} holds, {} snapshots recomputed from the journal",
        report.wallets, report.entries, report.postings, report.lots, report.holds, report.snapshots
    );
    for (account, micros) in &report.totals {
        println!("  {:<10} {:>24}", account.as_str(), credits(*micros));
    }
    println!("  {:<10} {:>24}", "sum", credits(report.totals.values().sum()));
    for what in &report.described {
        println!("BROKEN {what}");
    }
    if report.is_ok() {
        println!("verify: ok");
        return Ok(ExitCode::SUCCESS);
    }
    println!("verify: {} broken", report.breaks);
    Ok(ExitCode::FAILURE)
}

/// Sums over all wallets may exceed what one wallet can hold.
fn credits(micros: i128) -> String {
    match i64::try_from(micros) {
        Ok(micros) => Credits::from_micros(micros).to_string(),
        Err(_) => format!("{micros} millionths"),
    }
}

pub async fn replay(settings: &Settings, options: Replay) -> Result<ExitCode, String> {
    let key =
        options.key.or_else(|| std::env::var(API_KEY_VARIABLE).ok()).or_else(|| demo::read_key(settings));
    let key = key.ok_or_else(|| {
        format!("no API key: give --key or {API_KEY_VARIABLE}, or start the demo first, which leaves one in data_dir")
    })?;
    let url = options.url.unwrap_or_else(|| format!("http://{}", settings.listen));
    let mut request = ReplayOptions::new(options.file, url, key);
    request.feature = options.feature;
    request.model = options.model;
    request.concurrency = options.concurrency;
    let summary = run_replay(request).await.map_err(|e| chain(&e))?;
    println!("{summary}");
    Ok(if summary.is_exact() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn keys(settings: &Settings, keys: Keys) -> Result<ExitCode, String> {
    let store = open_store(settings).await?;
    migrations::migrate(&store).await.map_err(|e| chain(&e))?;
    let app = open_app(settings, store, None, Faults::default()).await?;
    match keys {
        Keys::Create { name, scopes, live } => {
            let scopes = scopes.iter().map(|s| s.parse().map_err(|e| format!("{s:?} {e}")));
            let new = NewApiKey {
                name,
                scopes: scopes.collect::<Result<_, String>>()?,
                customer: None,
                livemode: live,
            };
            let made =
                app::keys::create(&app, &Principal::system(), new, None).await.map_err(|e| chain(&e))?;
            println!("id      {}", made.value.key.id);
            println!("scopes  {}", made.value.key.scopes.join(" "));
            println!("secret  {}", made.value.secret.unwrap_or_default());
            println!("The secret is stored hashed and shown only now.");
        }
        Keys::Revoke { id } => {
            let id = id.parse().map_err(|e| format!("{id:?} {e}"))?;
            app::keys::revoke(&app, &Principal::system(), id).await.map_err(|e| chain(&e))?;
            println!("revoked {id}; running servers refuse it within a second");
        }
    }
    app.engine().stop().await;
    Ok(ExitCode::SUCCESS)
}
