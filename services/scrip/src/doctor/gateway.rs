//! Whether customers could pay: the gateway's keys, one harmless question to it, its webhook.

use std::time::Duration;

use gateways::stripe::{Retries, Stripe, StripeSettings};
use gateways::{Gateway, GatewayError, Secret};
use kernel::Clock;
use store::Store;
use store::cold::sandbox_objects::{self, Page};

use super::Findings;
use crate::commands::chain;
use crate::settings::Settings;

/// What is asked for; the answer is small whatever the shop sells.
const REACH_SECONDS: i64 = 60;
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const KEY_VARIABLE: &str = "SCRIP_STRIPE_SECRET_KEY";
const SECRET_VARIABLE: &str = "SCRIP_STRIPE_WEBHOOK_SECRET";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Test,
    Live,
}

pub async fn check(
    settings: &Settings,
    store: Option<&Store>,
    findings: &mut Findings,
) -> Result<(), String> {
    let Some(key) = settings.stripe_secret_key() else { return without_key(settings, store, findings).await };
    let Some(mode) = mode_of(&key, findings) else { return Ok(()) };
    check_secrets(settings, findings);
    ask(settings, key, findings).await;
    if mode == Mode::Live && !settings.public_url(settings.listen).starts_with("https://") {
        findings.fail(
            "live payments, and the pages have no https address",
            "Set SCRIP_PUBLIC_URL to the https:// address that customers see; Stripe sends them back there.",
        );
    }
    Ok(())
}

async fn without_key(
    settings: &Settings,
    store: Option<&Store>,
    findings: &mut Findings,
) -> Result<(), String> {
    if settings.starts_sandbox() {
        findings.ok("payments: no key of Stripe, so the sandbox takes play money");
        return Ok(());
    }
    if settings.is_local()? && has_sandbox(store).await? {
        findings.note("payments: no key of Stripe; scrip serve --sandbox takes play money, as it did before");
        return Ok(());
    }
    findings.fail(
        "payments: no gateway",
        &format!(
            "Set {KEY_VARIABLE} and {SECRET_VARIABLE}. Play money on this database: scrip serve --sandbox"
        ),
    );
    Ok(())
}

/// Whether some process has served play money on this database.
async fn has_sandbox(store: Option<&Store>) -> Result<bool, String> {
    let Some(store) = store else { return Ok(false) };
    let one = Page { limit: 1, ..Page::default() };
    let found = sandbox_objects::page(store.reader(), "webhook_endpoint", &one).await;
    Ok(!found.map_err(|e| chain(&e))?.is_empty())
}

fn mode_of(key: &str, findings: &mut Findings) -> Option<Mode> {
    let has = |prefixes: [&str; 2]| prefixes.iter().any(|prefix| key.starts_with(prefix));
    if has(["sk_test_", "rk_test_"]) {
        findings.ok("payments: Stripe with a test key; no real money moves");
        return Some(Mode::Test);
    }
    if has(["sk_live_", "rk_live_"]) {
        findings.ok("payments: Stripe with a live key");
        return Some(Mode::Live);
    }
    let what = if key.starts_with("pk_") { "a publishable key" } else { "no key of Stripe's" };
    findings.fail(
        &format!("{KEY_VARIABLE} is {what}"),
        "It must begin with sk_live_ or sk_test_; find it in Stripe's Dashboard under Developers, API keys.",
    );
    None
}

fn check_secrets(settings: &Settings, findings: &mut Findings) {
    let secrets = settings.stripe_webhook_secrets();
    let endpoint = format!("{}/webhooks/stripe", settings.public_url(settings.listen));
    if secrets.is_empty() {
        findings.fail(
            &format!("{SECRET_VARIABLE} is missing: every event of Stripe would be refused"),
            &format!(
                "Add the endpoint {endpoint} in Stripe's Dashboard under Developers, Webhooks, and copy its \
                 signing secret."
            ),
        );
    } else if secrets.iter().any(|secret| !secret.starts_with("whsec_")) {
        findings.fail(
            &format!("{SECRET_VARIABLE} is not a signing secret"),
            "It begins with whsec_; while it is rotated, write the new and the old one with a comma between.",
        );
    } else {
        findings.ok(&format!("Stripe's events are verified; its endpoint is {endpoint}"));
    }
}

/// Reads what the reconciler reads, so a restricted key that may not is noticed here.
async fn ask(settings: &Settings, key: String, findings: &mut Findings) {
    let mut stripe = StripeSettings::new(Secret::new(key), Vec::new());
    stripe.api_base = settings.stripe_api_base();
    stripe.attempt_timeout = ANSWERS_WITHIN;
    stripe.retries = Retries { attempts: 1, ..Retries::default() };
    let since = Clock::System.now().plus_seconds(-REACH_SECONDS);
    let asked = async {
        let stripe = Stripe::new(stripe)?;
        stripe.recent_checkouts(since).await?;
        stripe.recent_returns(since).await
    };
    match asked.await {
        Ok(_) => {
            findings.ok("Stripe answers, and the key may read checkouts and events");
            findings.note(
                "Scrip retries failed payments by its own plan: turn Stripe's automatic retries off in its \
                 Dashboard under Billing, Revenue recovery, Retries",
            );
        }
        Err(error) => findings.fail(&format!("Stripe: {error}"), advice(&error)),
    }
}

fn advice(error: &GatewayError) -> &'static str {
    match error {
        GatewayError::Denied { status: 401, .. } => {
            "The key is wrong, was rolled, or belongs to another account: copy it anew from Stripe's Dashboard."
        }
        GatewayError::Denied { .. } | GatewayError::Refused { .. } | GatewayError::NotFound { .. } => {
            "A restricted key needs: Checkout Sessions, PaymentIntents, Refunds (write), Charges, Disputes, \
             Events (read)."
        }
        GatewayError::Unavailable { .. } => {
            "Can this machine reach api.stripe.com? SCRIP_STRIPE_API_BASE must be empty for Stripe itself."
        }
        GatewayError::Unexpected { .. } | GatewayError::Settings { .. } => {
            "Is SCRIP_STRIPE_API_BASE right? It is empty for Stripe itself."
        }
    }
}
