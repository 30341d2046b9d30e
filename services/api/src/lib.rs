//! The JSON API: extract, one use case, render. Every error is a problem document, every route stands in
//! the OpenAPI document that is made from this code.

mod admission;
mod amount;
mod answer;
mod batches;
mod body;
mod caller;
mod catalogue;
mod choices;
mod customers;
mod docs;
mod document;
mod events;
mod example;
mod grants;
mod health;
mod hold;
mod holds;
mod json;
mod keys;
mod list;
pub mod metrics;
mod money;
mod observe;
mod pages;
mod path;
mod payments;
mod postings;
mod problem;
mod query;
mod quotes;
mod rate_cards;
mod receipt;
mod receipts;
mod refused;
mod restrictions;
mod risk;
mod risk_rules;
mod text;
mod usage;
mod used;
mod wallets;
mod work;

#[cfg(test)]
mod tests;

use app::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

pub use observe::X_REQUEST_ID;

/// What every handler can reach.
#[derive(Clone)]
struct Api {
    app: App,
    links: problem::Links,
}

/// What one process serves of this API; health and documentation are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Everything but payments.
    pub credits: bool,
    /// Checkouts, and what gateways tell.
    pub payments: bool,
}

/// All routes of this service. `buy_url` is where a customer who lacks credits is sent (402).
pub fn router(app: App, buy_url: &str) -> Router {
    router_of(app, buy_url, Parts { credits: true, payments: true })
}

pub fn router_of(app: App, buy_url: &str, parts: Parts) -> Router {
    metrics::install();
    let mut served = OpenApiRouter::with_openapi(document::empty());
    if parts.credits {
        served = served.merge(credit_routes());
    }
    if parts.payments {
        served = served.merge(payments::routes());
    }
    let openapi = routes().to_openapi();
    let health = Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::render));
    let appeal = app.config().portal_page("on-hold").into();
    let links = problem::Links { buy: buy_url.into(), appeal };
    let api = Api { app, links: links.clone() };
    let places = admission::Places::default();
    let served = Router::from(served)
        .layer(from_fn_with_state(places, admission::admit))
        .merge(health)
        .with_state(api)
        .merge(pages::routes(&openapi));
    observed(served, links)
}

/// The OpenAPI document as JSON.
pub fn openapi() -> serde_json::Value {
    document::complete(routes().get_openapi())
}

fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(document::empty()).merge(credit_routes()).merge(payments::routes())
}

fn credit_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(customers::routes())
        .merge(postings::routes())
        .merge(grants::routes())
        .merge(quotes::routes())
        .merge(holds::routes())
        .merge(usage::routes())
        .merge(used::routes())
        .merge(receipts::routes())
        .merge(catalogue::routes())
        .merge(rate_cards::routes())
        .merge(keys::routes())
        .merge(risk::routes())
        .merge(risk_rules::routes())
}

/// Around everything, unknown paths included.
fn observed(routes: Router, links: problem::Links) -> Router {
    let unknown = || async { problem::Problem::not_found() };
    routes.fallback(unknown).layer(from_fn_with_state(links, observe::observe))
}
