//! Hosted pages: the card form and the bank's question. They work without scripts, and every one of them
//! says that it is a test.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{body::Bytes, http::HeaderName};
use serde_json::Value;

use crate::cards::{Card, CardErrors};
use crate::error::ApiError;
use crate::money::show as money;
use crate::params::Params;
use crate::pay::{self, Next};
use crate::work::Work;
use crate::{MOUNT, Sandbox};

/// No form-action: the success page may be on another origin, and browsers apply it to redirects.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const NAME_MAX_CHARS: usize = 200;

/// One line as printed.
pub(crate) struct Line {
    pub name: String,
    pub quantity: i64,
    pub amount: String,
}

/// What every page prints of a checkout.
pub(crate) struct Sale {
    pub id: String,
    pub mount: &'static str,
    pub lines: Vec<Line>,
    pub total: String,
    pub email: Option<String>,
    pub cancel_url: Option<String>,
}

#[derive(Template)]
#[template(path = "sandbox/checkout.html")]
struct CheckoutPage {
    sale: Sale,
    /// Why the last attempt failed.
    declined: Option<String>,
    errors: CardErrors,
    name: String,
    expiry: String,
}

#[derive(Template)]
#[template(path = "sandbox/authenticate.html")]
struct ChallengePage {
    sale: Sale,
}

#[derive(Template)]
#[template(path = "sandbox/closed.html")]
struct ClosedPage {
    sale: Sale,
    is_paid: bool,
    next_url: Option<String>,
}

#[derive(Template)]
#[template(path = "sandbox/missing.html")]
struct MissingPage {
    sale: Sale,
}

pub(crate) async fn show(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    page_of(form_page(&sandbox, &id, None).await)
}

pub(crate) async fn submit(State(sandbox): State<Sandbox>, Path(id): Path<String>, body: Bytes) -> Response {
    page_of(pay_with_form(&sandbox, &id, &body).await)
}

pub(crate) async fn challenge(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    page_of(challenge_page(&sandbox, &id).await)
}

pub(crate) async fn authenticate(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    page_of(answer_challenge(&sandbox, &id, &body).await)
}

pub(crate) async fn style() -> Response {
    let css = include_str!("../../../web/static/sandbox.css");
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=300")];
    (headers, css).into_response()
}

async fn pay_with_form(sandbox: &Sandbox, id: &str, body: &[u8]) -> Result<Response, ApiError> {
    let form = Params::parse(body)?;
    let text = |name: &str| form.text(name).ok().flatten().unwrap_or_default();
    let name: String = text("/name").chars().take(NAME_MAX_CHARS).collect();
    let work = Work::write(sandbox).await?;
    let card = match Card::read(text("/number"), text("/expiry"), text("/cvc"), work.now) {
        Ok(card) => card,
        Err(errors) => {
            drop(work);
            let typed = Typed { errors, name, expiry: text("/expiry").chars().take(9).collect() };
            return form_page(sandbox, id, Some(typed)).await;
        }
    };
    let next = pay::pay(&work, id, &card, &name).await?;
    finish(work, id, next).await
}

async fn answer_challenge(sandbox: &Sandbox, id: &str, body: &[u8]) -> Result<Response, ApiError> {
    let form = Params::parse(body)?;
    let is_proven = form.need_text("/answer")? == "complete";
    let work = Work::write(sandbox).await?;
    let next = pay::authenticate(&work, id, is_proven).await?;
    finish(work, id, next).await
}

/// Every form ends in a redirect.
async fn finish(work: Work<'_>, id: &str, next: Next) -> Result<Response, ApiError> {
    let to = match next {
        Next::Success => success_url(&work.need("checkout.session", id).await?),
        Next::Challenge => format!("{MOUNT}/pay/{id}/authenticate"),
        Next::Form | Next::Closed => format!("{MOUNT}/pay/{id}"),
    };
    work.commit().await?;
    let location = HeaderValue::try_from(to).map_err(|_| ApiError::invalid("Not a valid URL"))?;
    Ok((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response())
}

/// What was typed wrongly; the card number is not kept.
struct Typed {
    errors: CardErrors,
    name: String,
    expiry: String,
}

async fn form_page(sandbox: &Sandbox, id: &str, typed: Option<Typed>) -> Result<Response, ApiError> {
    let work = Work::read(sandbox).await?;
    let session = work.need("checkout.session", id).await?;
    let is_in_time = session["expires_at"].as_i64().is_some_and(|at| work.unix_now() < at);
    if session["status"] != "open" || !is_in_time {
        return Ok(closed_page(&session));
    }
    let payment = work.find(session["payment_intent"].as_str().unwrap_or_default()).await?;
    let declined = payment.and_then(|p| text(&p["last_payment_error"]["message"]));
    let status = if typed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let declined = declined.filter(|_| typed.is_none());
    let Typed { errors, name, expiry } = typed.unwrap_or_else(|| Typed {
        errors: CardErrors::default(),
        name: String::new(),
        expiry: String::new(),
    });
    Ok(html(status, &CheckoutPage { sale: sale(&session), declined, errors, name, expiry }))
}

async fn challenge_page(sandbox: &Sandbox, id: &str) -> Result<Response, ApiError> {
    let work = Work::read(sandbox).await?;
    let session = work.need("checkout.session", id).await?;
    if session["status"] == "open" && pay::waiting(&work, &session).await?.is_some() {
        return Ok(html(StatusCode::OK, &ChallengePage { sale: sale(&session) }));
    }
    drop(work);
    form_page(sandbox, id, None).await
}

fn closed_page(session: &Value) -> Response {
    let is_paid = session["status"] == "complete";
    let next_url = if is_paid { Some(success_url(session)) } else { text(&session["cancel_url"]) };
    html(StatusCode::OK, &ClosedPage { sale: sale(session), is_paid, next_url })
}

fn success_url(session: &Value) -> String {
    let id = session["id"].as_str().unwrap_or_default();
    session["success_url"].as_str().unwrap_or_default().replace("{CHECKOUT_SESSION_ID}", id)
}

fn sale(session: &Value) -> Sale {
    let currency = session["currency"].as_str().unwrap_or_default();
    let amount = |value: &Value| money(value.as_i64().unwrap_or(0), currency);
    let lines = session["_line_items"].as_array().into_iter().flatten().map(|line| Line {
        name: text(&line["description"]).unwrap_or_default(),
        quantity: line["quantity"].as_i64().unwrap_or(1),
        amount: amount(&line["amount_total"]),
    });
    Sale {
        id: text(&session["id"]).unwrap_or_default(),
        mount: MOUNT,
        lines: lines.collect(),
        total: amount(&session["amount_total"]),
        email: text(&session["customer_email"]),
        cancel_url: text(&session["cancel_url"]),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn page_of(outcome: Result<Response, ApiError>) -> Response {
    outcome.unwrap_or_else(|error| match error.status {
        StatusCode::NOT_FOUND => html(StatusCode::NOT_FOUND, &MissingPage { sale: sale(&Value::Null) }),
        _ => error.into_response(),
    })
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match page.render() {
        Ok(text) => (status, headers, text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the sandbox cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
