use app::wallets;
use axum::extract::State;
use kernel::{Credits, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::amount::{Instant, SignedCredits};
use crate::answer::{Answer, ok};
use crate::caller::Caller;
use crate::money::Money;
use crate::path::Id;
use crate::query::{Strict, parsed};
use crate::restrictions::Restriction;
use crate::text::{self, CustomerRef, one_of};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get))
}

/// What a customer holds.
#[derive(Serialize, ToSchema)]
pub struct Wallet {
    #[schema(value_type = text::WalletId)]
    id: kernel::WalletId,
    #[schema(value_type = text::CustomerId)]
    customer: kernel::CustomerId,
    /// What can be spent now.
    #[schema(value_type = SignedCredits)]
    available: Credits,
    /// What open holds have set aside.
    #[schema(value_type = SignedCredits)]
    held: Credits,
    /// What the customer owes; the next grant pays it first.
    #[schema(value_type = SignedCredits)]
    debt: Credits,
    /// In the order in which they pay.
    lots: Vec<Lot>,
    open_holds: usize,
    /// Null for a wallet that takes new work.
    restriction: Option<Restriction>,
    /// The instant that this is true for.
    #[schema(value_type = Instant)]
    as_of: Timestamp,
}

/// What remains of one grant.
#[derive(Serialize, ToSchema)]
pub struct Lot {
    #[schema(value_type = text::GrantId)]
    grant: kernel::GrantId,
    #[schema(schema_with = grant_kind)]
    kind: &'static str,
    /// What can be spent of it.
    #[schema(value_type = SignedCredits)]
    remaining: Credits,
    #[schema(value_type = SignedCredits)]
    held: Credits,
    #[schema(value_type = SignedCredits)]
    granted: Credits,
    priority: i16,
    /// From this instant on the lot is gone; null for never.
    #[schema(value_type = Option<Instant>)]
    expires_at: Option<Timestamp>,
    /// Money paid for all of `granted`; null when nothing was paid.
    #[schema(value_type = Option<Money>)]
    cost_basis: Option<kernel::Money>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Moment {
    /// The wallet as it was known at this instant.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, format = DateTime, required = false, nullable = false)]
    as_of: Option<Timestamp>,
}

/// Get a customer's wallet
///
/// Now, or as it was known at `as_of`: rows recorded until then, with what was due by then.
#[utoipa::path(get, path = "/v1/customers/{id}/wallet", tag = "Customers", operation_id = "get_wallet",
    params(("id" = CustomerRef, Path, description = "The customer's `id` or `external_id`."), Moment),
    responses((status = 200, description = "The wallet.", body = Wallet)))]
async fn get(
    caller: Caller,
    State(api): State<Api>,
    Id(customer): Id<CustomerRef>,
    Strict(moment): Strict<Moment>,
) -> Answer {
    ok(Wallet::from(wallets::view(&api.app, &caller.0, &customer.named(), moment.as_of).await?))
}

impl From<wallets::WalletView> for Wallet {
    fn from(view: wallets::WalletView) -> Wallet {
        Wallet {
            id: view.wallet,
            customer: view.customer,
            available: view.available,
            held: view.held,
            debt: view.debt,
            lots: view.lots.into_iter().map(Lot::from).collect(),
            open_holds: view.open_holds,
            restriction: view.restriction.map(Restriction::from),
            as_of: view.as_of,
        }
    }
}

impl From<wallets::LotView> for Lot {
    fn from(lot: wallets::LotView) -> Lot {
        Lot {
            grant: lot.grant,
            kind: lot.kind.as_str(),
            remaining: lot.remaining,
            held: lot.held,
            granted: lot.granted,
            priority: lot.priority,
            expires_at: lot.expires_at,
            cost_basis: lot.paid,
        }
    }
}

/// The schema of a grant's kind.
pub fn grant_kind() -> Schema {
    one_of("Where the credits came from.", ledger::GrantKind::ALL.iter().map(|kind| kind.as_str()))
}
