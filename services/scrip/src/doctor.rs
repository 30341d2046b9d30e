//! `scrip doctor`: one line a check, and what to do about what is wrong.

mod gateway;

use std::process::ExitCode;

use app::risk::pulse::{Pulse, pulse};
use kernel::Clock;
use store::{Store, health, lanes};

use crate::commands::{chain, missing_file, open_existing, out};
use crate::settings::Settings;

/// A clock further from the journal's last entry than this is wrong, or was.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

struct Findings {
    failed: u32,
}

impl Findings {
    fn ok(&self, what: &str) {
        out!("ok    {what}");
    }

    /// Something that Scrip cannot see and the operator should know.
    fn note(&self, what: &str) {
        out!("note  {what}");
    }

    fn fail(&mut self, what: &str, advice: &str) {
        self.failed += 1;
        out!("FAIL  {what}\n      {advice}");
    }
}

pub async fn doctor(settings: &Settings) -> Result<ExitCode, String> {
    let mut findings = Findings { failed: 0 };
    findings.ok("settings are readable");
    let store = match missing_file(settings) {
        Some(path) => {
            findings.note(&format!("no database yet; the first start (scrip serve) makes it at {path}"));
            None
        }
        None => match open_existing(settings).await {
            Ok(store) => {
                check_store(&store, &mut findings).await?;
                Some(store)
            }
            Err(error) => {
                findings.fail(&error, "Is the database running, and SCRIP_DATABASE_URL right?");
                None
            }
        },
    };
    match std::net::TcpListener::bind(settings.listen) {
        Ok(_) => findings.ok(&format!("{} is free to listen on", settings.listen)),
        Err(_) if answers_as_scrip(settings).await => {
            findings.ok(&format!("a running Scrip listens on {}", settings.listen));
        }
        Err(e) => findings.fail(
            &format!("{}: {e}", settings.listen),
            "Another program listens there, or the address is not this machine's. Choose another: SCRIP_LISTEN",
        ),
    }
    gateway::check(settings, store.as_ref(), &mut findings).await?;
    out!("{} to look at", findings.failed);
    Ok(if findings.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn answers_as_scrip(settings: &Settings) -> bool {
    let Ok(client) = client::Client::new(&format!("http://{}", settings.listen), "none") else {
        return false;
    };
    client
        .get("/livez")
        .await
        .is_ok_and(|reply| reply.status == 200 && reply.headers.contains_key("x-request-id"))
}

async fn check_store(store: &Store, findings: &mut Findings) -> Result<(), String> {
    let version = health::version(store).await.map_err(|e| chain(&e))?;
    findings.ok(&format!("database answers: {version}"));
    match health::durability(store).await.map_err(|e| chain(&e))? {
        Ok(how) => findings.ok(&format!("commits are durable: {how}")),
        Err(why) => findings.fail(
            &format!("commits are not durable: {why}"),
            "An acknowledged charge could be lost at a power cut. Turn it back on in the server's settings.",
        ),
    }
    let pending = migrations::pending(store).await.map_err(|e| chain(&e))?;
    if !pending.is_empty() {
        findings.fail(&format!("migrations are missing: {}", pending.join(", ")), "Run: scrip migrate");
        return Ok(());
    }
    findings.ok("every migration is applied");
    let map = lanes::read_map(store).await.map_err(|e| chain(&e))?;
    let buckets = map.of_bucket.len();
    if buckets == usize::from(kernel::BUCKETS.unsigned_abs()) {
        findings.ok(&format!("{} lane(s) write all {buckets} buckets", map.lanes.len()));
    } else {
        findings.fail(&format!("only {buckets} buckets have a lane"), "Run: scrip migrate");
    }
    check_watch(store, findings).await?;
    if let Some(last) = health::last_recorded(store).await.map_err(|e| chain(&e))?
        && last > Clock::System.now().plus_seconds(CLOCK_TOLERANCE_SECONDS)
    {
        findings.fail(
            &format!("the journal's last entry is of {last}, which is in this machine's future"),
            "Set the machine's clock; until then new entries are dated at that instant.",
        );
    } else {
        findings.ok("the clock agrees with the journal");
    }
    Ok(())
}

/// Requests go through when nobody watches for abuse, so somebody must say so.
async fn check_watch(store: &Store, findings: &mut Findings) -> Result<(), String> {
    match pulse(store, Clock::System.now()).await.map_err(|e| chain(&e))? {
        Pulse::Never => findings.note("nobody has watched for abuse yet: start the service fraud"),
        Pulse::Watching { watermark, wallets } => {
            findings.ok(&format!("{wallets} wallets are watched for abuse, up to {watermark}"));
        }
        Pulse::Still { since, error } => findings.fail(
            &format!("nobody watches for abuse since {since}; {}", error.unwrap_or_default()),
            "Requests go through unjudged. Start the service fraud, or look for \"risk watch\" in its log.",
        ),
    }
    Ok(())
}
