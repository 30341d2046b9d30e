//! Buying credits. The gateway's page takes the money; nothing is granted before its verified event.

use app::payments::{self, Buying, CheckoutState, WorkState};
use app::{PageRequest, Principal};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::{Credits, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, PackQuantity, PositiveCredits, SignedCredits};
use crate::answer::{Answer, created, ok};
use crate::body::{BODY_MAX_BYTES, Changing, Input, Moving, Nothing, OptionalKey, RequiredKey, read_bytes};
use crate::caller::Caller;
use crate::list::{Limit, List, page};
use crate::money::Money;
use crate::path::Id;
use crate::problem::{self, Problem};
use crate::query::{NoQuery, Strict, parsed};
use crate::text::{self, CustomerRef, EventId, PackId, WebAddress, one_of};

const SIGNATURE: &str = "stripe-signature";

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(get))
        .routes(routes!(events))
        .routes(routes!(replay))
        .routes(routes!(webhook))
}

/// A purchase to be: a pack, or a custom amount of credits at the volume price.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"customer": "demo", "pack": "pack_500",
    "success_url": "https://example.com/thanks", "cancel_url": "https://example.com/prices"}))]
pub struct NewCheckout {
    customer: CustomerRef,
    pack: Option<PackId>,
    /// 1 when absent.
    quantity: Option<PackQuantity>,
    credits: Option<PositiveCredits>,
    /// Where the browser goes after payment. It proves nothing: wait for the credits.
    success_url: WebAddress,
    /// Where the browser goes when the customer turns back.
    cancel_url: WebAddress,
}

/// A purchase on its way through the gateway's page.
#[derive(Serialize, ToSchema)]
pub struct Checkout {
    #[schema(value_type = text::CheckoutId)]
    id: kernel::CheckoutId,
    /// The page where the customer pays.
    url: Option<String>,
    #[schema(schema_with = checkout_state)]
    state: &'static str,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    /// Null for a custom amount.
    pack: Option<String>,
    #[schema(minimum = 1)]
    quantity: u32,
    #[schema(value_type = SignedCredits)]
    credits: Credits,
    #[schema(value_type = Money)]
    amount: kernel::Money,
    /// The credits, once they are in the wallet.
    #[schema(value_type = Option<text::GrantId>)]
    grant: Option<kernel::GrantId>,
    /// Money given back, or held back by the bank while it decides a dispute. Its share of the credits is
    /// taken back with it.
    #[schema(value_type = Money)]
    returned: kernel::Money,
    /// The bank holds money back at this moment, or has taken it for good.
    is_disputed: bool,
    /// Why the money did not come.
    error: Option<String>,
    /// The gateway's id of the payment.
    payment: Option<String>,
    #[schema(value_type = Instant)]
    created_at: Timestamp,
    /// When it was paid, failed or expired.
    #[schema(value_type = Option<Instant>)]
    settled_at: Option<Timestamp>,
}

/// An event as Stripe writes it, in the API version of its endpoint. Members that are missing or unknown are
/// no error: the body is kept as it came, and what it is about is read again from Stripe.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents what `webhook` receives")]
#[schema(example = json!({"id": "evt_1", "type": "checkout.session.completed", "data": {"object": {"id": "cs_1"}}}))]
pub struct StripeEvent {
    /// Stripe's id of the event; it is stored once.
    id: Option<String>,
    /// Such as `checkout.session.completed`.
    #[serde(rename = "type")]
    kind: Option<String>,
    data: Option<serde_json::Value>,
}

/// The header that proves where an event comes from.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documents what `webhook` reads")]
struct StripeSignature {
    /// `t=` the time of signing in seconds, `v1=` HMAC-SHA256 of time, dot and body under the endpoint's
    /// signing secret; several `v1` while a secret is rotated. At most 300 seconds old.
    #[param(rename = "Stripe-Signature", example = "t=1767225600,v1=5257a869e7ec")]
    signature: String,
}

