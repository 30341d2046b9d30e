//! The facts that travel with a journal entry as JSON; answers are rendered from them, so that a replay
//! says what the first answer said.

use kernel::{CustomerId, HoldId, QuoteId, Timestamp};
use ledger::Entry;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::prints::CallPrint;
use crate::{AppError, Priced};

/// Bytes that the facts of most debits have room in.
const ROOM: usize = 1_024;

/// A rate card as an answer names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateCardRef {
    pub version: i64,
    pub name: String,
}

/// Which reported event a charge came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventIdentity {
    pub source: String,
    pub id: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GrantFacts {
    pub customer: CustomerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// On the entry of a void only: when the grant was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HoldFacts {
    pub customer: CustomerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced: Option<Priced>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A key of the customer's own began it, so such a key may also end it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_customers: bool,
    /// On the entry that authorized it only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<CallPrint>,
    /// On later entries of the hold only: when it was authorized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Of a debit, a capture, an unbilled or unrated report, or a reversal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ChargeFacts {
    pub customer: CustomerId,
    /// Of all captures so far; `None` for charges in credits and for reports without a price. In a box, because facts
    /// move a lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced: Option<Box<Priced>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_transaction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventIdentity>,
    /// Why a report has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrated: Option<String>,
    /// The report without a price as it came, so that it can be rated later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<CallPrint>,
}

impl ChargeFacts {
    pub fn of(customer: CustomerId) -> ChargeFacts {
        ChargeFacts {
            customer,
            priced: None,
            hold: None,
            quote: None,
            job: None,
            subject: None,
            vendor_transaction: None,
            occurred_at: None,
            event: None,
            unrated: None,
            report: None,
            print: None,
        }
    }
}

pub(crate) fn to_json(facts: &impl Serialize) -> Result<String, AppError> {
    let mut text = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut text, facts).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(String::from_utf8(text).map_err(|e| StoreError::Corrupt(e.to_string()))?)
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, AppError> {
    Ok(serde_json::from_str(text).map_err(|e| StoreError::Corrupt(e.to_string()))?)
}

/// The facts of an entry that a use case of ours wrote.
pub(crate) fn facts<T: DeserializeOwned>(entry: &Entry) -> Result<T, AppError> {
    let missing = || StoreError::Corrupt(format!("entry {} has no facts", entry.seq));
    from_json(entry.about.as_deref().ok_or_else(missing)?)
}
