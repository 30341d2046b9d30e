//! The short commands. Each prints what it did on stdout and what went wrong on stderr.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use app::payments::PaymentGateway;
use app::{App, AppConfig, Principal, keys::NewApiKey};
use engine::{Engine, Faults};
use kernel::{Clock, Credits};
use store::{CONNECT_SECONDS, Store};

use crate::cli::{Keys, Replay};
use crate::demo;
use crate::replay::{ReplayOptions, replay as run_replay};
use crate::settings::{API_KEY_VARIABLE, Settings};

/// A database on its feet is connected to in less.
const SILENCE: Duration = Duration::from_millis(300);

/// A line on stdout. Whoever closed it (`scrip verify | head`) does not want the rest.
macro_rules! out {
    ($($text:tt)*) => { $crate::commands::print(&format!($($text)*)) };
}
pub(crate) use out;

pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

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
        make_private(&settings.data_dir)
            .map_err(|e| format!("data_dir {}: {e}", settings.data_dir.display()))?;
    }
    let url = settings.database_url();
    let place = store::place(&url);
    patient(&place, Store::connect(&url)).await.map_err(|e| format!("database {place}: {}", chain(&e)))
}

/// A database that is not there is waited for, and nobody should have to guess that.
async fn patient<T>(place: &str, connecting: impl Future<Output = T>) -> T {
    tokio::pin!(connecting);
    tokio::select! {
        connected = &mut connecting => connected,
        () = tokio::time::sleep(SILENCE) => {
            eprintln!("scrip: waiting up to {CONNECT_SECONDS} s for the database {place}");
            connecting.await
        }
    }
}

/// Names, addresses and balances lie there: a new folder is for its owner only.
fn make_private(folder: &std::path::Path) -> std::io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// For commands that look at a database: one that is not there is not made.
/// Where the embedded database will be, while nothing has made it.
pub fn missing_file(settings: &Settings) -> Option<String> {
    let url = settings.database_url();
    let path = url.strip_prefix("sqlite://").filter(|path| !std::path::Path::new(path).exists());
    path.map(str::to_owned)
}

pub async fn open_existing(settings: &Settings) -> Result<Store, String> {
    if let Some(path) = missing_file(settings) {
        return Err(format!("there is no database at {path}; start Scrip first: scrip serve"));
    }
    let store = open_store(settings).await?;
    let pending = migrations::pending(&store).await.map_err(|e| chain(&e))?;
    if !pending.is_empty() {
        return Err(format!("the database lacks {}; run: scrip migrate", pending.join(", ")));
    }
    Ok(store)
}

pub async fn open_app(
    settings: &Settings,
    (store, clock): (Store, Clock),
    gateway: Option<PaymentGateway>,
    faults: Faults,
) -> Result<App, String> {
    let engine = Engine::start(store.clone(), clock.clone(), settings.engine(faults));
    let engine = engine.await.map_err(|e| format!("engine: {}", chain(&e)))?;
    Ok(App::open(store, clock, engine, AppConfig { gateway, ..settings.app()? }))
}

pub async fn migrate(settings: &Settings, lanes: Option<i64>) -> Result<ExitCode, String> {
    let store = open_store(settings).await?;
    let pending = migrations::pending(&store).await.map_err(|e| chain(&e))?;
    migrations::migrate(&store).await.map_err(|e| chain(&e))?;
    for name in &pending {
        out!("applied {name}");
    }
    if let Some(lanes) = lanes {
        store::lanes::replace_map(&store, lanes).await.map_err(|e| chain(&e))?;
        out!("{lanes} lane(s) from now on; running servers follow at their next batch");
    }
    out!("the database is up to date ({} applied now)", pending.len());
    Ok(ExitCode::SUCCESS)
}

pub async fn verify(settings: &Settings) -> Result<ExitCode, String> {
    let store = open_existing(settings).await?;
    let report = store::verify::verify(&store).await.map_err(|e| chain(&e))?;
    out!(
        "{} wallets, {} entries, {} postings, {} lots, {} holds, {} snapshots recomputed from the journal",
        report.wallets,
        report.entries,
        report.postings,
        report.lots,
        report.holds,
        report.snapshots
    );
    for (account, micros) in &report.totals {
        out!("  {:<10} {:>24}", account.as_str(), credits(*micros));
    }
    out!("  {:<10} {:>24}", "sum", credits(report.totals.values().sum()));
    for what in &report.described {
        out!("BROKEN {what}");
    }
    if report.is_ok() {
        out!("verify: ok");
        return Ok(ExitCode::SUCCESS);
    }
    out!("verify: {} broken", report.breaks);
    Ok(ExitCode::FAILURE)
}

pub async fn seal(settings: &Settings, keep: Option<u64>) -> Result<ExitCode, String> {
    let store = open_existing(settings).await?;
    let keep = keep.unwrap_or(settings.hot_rows / 2);
    let moved = store::seal::seal(&store, keep).await.map_err(|e| chain(&e))?;
    out!("{moved} journal rows sealed");
    Ok(ExitCode::SUCCESS)
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
    out!("{summary}");
    Ok(if summary.is_exact() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn keys(settings: &Settings, keys: Keys) -> Result<ExitCode, String> {
    let store = open_store(settings).await?;
    migrations::migrate(&store).await.map_err(|e| chain(&e))?;
    let app = open_app(settings, (store, Clock::System), None, Faults::default()).await?;
    match keys {
        Keys::List => {
            for key in app::keys::list(&app, &Principal::system()).await.map_err(|e| chain(&e))? {
                let state = if key.revoked_at.is_some() { "revoked" } else { "valid" };
                out!(
                    "{}  {state:<7}  {}  {}  {}",
                    key.key.id,
                    key.key.created_at,
                    key.key.scopes.join(" "),
                    key.key.name
                );
            }
        }
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
            out!("id      {}", made.value.key.id);
            out!("scopes  {}", made.value.key.scopes.join(" "));
            out!("secret  {}", made.value.secret.unwrap_or_default());
            out!("The secret is stored hashed and shown only now.");
        }
        Keys::Revoke { id } => {
            let id = id.parse().map_err(|e| format!("{id:?} {e}"))?;
            app::keys::revoke(&app, &Principal::system(), id).await.map_err(|e| chain(&e))?;
            out!("revoked {id}; running servers refuse it within a second");
        }
    }
    app.engine().stop().await;
    Ok(ExitCode::SUCCESS)
}
