//! The schema of money.

use utoipa::ToSchema;

/// An amount in the currency's minor unit, such as cents.
#[derive(ToSchema)]
#[schema(example = json!({"amount": 4500, "currency": "usd"}))]
#[allow(dead_code, reason = "the schema of kernel::Money, which knows nothing of OpenAPI")]
pub struct Money {
    pub amount: i64,
    /// An ISO 4217 code in lower case.
    #[schema(pattern = "^[a-z]{3}$")]
    pub currency: String,
}
