//! Money, sent and answered.

use kernel::Currency;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::amount::MinorAmount;

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

/// Money that was paid.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": 4500, "currency": "usd"}))]
pub struct MoneyInput {
    amount: MinorAmount,
    /// An ISO 4217 code in lower case.
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    currency: Currency,
}

impl From<MoneyInput> for kernel::Money {
    fn from(money: MoneyInput) -> kernel::Money {
        kernel::Money { amount: money.amount.0, currency: money.currency }
    }
}
