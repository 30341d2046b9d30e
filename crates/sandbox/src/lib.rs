//! A gateway without a network: the part of Stripe's API that we call, with hosted pages, signed webhooks
//! and a clock. The same client and the same adapter that talk to Stripe talk to it.
//!
//! It never moves money and refuses live keys. Its objects live in the database, so a restart keeps them.
//! What it does not know: our credits, customers, purchases; it is a stranger that happens to live in the
//! same process and is only spoken to over HTTP.

// Stripe's objects have more members than the macro's default depth allows.
#![recursion_limit = "256"]

mod admin;
mod api;
mod cards;
mod deliver;
mod error;
mod expand;
mod form;
mod ids;
mod knobs;
mod lists;
mod money;
mod objects;
mod pages;
mod params;
mod pay;
mod render;
mod sign;
mod sweep;
mod work;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post};
use kernel::Clock;
use store::{Store, StoreError};
use tokio::sync::Notify;

pub use error::SandboxError;
pub use knobs::Knobs;
pub use sign::sign;

/// Where the router is nested: links in objects and pages begin with it.
pub const MOUNT: &str = "/sandbox";
/// The version of Stripe's API that objects are written in.
pub const API_VERSION: &str = "2026-09-30.endive";

/// Requests are forms of a few fields.
const BODY_MAX_BYTES: usize = 256 * 1024;

#[derive(Clone, Debug, Default)]
pub struct SandboxConfig {
    /// The one test key that is let in; `None`: any `sk_test_…`.
    pub secret_key: Option<String>,
    /// Scheme and authority of links to hosted pages, such as `http://127.0.0.1:8080`; `None`: as each
    /// request names this server.
    pub public_origin: Option<String>,
}

/// The gateway stand-in. Clones share everything.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    config: SandboxConfig,
    knobs: Mutex<Knobs>,
    /// One change at a time, on every database.
    turn: tokio::sync::Mutex<()>,
    /// Rung when a delivery may have become due.
    bell: Notify,
    http: deliver::Http,
}

impl Sandbox {
    pub fn new(store: Store, clock: Clock, config: SandboxConfig) -> Sandbox {
        Sandbox(Arc::new(Inner {
            store,
            clock,
            config,
            knobs: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            bell: Notify::new(),
            http: deliver::http(),
        }))
    }

    pub fn knobs(&self) -> Knobs {
        self.0.knobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_knobs(&self, knobs: Knobs) {
        *self.0.knobs.lock().unwrap_or_else(PoisonError::into_inner) = knobs;
        self.0.bell.notify_one();
    }

    /// Makes sure that `url` (loopback http) receives events signed with `secret`. Known by its URL: a
    /// second call replaces the secret.
    pub async fn send_events_to(&self, url: &str, secret: &str) -> Result<(), SandboxError> {
        objects::endpoint::ensure(self, url, secret).await
    }

    /// Delivers webhooks and lets checkouts expire until `stop` resolves.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        sweep::run(self, stop).await;
    }

    /// One round of [`Sandbox::run`]: what is due by the clock, now. Answers how many deliveries were
    /// attempted; for tests that leave nothing to time.
    pub async fn deliver_due(&self) -> Result<usize, StoreError> {
        sweep::round(self).await
    }
}

/// All routes, to be nested under [`MOUNT`].
pub fn router(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/v1/{*path}", any(api::call))
        .route("/pay/{session}", get(pages::show).post(pages::submit))
        .route("/pay/{session}/authenticate", get(pages::challenge).post(pages::authenticate))
        .route("/sandbox.css", get(pages::style))
        .route("/_knobs", get(admin::knobs).post(admin::set_knobs))
        .route("/_clock", post(admin::advance))
        .route("/_disputes", post(admin::open_dispute))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(sandbox)
}
