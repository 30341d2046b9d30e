//! A set through the service's own HTTP API, call by call: customers, grants, usage with its context, and deliveries, on
//! the router that `scrip serve` serves, by a clock that stands at the instant of each call. What gateways tell of
//! cards comes without HTTP, from where their events are said.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use app::{App, AppConfig, Principal, Scope, demo, work};
use client::Client;
use engine::{Engine, EngineConfig};
use flate2::read::GzDecoder;
use kernel::{Clock, Timestamp, WalletId, new_uuid};
use risk::record::{Place, Record, Source};
use risk::signal::{Millis, Payment, PaymentKind, What};
use risk::text::short_hash;
use risk::window::DAY;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Store;

use crate::abuse::{AccountRow, Set, millis, rows};
use crate::timed::{Scores, Spent, Summary, summarise};

/// Signals that the process has said when it looks again; a running one looks twice a second.
const CALLS_PER_TICK: usize = 200;
const SETTLED_SECONDS: i64 = 10;
/// Nobody runs out of credits: what a grant of this kind brings is no signal.
const FUNDS: &str = "1000000000";

/// What ends the output.
#[derive(Serialize)]
pub struct Outcome {
    calls: usize,
    refused: usize,
    signals: u64,
    /// By the clock on the wall: of all that was done, ticks and nights included.
    calls_per_second: f64,
    /// Of one call, from its first byte to the last one of its answer, committed.
    call_p50_micros: f64,
    call_p99_micros: f64,
    /// Of a tick, over the signals it took in.
    signal_p50_micros: f64,
    signal_p99_micros: f64,
    /// Nothing of the set was left out.
    pub is_whole: bool,
    pub quality: Summary,
}

#[derive(Deserialize)]
struct EventRow {
    event_id: String,
    account_id: String,
    occurred_at: String,
    feature: String,
    model: String,
    units: Value,
    credits: u32,
    prompt: String,
    ip: String,
    user_agent: String,
    downloaded_at: Option<String>,
}

/// What happens at one instant happens in this order.
enum Step {
    SignsUp(AccountRow),
    Pays(usize, Payment),
    Fetches(String),
    Uses(Box<EventRow>),
}

/// The account of each wallet.
type Known = Arc<Mutex<HashMap<WalletId, usize>>>;

struct Run {
    app: App,
    clock: Clock,
    client: Client,
    wallets: HashMap<String, (usize, WalletId)>,
    /// The receipt of each event that is fetched later.
    receipts: HashMap<String, String>,
    spent: Vec<Spent>,
    calls: Vec<f64>,
    per_signal: Vec<f64>,
    signals: u64,
    refused: usize,
}

/// Sends at most `most` signals of the set.
pub fn run(folder: &Path, set: &Set, most: usize) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let scratch = std::env::temp_dir().join(format!("risk-eval-{}", new_uuid().simple()));
        std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        let done = through(folder, set, most, &scratch).await;
        std::fs::remove_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        done
    })
}

async fn through(folder: &Path, set: &Set, most: usize, scratch: &Path) -> Result<Outcome, String> {
    let mut steps = steps(folder, set)?;
    let is_whole = steps.len() <= most;
    steps.truncate(most);
    let first = steps.first().ok_or("an empty set")?.0;
    let scores: Arc<Mutex<Vec<Scores>>> = Arc::new(Mutex::new(vec![Scores::new(); set.accounts.len()]));
    let known = Known::default();
    let mut run = open(scratch, first, set, (&scores, &known)).await?;
    let began = Instant::now();
    let mut day = first.div_euclid(DAY);
    for (number, (at, step)) in steps.into_iter().enumerate() {
        reach(&run.clock, at);
        if at.div_euclid(DAY) > day {
            day = at.div_euclid(DAY);
            tick(&mut run).await?;
            work::schedule_round(&run.app, work::RISK_SCHEDULES[1]).await.map_err(|e| e.to_string())?;
        }
        take(&mut run, set, step, &known).await?;
        if number % CALLS_PER_TICK == CALLS_PER_TICK - 1 {
            tick(&mut run).await?;
        }
    }
    run.clock.advance_seconds(SETTLED_SECONDS);
    tick(&mut run).await?;
    let seconds = began.elapsed().as_secs_f64();
    run.app.engine().stop().await;
    let scores = scores.lock().unwrap_or_else(PoisonError::into_inner);
    let (calls, per_signal) = (sorted(&run.calls), sorted(&run.per_signal));
    #[allow(clippy::cast_precision_loss)]
    Ok(Outcome {
        calls: calls.len(),
        refused: run.refused,
        signals: run.signals,
        calls_per_second: calls.len() as f64 / seconds,
        call_p50_micros: at_share(&calls, 0.5),
        call_p99_micros: at_share(&calls, 0.99),
        signal_p50_micros: at_share(&per_signal, 0.5),
        signal_p99_micros: at_share(&per_signal, 0.99),
        is_whole,
        quality: summarise(set, &scores, &run.spent),
    })
}