/// A verified event of a gateway and what came of it.
#[derive(Serialize, ToSchema)]
pub struct GatewayEvent {
    /// The gateway's own id.
    id: String,
    gateway: String,
    /// Such as `checkout.session.completed`.
    kind: String,
    #[schema(schema_with = work_state)]
    state: &'static str,
    /// How often it was worked on.
    attempts: u32,
    /// What came of it, in a sentence.
    effect: Option<String>,
    error: Option<String>,
    /// The gateway's id of what is read again because of it.
    subject: Option<String>,
    api_version: Option<String>,
    livemode: bool,
    /// How often it arrived; 0 when Scrip fetched what never came.
    deliveries: u32,
    /// When the gateway made it.
    #[schema(value_type = Option<Instant>)]
    created_at: Option<Timestamp>,
    #[schema(value_type = Instant)]
    received_at: Timestamp,
    #[schema(value_type = Option<Instant>)]
    next_attempt_at: Option<Timestamp>,
}

/// Filters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only the event with this id, if there is one.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false)]
    id: Option<String>,
    /// Only events in this state.
    #[serde(default, deserialize_with = "parsed")]
    #[param(schema_with = work_state, required = false, nullable = false)]
    state: Option<StateName>,
    /// How many items, 20 when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100, required = false, nullable = false)]
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false)]
    cursor: Option<String>,
}

/// A state as a parameter.
struct StateName(WorkState);

impl std::str::FromStr for StateName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<StateName, &'static str> {
        text.parse().map(StateName).map_err(|()| "must be waiting, done, ignored or failed")
    }
}

/// Open a checkout
///
/// Answers the page where the customer pays. Credits follow when the gateway has confirmed the payment, not
/// when the browser comes back.
#[utoipa::path(post, path = "/v1/checkouts", tag = "Payments", operation_id = "create_checkout",
    params(RequiredKey), request_body = NewCheckout,
    responses((status = 201, description = "The checkout.", body = Checkout),
        (status = 409, description = "in_progress")))]
async fn create(caller: Caller, State(api): State<Api>, sent: Moving<NewCheckout>) -> Answer {
    let new = sent.body.wanted()?;
    created::<_, Checkout>(payments::create(&api.app, &caller.0, new, &sent.key).await?)
}

/// Get a checkout
///
/// Where the purchase is, and the credits once they are in the wallet.
#[utoipa::path(get, path = "/v1/checkouts/{id}", tag = "Payments", operation_id = "get_checkout",
    params(("id" = text::CheckoutId, Path, description = "The checkout's `id`.")),
    responses((status = 200, description = "The checkout.", body = Checkout)))]
async fn get(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<kernel::CheckoutId>,
    _: Strict<NoQuery>,
) -> Answer {
    ok(Checkout::from(payments::get(&api.app, &caller.0, id).await?))
}

/// List the gateway's events
///
/// Last arrived first: what it was, where it is in our work, what came of it.
#[utoipa::path(get, path = "/v1/gateway-events", tag = "Payments", operation_id = "list_gateway_events",
    params(Filter), responses((status = 200, description = "A page of events.", body = List<GatewayEvent>)))]
async fn events(caller: Caller, State(api): State<Api>, Strict(filter): Strict<Filter>) -> Answer {
    let page = page(filter.limit, filter.cursor);
    let found = match filter.id {
        Some(id) => one(&api, &caller.0, &id, &page).await?,
        None => payments::events(&api.app, &caller.0, filter.state.map(|s| s.0), &page).await?,
    };
    ok(List::<GatewayEvent>::of(found))
}

