//! The demo: catalogue, a customer with credits, users who sign in, a test key, and five customers with
//! thirty days of use. The secrets are kept in `data_dir`.

mod history;
mod plan;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use api::Parts;
use app::customers::Customer;
use app::keys::NewApiKey;
use app::{App, PageRequest, Principal, Scope};
use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use engine::Faults;
use kernel::Clock;
use mail::Transport;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt as _;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::commands::{chain, open_app};
use crate::gateway::Payments;
use crate::proxies::Proxies;
use crate::server;
use crate::settings::Settings;

/// What the banner shows of the demo.
pub struct Demo {
    pub customer: String,
    pub key: String,
    /// Who may sign in, and what they see.
    pub sign_ins: Vec<(&'static str, &'static str)>,
    /// Of all of them.
    pub password: String,
}

const STUDIO: &str = "studio@example.com";
const TOURIST: &str = "demo@example.com";
const OPERATOR: &str = "operator@example.com";
const PASSWORD_FILE: &str = "demo-password";
const KEY_FILE: &str = "demo-key";

/// Writes the history into an empty installation whose payments go to the sandbox; leaves any other alone.
/// Meanwhile `listener` answers the gateway only; it comes back as it was.
pub async fn fill(
    settings: &Settings,
    app: &App,
    payments: &Payments,
    listener: TcpListener,
) -> Result<TcpListener, String> {
    let now = app.now();
    let clock = Clock::manual(plan::beginning(now));
    let Some((sandbox, webhook_secret)) = payments.sandbox_at(app.store(), &clock) else {
        return Ok(listener);
    };
    if !app::demo::is_empty(app).await.map_err(|e| chain(&e))? {
        return Ok(listener);
    }
    let (listener, twin) = twins(listener).map_err(|e| format!("listener: {e}"))?;
    let gateway = Some(payments.gateway.clone());
    let past = open_app(settings, (app.store().clone(), clock.clone()), gateway, Faults::default()).await?;
    let parts = Parts { credits: false, payments: true };
    let webhooks = api::router_of(past.clone(), "", parts);
    // Nothing else: whoever asks for /readyz must not take this for the installation.
    let services = Router::new()
        .route("/webhooks/stripe", post(|request: Request| silent(webhooks.oneshot(request))))
        .nest(sandbox::MOUNT, sandbox::router(sandbox.clone()));
    let stage = history::Stage {
        app: past.clone(),
        clock,
        sandbox,
        webhook_secret,
        mails: Transport::Folder(settings.data_dir.join("mail")),
        public_url: settings.public_url(settings.listen),
        password: password(settings)?,
    };
    let written = silent(beside(twin, services, history::write(stage, now))).await;
    past.engine().stop().await;
    written.map_err(|e| format!("demo: {e}"))?;
    // Warnings of the last day's use; the worker sends them.
    app::notices::scan(app).await.map_err(|e| format!("demo: {}", chain(&e)))?;
    Ok(listener)
}

/// Does the work while `services` answer on `listener`.
async fn beside<T>(listener: TcpListener, services: Router, work: impl Future<Output = T>) -> T {
    let (done, is_done) = oneshot::channel::<()>();
    let serving = server::run(listener, services.into(), Proxies::default(), async {
        let _ = is_done.await;
    });
    let working = async {
        let outcome = work.await;
        let _ = done.send(());
        outcome
    };
    tokio::join!(serving, working).1
}

/// Without the log of what happened in the past, failures made on purpose among it.
fn silent<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_subscriber(NoSubscriber::default())
}

/// The same socket twice.
fn twins(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let first = listener.into_std()?;
    let second = first.try_clone()?;
    Ok((TcpListener::from_std(first)?, TcpListener::from_std(second)?))
}

/// Adds what is missing and answers the test key. A second start changes nothing.
pub async fn prepare(settings: &Settings, app: &App) -> Result<Demo, String> {
    let demo = app::demo::demo(app).await.map_err(|e| format!("demo: {}", chain(&e)))?;
    let password = password(settings)?;
    let sign_ins = sign_ins(app, &password, &demo.customer).await?;
    let customer = demo.customer.external_id;
    if let Some(key) = read_key(settings)
        && app::keys::authenticate(app, &key).await.is_ok()
    {
        return Ok(Demo { customer, key, sign_ins, password });
    }
    let key = match demo.secret {
        Some(first) => first,
        None => another_key(app).await?,
    };
    write_secret(settings, &key_file(settings), &key)
        .map_err(|e| format!("{}: {e}", key_file(settings).display()))?;
    Ok(Demo { customer, key, sign_ins, password })
}

/// The password that the demo's users have; made at the first start, kept in a file of its own.
fn password(settings: &Settings) -> Result<String, String> {
    let file = password_file(settings);
    if let Some(known) = read_secret(&file) {
        return Ok(known);
    }
    let made = app::accounts::new_password().map_err(|e| chain(&e))?;
    write_secret(settings, &file, &made).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(made)
}

/// Those who may sign in, made when they are missing.
async fn sign_ins(
    app: &App,
    password: &str,
    tourist: &Customer,
) -> Result<Vec<(&'static str, &'static str)>, String> {
    let mut all = Vec::new();
    let (system, page) = (Principal::system(), PageRequest::default());
    let studio = app::customers::list(app, &system, Some(history::STUDIO), &page).await;
    if let Some(studio) = studio.map_err(|e| chain(&e))?.data.first() {
        ensure(app, STUDIO, "Mira Lindqvist", password, Some(studio)).await?;
        all.push((STUDIO, "portal: a customer with a month of use"));
    }
    ensure(app, TOURIST, "Demo Customer", password, Some(tourist)).await?;
    all.push((TOURIST, "portal: the customer of the tour"));
    ensure(app, OPERATOR, "Demo Operator", password, None).await?;
    all.push((OPERATOR, "console"));
    Ok(all)
}

async fn ensure(
    app: &App,
    email: &str,
    name: &str,
    password: &str,
    customer: Option<&Customer>,
) -> Result<(), String> {
    let made = app::accounts::ensure_user(app, email, name, password, customer.map(|c| c.id)).await;
    made.map(|_| ()).map_err(|e| format!("demo: {email}: {}", chain(&e)))
}

/// For a start on a database that has its demo, without the file that has its key.
async fn another_key(app: &App) -> Result<String, String> {
    let new = NewApiKey {
        name: "Demo".to_owned(),
        scopes: Scope::ALL.into_iter().collect(),
        customer: None,
        livemode: false,
    };
    let made = app::keys::create(app, &Principal::system(), new, None).await.map_err(|e| chain(&e))?;
    made.value.secret.ok_or_else(|| "demo: a new key without its secret".to_owned())
}

/// The key of an earlier start of the demo.
pub fn read_key(settings: &Settings) -> Option<String> {
    read_secret(&key_file(settings))
}

/// Where the key is kept.
pub fn key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(KEY_FILE)
}

/// Where the password of the demo's users is kept.
pub fn password_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(PASSWORD_FILE)
}

fn read_secret(file: &Path) -> Option<String> {
    let secret = std::fs::read_to_string(file).ok()?;
    Some(secret.trim().to_owned()).filter(|secret| !secret.is_empty())
}

/// Only the owner may read it: the database has the secret's hash, this file the secret.
fn write_secret(settings: &Settings, path: &Path, secret: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(&settings.data_dir)?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    writeln!(file.open(path)?, "{secret}")
}
