use app::receipts;
use axum::extract::State;
use kernel::{ReceiptId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::Instant;
use crate::answer::{Answer, created, ok};
use crate::body::{Changing, Moving, Nothing, OptionalKey, RequiredKey};
use crate::caller::Caller;
use crate::path::Id;
use crate::query::{NoQuery, Strict};
use crate::text;

pub use crate::receipt::Receipt;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(reverse)).routes(routes!(deliver))
}

/// That the output behind a receipt was fetched.
#[derive(Serialize, ToSchema)]
pub struct Delivery {
    #[schema(value_type = text::ReceiptId)]
    receipt: ReceiptId,
    /// The first time counts.
    #[schema(value_type = Instant)]
    delivered_at: Timestamp,
}

/// Get a receipt
///
/// With its formula, and whether it was reversed since.
#[utoipa::path(get, path = "/v1/receipts/{id}", tag = "Receipts", operation_id = "get_receipt",
    params(("id" = text::ReceiptId, Path, description = "The receipt's `id`.")),
    responses((status = 200, description = "The receipt.", body = Receipt)))]
async fn get(caller: Caller, State(api): State<Api>, Id(id): Id<ReceiptId>, _: Strict<NoQuery>) -> Answer {
    ok(Receipt::from(receipts::get(&api.app, &caller.0, id).await?))
}

/// Reverse a receipt
///
/// Undoes a charge, once: the credits go back to their very lots, debt shrinks.
#[utoipa::path(post, path = "/v1/receipts/{id}/reverse", tag = "Receipts", operation_id = "reverse_receipt",
    params(("id" = text::ReceiptId, Path, description = "The receipt's `id`."), RequiredKey),
    responses((status = 201, description = "The receipt of the reversal.", body = Receipt)))]
async fn reverse(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<ReceiptId>,
    sent: Moving<Nothing>,
) -> Answer {
    created::<_, Receipt>(receipts::reverse(&api.app, &caller.0, id, &sent.key).await?)
}

/// Record a delivery
///
/// Says that the output was fetched. Saying it again answers the first time.
#[utoipa::path(post, path = "/v1/receipts/{id}/deliveries", tag = "Receipts", operation_id = "deliver_receipt",
    params(("id" = text::ReceiptId, Path, description = "The receipt's `id`."), OptionalKey),
    responses((status = 201, description = "The delivery.", body = Delivery)))]
async fn deliver(
    caller: Caller,
    State(api): State<Api>,
    Id(id): Id<ReceiptId>,
    sent: Changing<Nothing>,
) -> Answer {
    created::<_, Delivery>(receipts::deliver(&api.app, &caller.0, id, sent.key.as_ref()).await?)
}

impl From<receipts::Delivery> for Delivery {
    fn from(delivery: receipts::Delivery) -> Delivery {
        Delivery { receipt: delivery.receipt, delivered_at: delivery.delivered_at }
    }
}
