//! The watch over abuse: signals in, verdicts out, and people who decide.
//!
//! Every process that serves calls follows the same log of signals in the same order, so that all of them hold
//! the same state ([`follow`]). A verdict is a look into memory. What comes of one is a case, and for the strict
//! ones a restriction, which is the wallet's own state in the journal. Nothing here stands between a call and
//! its answer when it fails: then requests go through and operators are told.

mod act;
mod alerts;
pub mod appeals;
pub mod cases;
mod decisions;
pub mod exceptions;
mod follow;
mod intake;
mod lessons;
mod log;
pub mod models;
pub mod on_hold;
mod origins;
mod policy;
mod precision;
pub mod pulse;
mod rebuild;
mod recover;
mod restrict;
mod rulings;
pub mod score;
pub mod settings;
pub mod shadow;
mod signals;
mod snapshots;
mod standing;
mod training;
mod versions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::risk::watch::Watch;
use engine::Engine;
use kernel::{WalletId, new_uuid};
use uuid::Uuid;

use crate::App;

pub(crate) use self::act::before_work;
pub(crate) use self::alerts::daily;
pub use self::follow::{LAG_SECONDS, Tick, state_of, stop, tick};
pub use self::log::{flush, say};
pub(crate) use self::on_hold::card_confirmed;
pub(crate) use self::origins::{Origin, came, came_from, origin};
pub use self::rebuild::rebuild;
pub(crate) use self::restrict::{RISK_ORDER, carry_out, was_released};
pub(crate) use self::signals::{delivered, joined, paid};
pub(crate) use self::training::nightly;

/// Everything about abuse that lives in this process's memory.
pub(crate) struct Desk {
    /// This process, in the log of signals.
    process: Uuid,
    log: log::Log,
    standings: standing::Standings,
    policy: policy::Cell,
    /// Locked for moments only, never over an await.
    watch: Mutex<Watch>,
    /// Whoever measures hears every score that counts.
    listener: std::sync::OnceLock<Listener>,
    /// One tick at a time; locked over its awaits and by nobody else.
    ticker: tokio::sync::Mutex<follow::Ticker>,
    ends_soon: AtomicBool,
    trouble: pulse::Trouble,
}

/// Takes the wallet, the moment and the score.
type Listener = Box<dyn Fn(WalletId, ::risk::signal::Millis, f64) + Send + Sync>;

/// Hears every score that this process reckons, at the moment of its signal; for measurements. Once a process.
pub fn listen(app: &App, listener: impl Fn(WalletId, ::risk::signal::Millis, f64) + Send + Sync + 'static) {
    let _ = app.inner.risk.listener.set(Box::new(listener));
}

/// Reading the whole journal would hold up the end of this process; whoever starts next reads it.
pub fn end_soon(app: &App) {
    app.inner.risk.ends_soon.store(true, Ordering::Relaxed);
}

impl Desk {
    /// Follows what this process's engine commits.
    pub fn of(engine: &Engine) -> Desk {
        Desk {
            process: new_uuid(),
            log: log::Log::of(engine),
            standings: standing::Standings::default(),
            policy: policy::Cell::default(),
            watch: Mutex::default(),
            listener: std::sync::OnceLock::new(),
            ticker: tokio::sync::Mutex::default(),
            ends_soon: AtomicBool::new(false),
            trouble: pulse::Trouble::default(),
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is thought of the wallet at this moment, from memory. Where a hold was lifted or is over, it is for a person to
/// look at.
pub(crate) fn verdict_of(app: &App, wallet: WalletId, is_held: bool) -> Verdict {
    let desk = &app.inner.risk;
    match intake::standing_now(app, wallet) {
        None => Verdict::Allow,
        Some(_) if desk.policy.get().is_allowed(wallet) => Verdict::Allow,
        Some(standing) if is_held || standing.is_due(app.now()) => standing.verdict,
        Some(standing) => standing.verdict.min(Verdict::Review),
    }
}

pub use ::risk::score::Verdict;

/// As in settings and in the API.
pub(crate) const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Review => "review",
        Verdict::Restrict => "restrict",
        Verdict::Block => "block",
    }
}

pub(crate) fn verdict_named(name: &str) -> Verdict {
    [Verdict::Block, Verdict::Restrict, Verdict::Review]
        .into_iter()
        .find(|verdict| verdict_name(*verdict) == name)
        .unwrap_or(Verdict::Allow)
}