async fn open(
    scratch: &Path,
    first: Millis,
    set: &Set,
    (scores, known): (&Arc<Mutex<Vec<Scores>>>, &Known),
) -> Result<Run, String> {
    let url = format!("sqlite://{}", scratch.join("risk.db").display());
    let store = Store::connect(&url).await.map_err(|e| e.to_string())?;
    migrations::migrate(&store).await.map_err(|e| e.to_string())?;
    let clock = Clock::manual(Timestamp::from_micros_saturating((first - 1_000) * 1_000));
    let engine = Engine::start(store.clone(), clock.clone(), EngineConfig::default()).await;
    let app = App::open(store, clock.clone(), engine.map_err(|e| e.to_string())?, AppConfig::default());
    let (scores, known) = (Arc::clone(scores), Arc::clone(known));
    app::risk::listen(&app, move |wallet, at, score| {
        let account = known.lock().unwrap_or_else(PoisonError::into_inner).get(&wallet).copied();
        let mut scores = scores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = account.and_then(|account| scores.get_mut(account)) {
            of.push((at, score));
        }
    });
    let new = app::keys::NewApiKey {
        name: "risk-eval".to_owned(),
        scopes: Scope::ALL.into_iter().collect(),
        customer: None,
        livemode: false,
    };
    let key = app::keys::create(&app, &Principal::system(), new, None).await.map_err(|e| e.to_string())?;
    let secret = key.value.secret.ok_or("a key without a secret")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let router = api::router(app.clone(), "http://127.0.0.1/packs");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::new(&format!("http://{address}"), &secret).map_err(|e| e.to_string())?;
    let mut run = Run {
        app,
        clock,
        client,
        wallets: HashMap::new(),
        receipts: HashMap::new(),
        spent: vec![Spent::new(); set.accounts.len()],
        calls: Vec::new(),
        per_signal: Vec::new(),
        signals: 0,
        refused: 0,
    };
    demo::catalogue(&run.app).await.map_err(|e| e.to_string())?;
    watch_only(&mut run).await?;
    tick(&mut run).await?;
    run.calls.clear();
    Ok(run)
}

/// Nothing is refused, so that all of the set is seen.
async fn watch_only(run: &mut Run) -> Result<(), String> {
    let settings = json!({"settings": {"review": 0.5, "restrict": 1.0, "block": 1.0, "release": 0.6,
        "velocity": {"times_usual_hour": null, "credits_per_hour": null, "least_credits": "500"},
        "restrict_minutes": 1440, "step_up": "verify_mail", "mail_above": "100"}, "reason": "a measurement"});
    post(run, "/v1/risk/settings", "settings", &settings).await.map(drop)
}

async fn take(run: &mut Run, set: &Set, step: Step, known: &Known) -> Result<(), String> {
    match step {
        Step::SignsUp(account) => {
            let id = &account.account_id;
            let number = set.accounts.iter().position(|a| a.id == *id).ok_or("an account without a label")?;
            let new = json!({"external_id": id, "kind": "individual", "name": id, "email": email(&account),
                "context": {"ip": account.signup_ip}});
            let made = post(run, "/v1/customers", id, &new).await?;
            let wallet = made["wallet"].as_str().and_then(|w| w.parse().ok()).ok_or("no wallet")?;
            known.lock().unwrap_or_else(PoisonError::into_inner).insert(wallet, number);
            run.wallets.insert(id.clone(), (number, wallet));
            if account.plan == "trial" {
                grant(run, id, ("trial", &account.monthly_credits.to_string())).await?;
            }
            grant(run, id, ("promo", FUNDS)).await
        }
        Step::Pays(account, payment) => pay(run, &set.accounts[account].id, payment).await,
        Step::Fetches(event) => {
            let Some(receipt) = run.receipts.remove(&event) else { return Ok(()) };
            post(run, &format!("/v1/receipts/{receipt}/deliveries"), &format!("{event}/d"), &json!({}))
                .await
                .map(drop)
        }
        Step::Uses(event) => uses(run, *event).await,
    }
}

/// Credits come over HTTP, what the gateway says of the card from where its event would be said.
async fn pay(run: &mut Run, account: &str, payment: Payment) -> Result<(), String> {
    let (_, wallet) = run.wallets.get(account).copied().ok_or("a payment before its sign-up")?;
    let at = run.clock.now().micros();
    let place = Place {
        at,
        wallet: wallet.uuid().as_u128(),
        source: Source::Payments,
        number: i64::try_from(run.calls.len()).map_err(|e| e.to_string())?,
    };
    let card = Payment { kind: PaymentKind::Pack, credits: 0, ..payment };
    app::risk::say(&run.app, Record { place, what: What::Paid(card) });
    let kind = if payment.kind == PaymentKind::Subscription { "allotment" } else { "purchase" };
    if payment.succeeded {
        grant(run, account, (kind, &payment.credits.to_string())).await?;
    }
    Ok(())
}

