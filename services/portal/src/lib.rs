//! Pages for customers: extract, one use case, render or redirect. Everything works without scripts;
//! forms post and then redirect. The public ones (landing, prices, calculator) need no session.

mod activity;
mod balance;
mod buy;
mod calculator;
mod developers;
mod door;
mod frame;
mod on_hold;
mod packs;
mod prices;
mod receipt;
mod returns;
mod rows;
mod settings;
mod sign;
mod words;

#[cfg(test)]
mod samples;

use std::time::Duration;

use app::App;
use app::accounts::Role;
use axum::Router;
use axum::extract::FromRef;
use axum::response::Response;
use axum::routing::{get, post};
use site::{Failure, Site};

/// What a handler answers.
type Answer = Result<Response, Failure>;

const SIGN_IN: &str = "/sign-in";
/// How long the page after a payment waits for the payment's event.
const PAYMENT_WAIT: Duration = Duration::from_secs(4);

/// What every handler can reach.
#[derive(Clone)]
struct Portal {
    site: Site,
    payment_wait: Duration,
}

impl FromRef<Portal> for Site {
    fn from_ref(portal: &Portal) -> Site {
        portal.site.clone()
    }
}

/// All pages. `base_url` is what browsers call this server.
pub fn router(app: App, base_url: &str) -> Router {
    router_that_waits(app, base_url, PAYMENT_WAIT)
}

/// The same, with the time that the page after a payment waits for the payment's event.
pub fn router_that_waits(app: App, base_url: &str, payment_wait: Duration) -> Router {
    let portal = Portal { site: Site::new(app, base_url, Role::Customer, SIGN_IN), payment_wait };
    let pages = Router::new()
        .route("/", get(balance::start))
        .route("/sign-up", get(sign::up_form).post(sign::up))
        .route(SIGN_IN, get(door::sign_in_form).post(door::sign_in))
        .route("/sign-out", post(door::sign_out))
        .route("/verify", get(sign::verify).post(sign::open))
        .route("/forgot", get(door::forgot_form).post(door::forgot))
        .route("/reset", get(door::reset_form).post(door::reset))
        .route("/activity", get(activity::page))
        .route("/activity.csv", get(activity::csv))
        .route("/receipts/{id}", get(receipt::page))
        .route("/receipts/{id}/problem", post(receipt::report))
        .route("/buy", get(buy::page))
        .route("/buy/cancelled", get(returns::cancelled))
        .route("/buy/return/{once}", get(returns::page))
        .route("/checkouts", post(buy::check_out))
        .route("/developers", get(developers::page))
        .route("/developers/keys", post(developers::create))
        .route("/developers/keys/{id}/revocation", post(developers::revoke))
        .route("/settings", get(settings::page))
        .route("/settings/name", post(settings::rename))
        .route("/settings/password", post(settings::change_password))
        .route("/settings/sessions/end-others", post(settings::end_others))
        .route("/settings/sessions/end-all", post(settings::end_all))
        .route("/settings/sessions/{id}/end", post(settings::end))
        .route("/on-hold", get(on_hold::page))
        .route("/on-hold/link", post(on_hold::send_link))
        .route("/on-hold/proof", post(sign::confirm))
        .route("/on-hold/appeal", post(on_hold::appeal))
        .route("/prices", get(prices::page))
        .route("/prices/{feature}/{model}", get(calculator::page));
    site::frame(pages.with_state(portal))
}
