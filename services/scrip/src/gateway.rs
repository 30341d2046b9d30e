//! Which gateway customers pay through: Stripe with the operator's key, or the sandbox.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use app::payments::PaymentGateway;
use axum::Router;
use gateways::Secret;
use gateways::stripe::{Stripe, StripeSettings};
use kernel::{Clock, new_uuid};
use sandbox::{Sandbox, SandboxConfig};
use store::Store;

use crate::cli::Serve;
use crate::commands::chain;
use crate::settings::Settings;

/// The key that the sandbox is called with when the operator has none.
const SANDBOX_KEY: &str = "sk_test_sandbox";

pub struct Payments {
    pub gateway: PaymentGateway,
    sandbox: Option<BuiltIn>,
}

/// The sandbox of this process.
struct BuiltIn {
    sandbox: Sandbox,
    config: SandboxConfig,
    webhook_secret: String,
    /// Whether our adapter talks to it, and not to another that the operator named.
    is_called: bool,
}

/// Refuses to start where nobody could pay, and where play money would be taken for real.
pub async fn payments(
    settings: &Settings,
    options: &Serve,
    address: SocketAddr,
    store: &Store,
) -> Result<Payments, String> {
    let key = settings.stripe_secret_key();
    if !options.sandbox && key.is_none() && !settings.starts_sandbox() {
        return Err(
            "no payment gateway: set SCRIP_STRIPE_SECRET_KEY (and SCRIP_STRIPE_WEBHOOK_SECRET), or start \
            with --sandbox for play money. The sandbox starts by itself only on the embedded database with a \
            loopback listener"
                .to_owned(),
        );
    }
    if !options.sandbox
        && let Some(key) = key
    {
        let mut stripe = StripeSettings::new(Secret::new(key), secrets(settings.stripe_webhook_secrets()));
        stripe.api_base = settings.stripe_api_base();
        return Ok(Payments { gateway: PaymentGateway::new(adapter(stripe)?), sandbox: None });
    }
    with_sandbox(settings, key, address, store).await
}

/// The same adapter that talks to Stripe talks to the sandbox, over HTTP.
async fn with_sandbox(
    settings: &Settings,
    key: Option<String>,
    address: SocketAddr,
    store: &Store,
) -> Result<Payments, String> {
    let key = key.unwrap_or_else(|| SANDBOX_KEY.to_owned());
    if !key.starts_with("sk_test_") {
        return Err("--sandbox takes no live key: unset SCRIP_STRIPE_SECRET_KEY".to_owned());
    }
    let config =
        SandboxConfig { secret_key: Some(key.clone()), public_origin: Some(settings.public_url(address)) };
    let sandbox = Sandbox::new(store.clone(), Clock::System, config.clone());
    let mut known = settings.stripe_webhook_secrets();
    if known.is_empty() {
        known.push(format!("whsec_{}{}", new_uuid().simple(), new_uuid().simple()));
    }
    let own = format!("http://{}", reachable(address));
    let newest = known.first().cloned().unwrap_or_default();
    let wired = sandbox.send_events_to(&format!("{own}/webhooks/stripe"), &newest).await;
    wired.map_err(|e| format!("sandbox: {}", chain(&e)))?;
    let mut stripe = StripeSettings::new(Secret::new(key), secrets(known));
    let named = settings.stripe_api_base();
    let is_called = named.is_none();
    stripe.api_base = Some(named.unwrap_or_else(|| format!("{own}{}/", sandbox::MOUNT)));
    let built_in = BuiltIn { sandbox, config, webhook_secret: newest, is_called };
    Ok(Payments { gateway: PaymentGateway::of_play_money(adapter(stripe)?), sandbox: Some(built_in) })
}

impl Payments {
    pub fn is_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Adds the sandbox's own pages and API, if it is the gateway.
    pub fn mounted(&self, services: Router) -> Router {
        match &self.sandbox {
            Some(own) => services.nest(sandbox::MOUNT, sandbox::router(own.sandbox.clone())),
            None => services,
        }
    }

    /// The sandbox's objects under another clock, and what its events are signed with; `None` when our
    /// adapter talks to somebody else.
    pub fn sandbox_at(&self, store: &Store, clock: &Clock) -> Option<(Sandbox, String)> {
        let own = self.sandbox.as_ref().filter(|own| own.is_called)?;
        let sandbox = Sandbox::new(store.clone(), clock.clone(), own.config.clone());
        Some((sandbox, own.webhook_secret.clone()))
    }

    /// Lets the sandbox deliver its events until `stop`.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        match self.sandbox {
            Some(own) => own.sandbox.run(stop).await,
            None => stop.await,
        }
    }
}

fn adapter(settings: StripeSettings) -> Result<Stripe, String> {
    Stripe::new(settings).map_err(|e| chain(&e))
}

fn secrets(texts: Vec<String>) -> Vec<Secret> {
    texts.into_iter().map(Secret::new).collect()
}

/// An address on which this machine reaches what listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}
