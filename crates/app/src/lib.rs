//! Use cases: load → decide → apply. One module per noun, one public function per use case.
//!
//! Every function takes the [`App`] and the [`Principal`] first and typed commands after; parsing JSON
//! and rendering answers are the services' part. Credits move only in the engine; cold rows are written
//! in one transaction here, together with the idempotency row of the call that asked for them.

mod about;
pub mod accounts;
mod aside;
pub mod audit;
mod cache;
mod calls;
pub mod catalogue;
mod charge;
mod cold;
pub mod corrections;
mod crowd;
pub mod customers;
pub mod demo;
mod error;
pub mod events;
pub mod grants;
pub mod history;
pub mod holds;
pub mod keys;
pub mod mails;
pub mod notices;
mod outages;
pub mod overview;
pub mod pace;
pub mod payments;
pub mod postings;
pub mod prices;
mod pricing;
mod principal;
pub mod prints;
pub mod problems;
pub mod queues;
pub mod quotes;
pub mod receipts;
pub mod restrictions;
pub mod retention;
pub mod risk;
pub mod search;
mod secret;
pub mod statements;
mod submit;
mod text;
mod turns;
pub mod unpaid;
pub mod usage;
pub mod verification;
pub mod wallets;
pub mod work;

use std::sync::Arc;

use engine::Engine;
use kernel::{Clock, HoldId, Timestamp};
use metering::Mapping;
use store::Store;

pub use about::{EventIdentity, RateCardRef};
pub use calls::{Done, Keyed, Page, PageRequest};
pub use customers::CustomerRef;
pub use error::{AppError, FieldError};
pub use pricing::{Context, Priced, Work};
pub use principal::{Principal, Scope};

/// Everything a use case needs; cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
pub struct AppConfig {
    /// How CloudEvents become a feature, a model and quantities.
    pub mappings: Vec<Mapping>,
    /// `None`: nothing can be bought.
    pub gateway: Option<payments::PaymentGateway>,
    /// Whom mails come from; its name is the product's name in their text.
    pub mail_from: mail::Sender,
    /// Where the pages are reached from outside, such as `https://credits.example.com`; for links in mails.
    pub public_url: String,
    /// The same for the console, which may have an address of its own; without `/console`.
    pub console_url: String,
    /// Journal rows beyond which the older half is sealed.
    pub hot_rows: u64,
    /// Entries of a wallet that one sum of its usage reads.
    pub usage_entries_max: i64,
    /// How long first answers are kept that have no place in the journal;
    /// [`retention::IDEMPOTENCY_DAYS_MIN`] or more.
    pub idempotency_days: i64,
    /// Mails stay in a folder of the machine that shows the pages, and nobody else reaches it: then a page
    /// shows the link that a mail would have brought.
    pub shows_mailed_links: bool,
}

struct Inner {
    store: Store,
    clock: Clock,
    engine: Engine,
    config: AppConfig,
    catalogues: cache::Catalogues,
    directory: cache::Directory,
    keys: cache::Keys,
    holds: cache::Map<HoldId, Arc<holds::Seen>>,
    capture_turns: turns::Turns,
    crowd: Arc<crowd::Crowd>,
    passwords: accounts::Workplaces,
    asked_resets: accounts::Asked,
    sign_ups: accounts::Asked,
    bells: work::Bells,
    risk: risk::Desk,
    print_key: tokio::sync::OnceCell<prints::PrintKey>,
}

impl App {
    /// The database must be migrated.
    pub fn open(store: Store, clock: Clock, engine: Engine, config: AppConfig) -> App {
        let inner = Inner {
            risk: risk::Desk::of(&engine),
            store,
            clock,
            engine,
            config,
            catalogues: cache::Catalogues::default(),
            directory: cache::Directory::default(),
            keys: cache::Keys::default(),
            holds: cache::Map::holding(holds::SEEN_ROOM),
            capture_turns: turns::Turns::default(),
            crowd: Arc::default(),
            passwords: accounts::Workplaces::default(),
            asked_resets: accounts::Asked::default(),
            sign_ups: accounts::Asked::default(),
            bells: work::Bells::default(),
            print_key: tokio::sync::OnceCell::new(),
        };
        App { inner: Arc::new(inner) }
    }

    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Rung when there is work for [`work`].
    pub fn bells(&self) -> &work::Bells {
        &self.inner.bells
    }

    pub fn config(&self) -> &AppConfig {
        &self.inner.config
    }

    /// Fails when the database does not answer or lacks a table that every call needs.
    pub async fn check_ready(&self) -> Result<(), AppError> {
        store::cold::catalogues::last_version(self.store().reader()).await?;
        if self.engine().is_ready().await {
            Ok(())
        } else {
            Err(AppError::Overloaded { retry_after_seconds: 1 })
        }
    }
}

impl AppConfig {
    /// A page of the portal as a link; "" is its first page.
    pub fn portal_page(&self, path: &str) -> String {
        format!("{}/{path}", self.public_url.trim_end_matches('/'))
    }

    /// A page of the console as a link.
    pub fn console_page(&self, path: &str) -> String {
        format!("{}/console/{path}", self.console_url.trim_end_matches('/'))
    }
}

impl Default for AppConfig {
    /// The mappings that ship. Their text is proven by a test, so none is ever lost here.
    fn default() -> AppConfig {
        AppConfig {
            mappings: metering::parse_mappings(metering::DEFAULT_MAPPINGS).unwrap_or_default(),
            gateway: None,
            mail_from: mail::Sender::default(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            console_url: "http://127.0.0.1:8080".to_owned(),
            hot_rows: 1_000_000,
            usage_entries_max: statements::USAGE_ENTRIES_MAX,
            idempotency_days: retention::IDEMPOTENCY_DAYS_MIN,
            shows_mailed_links: false,
        }
    }
}
