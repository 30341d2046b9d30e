use kernel::Credits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ClientError;
use crate::transport::{Client, Request};

/// What the server answered, and whether it had answered the same before.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub value: T,
    pub replayed: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct NewCustomer<'a> {
    pub external_id: &'a str,
    /// `individual` or `organisation`.
    pub kind: &'a str,
    pub name: &'a str,
    pub email: &'a str,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Customer {
    pub id: String,
    pub external_id: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GrantRequest<'a> {
    pub customer: &'a str,
    pub credits: Credits,
    pub kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Granted {
    pub id: String,
    pub credits: Credits,
}

#[derive(Clone, Debug, Serialize)]
pub struct QuoteRequest<'a> {
    pub customer: &'a str,
    pub feature: &'a str,
    pub model: &'a str,
    pub quantities: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Quote {
    pub id: String,
    pub credits: Credits,
}

#[derive(Clone, Debug, Serialize)]
pub struct HoldRequest<'a> {
    pub customer: &'a str,
    pub quote: &'a str,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Hold {
    pub id: String,
    pub credits: Credits,
    pub state: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    pub id: String,
    pub credits: Credits,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Wallet {
    pub available: Credits,
    pub held: Credits,
    pub debt: Credits,
    #[serde(default)]
    pub lots: Vec<Lot>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Lot {
    pub grant: String,
    pub kind: String,
    pub remaining: Credits,
    pub expires_at: Option<String>,
}

/// One line of the journal. A line that moves nothing names no accounts.
#[derive(Clone, Debug, Deserialize)]
pub struct Posting {
    pub seq: i64,
    pub line: i64,
    pub kind: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub amount: Credits,
    pub receipt: Option<String>,
    pub hold: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub has_more: bool,
    pub next_cursor: Option<String>,
}

/// The calls that replay needs, each with retries. `key` is the idempotency key.
impl Client {
    pub async fn create_customer(
        &self,
        key: &str,
        customer: &NewCustomer<'_>,
    ) -> Result<Answer<Customer>, ClientError> {
        self.change("/v1/customers", key, customer).await
    }

    /// `customer` is an id or an external id, here and below.
    pub async fn customer(&self, customer: &str) -> Result<Customer, ClientError> {
        self.fetch(&format!("/v1/customers/{}", segment(customer))).await
    }

    pub async fn wallet(&self, customer: &str) -> Result<Wallet, ClientError> {
        self.fetch(&format!("/v1/customers/{}/wallet", segment(customer))).await
    }

    pub async fn grant(&self, key: &str, grant: &GrantRequest<'_>) -> Result<Answer<Granted>, ClientError> {
        self.change("/v1/grants", key, grant).await
    }

    pub async fn quote(&self, key: &str, quote: &QuoteRequest<'_>) -> Result<Answer<Quote>, ClientError> {
        self.change("/v1/quotes", key, quote).await
    }

    pub async fn hold(&self, key: &str, hold: &HoldRequest<'_>) -> Result<Answer<Hold>, ClientError> {
        self.change("/v1/holds", key, hold).await
    }

    /// Captures what the work really used and ends the hold.
    pub async fn capture(
        &self,
        key: &str,
        hold: &str,
        quantities: &Value,
    ) -> Result<Answer<Receipt>, ClientError> {
        let path = format!("/v1/holds/{}/capture", segment(hold));
        self.change(&path, key, &serde_json::json!({ "quantities": quantities })).await
    }

    /// One page of the customer's statement; `cursor` is the page before's `next_cursor`.
    pub async fn postings(
        &self,
        customer: &str,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Page<Posting>, ClientError> {
        let cursor = cursor.map(|c| format!("&cursor={}", segment(c))).unwrap_or_default();
        self.fetch(&format!("/v1/customers/{}/postings?limit={limit}{cursor}", segment(customer))).await
    }

    async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = Request::get(path);
        self.send(&request).await?.read(&request)
    }

    async fn change<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, ClientError> {
        let request = Request::post(path, Some(key), body)?;
        let reply = self.send(&request).await?;
        let replayed = reply.is_replayed();
        Ok(Answer { value: reply.read(&request)?, replayed })
    }
}

/// A text as one segment of a path or one value of a query.
fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_segment_cannot_leave_its_place() {
        assert_eq!(segment("cus_01abc"), "cus_01abc");
        assert_eq!(segment("a/b?c=d e"), "a%2Fb%3Fc%3Dd%20e");
    }
}