async fn grant(run: &mut Run, account: &str, (kind, credits): (&str, &str)) -> Result<(), String> {
    let key = format!("{account}/{kind}/{}", run.calls.len());
    let body = json!({"customer": account, "credits": credits, "kind": kind});
    post(run, "/v1/grants", &key, &body).await.map(drop)
}

/// The demo's text model costs 5 credits for 1,000 tokens. Parameters of the set stand in the model's options.
async fn uses(run: &mut Run, event: EventRow) -> Result<(), String> {
    let of = |name: &str| event.units[name].as_u64();
    let (images, width, height, steps) = (of("images"), of("width"), of("height"), of("steps"));
    let parameters = format!("{} {} {images:?} {width:?} {height:?} {steps:?}", event.feature, event.model);
    let body = json!({"customer": event.account_id, "feature": "text.generate", "model": "gpt-4",
        "quantities": {"input_tokens": event.credits * 200},
        "options": {"style": format!("p{:08x}", short_hash(parameters.as_bytes()))},
        "context": {"ip": event.ip, "user_agent": event.user_agent, "prompt": event.prompt}});
    let made = post(run, "/v1/usage", &event.event_id, &body).await?;
    if let Some(receipt) = made["id"].as_str().filter(|_| event.downloaded_at.is_some()) {
        run.receipts.insert(event.event_id, receipt.to_owned());
    }
    if let Some((number, _)) = run.wallets.get(&event.account_id) {
        run.spent[*number].push((run.clock.now().micros().div_euclid(1_000), f64::from(event.credits)));
    }
    Ok(())
}

async fn post(run: &mut Run, path: &str, key: &str, body: &Value) -> Result<Value, String> {
    let started = Instant::now();
    let reply = run.client.post(path, Some(key), body).await.map_err(|e| e.chain())?;
    run.calls.push(started.elapsed().as_secs_f64() * 1e6);
    match reply.status {
        200..300 => Ok(reply.body),
        402 | 403 | 429 => {
            run.refused += 1;
            Ok(Value::Null)
        }
        status => Err(format!("POST {path}: {status} {} for {body}", reply.body)),
    }
}

async fn tick(run: &mut Run) -> Result<(), String> {
    let started = Instant::now();
    let done = app::risk::tick(&run.app).await.map_err(|e| e.to_string())?;
    run.signals += done.applied as u64;
    #[allow(clippy::cast_precision_loss)]
    if done.applied > 0 {
        run.per_signal.push(started.elapsed().as_secs_f64() * 1e6 / done.applied as f64);
    }
    Ok(())
}

/// A clock never goes back; several calls may have one instant.
fn reach(clock: &Clock, at: Millis) {
    if let Clock::Manual(now) = clock {
        now.fetch_max(at * 1_000, Ordering::SeqCst);
    }
}

/// All of the set in the order in which it became known.
fn steps(folder: &Path, set: &Set) -> Result<Vec<(Millis, Step)>, String> {
    let mut steps = Vec::new();
    for account in rows::<AccountRow>(folder, "accounts.csv")? {
        steps.push((millis(&account.created_at)?, 0, Step::SignsUp(account)));
    }
    for signal in &set.signals {
        if let (What::Paid(payment), Ok(account)) = (signal.what, usize::try_from(signal.wallet)) {
            steps.push((signal.at, 1, Step::Pays(account, payment)));
        }
    }
    let file =
        std::fs::File::open(folder.join("events.jsonl.gz")).map_err(|e| format!("events.jsonl.gz: {e}"))?;
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let line = line.map_err(|e| format!("events.jsonl.gz: {e}"))?;
        let event: EventRow = serde_json::from_str(&line).map_err(|e| format!("{line}: {e}"))?;
        if let Some(at) = &event.downloaded_at {
            steps.push((millis(at)?, 2, Step::Fetches(event.event_id.clone())));
        }
        steps.push((millis(&event.occurred_at)?, 3, Step::Uses(Box::new(event))));
    }
    steps.sort_by_key(|(at, order, _)| (*at, *order));
    Ok(steps.into_iter().map(|(at, _, step)| (at, step)).collect())
}

/// Of the account's class of addresses.
fn email(account: &AccountRow) -> String {
    let domain = match account.email_class.as_str() {
        "freemail" => "gmail.com",
        "relay" => "duck.com",
        "disposable" => "mailinator.com",
        _ => "company.example",
    };
    format!("{}@{domain}", account.account_id)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn at_share(sorted: &[f64], share: f64) -> f64 {
    sorted.get((share * sorted.len() as f64) as usize).copied().unwrap_or(0.0)
}
