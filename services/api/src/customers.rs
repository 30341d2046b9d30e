use app::customers;
use axum::extract::State;
use kernel::{Currency, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::answer::{Answer, created, ok};
use crate::body::{Changing, Input, OptionalKey};
use crate::caller::Caller;
use crate::list::{Limit, List, page};
use crate::path::Id;
use crate::query::{NoQuery, Strict, parsed};
use crate::text::{self, ContextText, CustomerRef, DisplayName, Email, ExternalId, TimeZone, named, one_of};
use crate::{restrictions, wallets};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .merge(wallets::routes())
        .merge(restrictions::routes())
}

/// A customer to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"external_id": "acme-1", "kind": "individual", "name": "Ada", "email": "ada@example.com"}))]
pub struct NewCustomer {
    external_id: ExternalId,
    #[serde(deserialize_with = "named")]
    #[schema(schema_with = kind)]
    kind: customers::CustomerKind,
    name: DisplayName,
    email: Email,
    /// The currency of everything this customer buys; `usd` when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[a-z]{3}$")]
    currency: Option<Currency>,
    /// `UTC` when absent.
    timezone: Option<TimeZone>,
    /// Helps to recognise farms of trials.
    context: Option<SignUpContext>,
}

/// Where somebody signs up from. Of the address only a keyed hash of its network is kept.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpContext {
    ip: Option<ContextText>,
}

/// A person or an organisation that owns one wallet.
#[derive(Serialize, ToSchema)]
pub struct Customer {
    #[schema(value_type = text::CustomerId)]
    id: kernel::CustomerId,
    external_id: String,
    #[schema(value_type = text::WalletId)]
    wallet: kernel::WalletId,
    #[schema(schema_with = kind)]
    kind: &'static str,
    name: String,
    email: String,
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    currency: Currency,
    timezone: String,
    #[schema(value_type = crate::amount::Instant)]
    created_at: Timestamp,
}

/// Filters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only the customer of this name, if there is one.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false)]
    external_id: Option<String>,
    /// How many items, 20 when absent.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100, required = false, nullable = false)]
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, required = false, nullable = false)]
    cursor: Option<String>,
}

/// Create a customer
///
/// Makes the customer and their empty wallet. Every call that takes a customer takes the `id` or the
/// `external_id`.
#[utoipa::path(post, path = "/v1/customers", tag = "Customers", operation_id = "create_customer",
    params(OptionalKey), request_body = NewCustomer,
    responses((status = 201, description = "The customer.", body = Customer)))]
async fn create(caller: Caller, State(api): State<Api>, sent: Changing<NewCustomer>) -> Answer {
    let done = customers::create(&api.app, &caller.0, sent.body.into(), sent.key.as_ref()).await?;
    created::<_, Customer>(done)
}

/// List customers
///
/// Newest first.
#[utoipa::path(get, path = "/v1/customers", tag = "Customers", operation_id = "list_customers",
    params(Filter), responses((status = 200, description = "A page of customers.", body = List<Customer>)))]
async fn list(caller: Caller, State(api): State<Api>, Strict(filter): Strict<Filter>) -> Answer {
    let page = page(filter.limit, filter.cursor);
    let found = customers::list(&api.app, &caller.0, filter.external_id.as_deref(), &page).await?;
    ok(List::<Customer>::of(found))
}

/// Get a customer
///
/// By our id or by yours.
#[utoipa::path(get, path = "/v1/customers/{id}", tag = "Customers", operation_id = "get_customer",
    params(("id" = CustomerRef, Path, description = "The customer's `id` or `external_id`.")),
    responses((status = 200, description = "The customer.", body = Customer)))]
async fn get(
    caller: Caller,
    State(api): State<Api>,
    Id(customer): Id<CustomerRef>,
    _: Strict<NoQuery>,
) -> Answer {
    ok(Customer::from(customers::get(&api.app, &caller.0, &customer.named()).await?))
}

impl Input for NewCustomer {}

impl From<NewCustomer> for customers::NewCustomer {
    fn from(new: NewCustomer) -> customers::NewCustomer {
        customers::NewCustomer {
            external_id: new.external_id.0,
            kind: new.kind,
            name: new.name.0,
            email: new.email.0,
            currency: new.currency,
            timezone: new.timezone.map(|zone| zone.0),
            from: new.context.and_then(|context| context.ip?.0.parse().ok()),
        }
    }
}

impl From<customers::Customer> for Customer {
    fn from(customer: customers::Customer) -> Customer {
        Customer {
            id: customer.id,
            external_id: customer.external_id,
            wallet: customer.wallet,
            kind: customer.kind.as_str(),
            name: customer.name,
            email: customer.email,
            currency: customer.currency,
            timezone: customer.timezone,
            created_at: customer.created_at,
        }
    }
}

fn kind() -> Schema {
    one_of("Who the customer is.", ["individual", "organisation"])
}