async fn one(
    api: &Api,
    by: &Principal,
    id: &str,
    _: &PageRequest,
) -> Result<app::Page<payments::GatewayEvent>, Problem> {
    let data = match payments::event(&api.app, by, id).await {
        Ok(event) => vec![event],
        Err(app::AppError::NotFound { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(app::Page { data, next_cursor: None })
}

/// Work an event off again
///
/// For one that has failed, or whose effect is in doubt. What it did before is not done twice. One that
/// waits already, or is of a kind that moves no credits, is refused as `wrong_state`.
#[utoipa::path(post, path = "/v1/gateway-events/{id}/replay", tag = "Payments",
    operation_id = "replay_gateway_event",
    params(("id" = String, Path, description = "The event's `id`."), OptionalKey),
    responses((status = 200, description = "The event, waiting.", body = GatewayEvent)))]
async fn replay(caller: Caller, State(api): State<Api>, Id(id): Id<EventId>, _: Changing<Nothing>) -> Answer {
    ok(GatewayEvent::from(payments::replay(&api.app, &caller.0, &id.0).await?))
}

/// Receive an event of Stripe
///
/// Where Stripe's webhook endpoint points to; nobody else calls it. It takes no API key: the signature in
/// `Stripe-Signature` is over the raw body, byte for byte. 200 means that the event is stored; what it
/// causes shows among the gateway's events. Anything else means: send it again.
#[utoipa::path(post, path = "/webhooks/stripe", tag = "Payments", operation_id = "receive_stripe_event",
    security(()), params(StripeSignature),
    request_body(content = StripeEvent, content_type = "application/json"),
    responses((status = 200, description = "The event is stored, or was before.")))]
async fn webhook(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let signature = parts.headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let signature = signature
        .ok_or_else(|| Problem::new(problem::BAD_SIGNATURE, "There is no readable Stripe-Signature header."))?
        .to_owned();
    let payload = read_bytes(&parts, body, BODY_MAX_BYTES).await?;
    payments::receive(&api.app, &payload, &signature).await?;
    Ok(StatusCode::OK.into_response())
}

impl Input for NewCheckout {}

impl NewCheckout {
    fn wanted(self) -> Result<payments::NewCheckout, Problem> {
        let buying = match (self.pack, self.credits, self.quantity) {
            (Some(pack), None, quantity) => {
                let quantity = quantity.map_or(1, |q| u32::try_from(q.0).unwrap_or(u32::MAX));
                Buying::Pack { id: pack.0, quantity }
            }
            (None, Some(credits), None) => Buying::Credits(credits.0),
            (None, Some(_), Some(_)) => {
                return Err(Problem::field("quantity", "counts packs; credits need none"));
            }
            _ => return Err(Problem::field("", "the body must have exactly one of: pack, credits")),
        };
        Ok(payments::NewCheckout {
            customer: self.customer.named(),
            buying,
            success_url: self.success_url.0,
            cancel_url: self.cancel_url.0,
        })
    }
}

impl From<payments::Checkout> for Checkout {
    fn from(checkout: payments::Checkout) -> Checkout {
        Checkout {
            id: checkout.id,
            url: checkout.url,
            state: checkout.state.as_str(),
            customer: checkout.customer,
            pack: checkout.pack,
            quantity: checkout.quantity,
            credits: checkout.credits,
            amount: checkout.amount,
            grant: checkout.grant,
            returned: kernel::Money { amount: checkout.returned_minor, ..checkout.amount },
            is_disputed: checkout.is_disputed,
            error: checkout.error,
            payment: checkout.payment,
            created_at: checkout.created_at,
            settled_at: checkout.settled_at,
        }
    }
}

impl From<payments::GatewayEvent> for GatewayEvent {
    fn from(event: payments::GatewayEvent) -> GatewayEvent {
        GatewayEvent {
            id: event.id,
            gateway: event.gateway,
            kind: event.kind,
            state: event.state.as_str(),
            attempts: event.attempts,
            effect: event.effect,
            error: event.error,
            subject: event.subject,
            api_version: event.api_version,
            livemode: event.livemode,
            deliveries: event.deliveries,
            created_at: event.created_at,
            received_at: event.received_at,
            next_attempt_at: event.next_attempt_at,
        }
    }
}

fn checkout_state() -> Schema {
    one_of("Where the purchase is.", CheckoutState::ALL.iter().map(|state| state.as_str()))
}

fn work_state() -> Schema {
    one_of(
        "Where it is in our work; failed waits for a person.",
        WorkState::ALL.iter().map(|state| state.as_str()),
    )
}
