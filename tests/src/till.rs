//! A gateway that is only there: it opens pages and takes events, and nobody ever pays. For stories about
//! our own API, which need a gateway to be configured and none to be reached.

use std::sync::{Arc, Mutex};

use billing::{Checkout, CheckoutRef, CheckoutState, NewCheckout, NewRefund, Payment, PaymentRef, Refund};
use gateways::{Answer, EventError, Gateway, GatewayError, GatewayEvent, Subject, Unreadable};
use kernel::{IdempotencyKey, Timestamp};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::databases::noon;

/// The signature that it finds good.
pub const GOOD: &str = "good";

#[derive(Clone, Default)]
pub struct Till {
    /// Each lets it answer one checkout; `None`: it answers all at once.
    pub permits: Option<Arc<Semaphore>>,
    /// The keys of the checkouts that it was asked for.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Gateway for Till {
    fn name(&self) -> &'static str {
        "till"
    }

    fn create_checkout<'a>(&'a self, key: &'a IdempotencyKey, new: &'a NewCheckout) -> Answer<'a, Checkout> {
        Box::pin(async move {
            self.asked.lock().expect("no panic").push(key.to_string());
            if let Some(permits) = &self.permits {
                permits.acquire().await.expect("it stays open").forget();
            }
            Ok(Checkout {
                id: CheckoutRef(format!("page_of_{}", new.reference)),
                reference: Some(new.reference.clone()),
                url: Some("https://pay.example/1".to_owned()),
                state: CheckoutState::Open,
                payment: None,
                amount: new.line.unit,
                created: noon(),
                metadata: new.metadata.clone(),
            })
        })
    }

    fn checkout<'a>(&'a self, id: &'a CheckoutRef) -> Answer<'a, Checkout> {
        Box::pin(async move { Err(GatewayError::NotFound { id: id.0.clone() }) })
    }

    fn recent_checkouts(&self, _: Timestamp) -> Answer<'_, Vec<Result<Checkout, Unreadable>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn recent_returns(&self, _: Timestamp) -> Answer<'_, Vec<GatewayEvent>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn payment<'a>(&'a self, id: &'a PaymentRef) -> Answer<'a, Payment> {
        Box::pin(async move { Err(GatewayError::NotFound { id: id.0.clone() }) })
    }

    fn refund<'a>(&'a self, _: &'a IdempotencyKey, new: &'a NewRefund) -> Answer<'a, Refund> {
        Box::pin(async move { Err(GatewayError::NotFound { id: new.payment.0.clone() }) })
    }

    fn verify_event(
        &self,
        payload: &[u8],
        signature: &str,
        now: Timestamp,
    ) -> Result<GatewayEvent, EventError> {
        if signature != GOOD {
            return Err(EventError::WrongSignature);
        }
        Ok(GatewayEvent { created: Some(now), ..self.stored_event(payload) })
    }

    fn stored_event(&self, body: &[u8]) -> GatewayEvent {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        GatewayEvent {
            id: body["id"].as_str().unwrap_or("evt").to_owned(),
            kind: body["type"].as_str().unwrap_or("unknown").to_owned(),
            created: None,
            api_version: None,
            livemode: false,
            object: body["object"].clone(),
            previous_attributes: Value::Null,
            subject: body["object"].as_str().map(|id| Subject::Payment(PaymentRef(id.to_owned()))),
            sign: None,
        }
    }
}
