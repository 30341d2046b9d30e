use kernel::Timestamp;
use serde_json::{Value, json};
use store::cold::sandbox_objects::{self as table, Model, Page};
use store::{DatabaseTransaction, StoreError};
use tokio::sync::MutexGuard;

use crate::error::ApiError;
use crate::{API_VERSION, Knobs, Sandbox, ids};

/// Endpoints that receive events at the same time.
const ENDPOINTS_MAX: u64 = 16;
/// Refunds and the like behind one payment.
const CHILDREN_MAX: u64 = 1_000;
pub(crate) const DELIVERY: &str = "delivery";

/// One transaction on the sandbox's objects, and the instant at which it happens. Dropped without
/// [`Work::commit`] it changes nothing.
pub(crate) struct Work<'a> {
    sandbox: &'a Sandbox,
    txn: DatabaseTransaction,
    pub now: Timestamp,
    /// What events say about the call that made them.
    pub cause: Cause,
    knobs: Knobs,
    _turn: Option<MutexGuard<'a, ()>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
}

impl<'a> Work<'a> {
    pub async fn read(sandbox: &'a Sandbox) -> Result<Work<'a>, StoreError> {
        let txn = sandbox.0.store.read().await?;
        Ok(Work::over(sandbox, txn, None))
    }

    pub async fn write(sandbox: &'a Sandbox) -> Result<Work<'a>, StoreError> {
        let turn = sandbox.0.turn.lock().await;
        let txn = sandbox.0.store.write().await?;
        Ok(Work::over(sandbox, txn, Some(turn)))
    }

    fn over(sandbox: &'a Sandbox, txn: DatabaseTransaction, turn: Option<MutexGuard<'a, ()>>) -> Work<'a> {
        let (now, knobs) = (sandbox.0.clock.now(), sandbox.knobs());
        Work { sandbox, txn, now, cause: Cause::default(), knobs, _turn: turn }
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        self.txn.commit().await?;
        self.sandbox.0.bell.notify_one();
        Ok(())
    }

    /// As [`Work::commit`] for changes that make nothing due.
    pub async fn commit_quietly(self) -> Result<(), StoreError> {
        Ok(self.txn.commit().await?)
    }

    pub fn txn(&self) -> &DatabaseTransaction {
        &self.txn
    }

    /// Seconds since 1970, as Stripe writes instants.
    pub fn unix_now(&self) -> i64 {
        self.now.unix_seconds()
    }

    pub async fn find(&self, id: &str) -> Result<Option<Value>, StoreError> {
        let row = table::find(&self.txn, id).await?;
        row.map(|row| parse(&row)).transpose()
    }

    /// An object of this kind, or Stripe's 404.
    pub async fn need(&self, kind: &str, id: &str) -> Result<Value, ApiError> {
        let found = self.find(id).await?.filter(|object| object["object"] == kind);
        found.ok_or_else(|| ApiError::no_such(kind, id))
    }

    /// Objects of a kind behind a payment, newest first.
    pub async fn behind(&self, kind: &str, payment: &str) -> Result<Vec<Value>, StoreError> {
        let page = Page { parent: Some(payment), limit: CHILDREN_MAX, ..Page::default() };
        table::page(&self.txn, kind, &page).await?.iter().map(parse).collect()
    }

    /// Stores an object as it is; what it belongs to and when it is due is read from it.
    pub async fn put(&self, object: &Value) -> Result<(), StoreError> {
        let text = |name: &str| object[name].as_str().map(str::to_owned);
        let is_open_session = object["object"] == "checkout.session" && object["status"] == "open";
        let due_at = object["expires_at"].as_i64().filter(|_| is_open_session);
        let row = Model {
            id: text("id").unwrap_or_default(),
            kind: text("object").unwrap_or_default(),
            parent: text("payment_intent"),
            created_at: self.now.micros(),
            due_at: due_at.map(|seconds| seconds.saturating_mul(1_000_000)),
            json: object.to_string(),
        };
        table::put(&self.txn, row).await
    }

    pub async fn remove(&self, id: &str) -> Result<(), StoreError> {
        table::remove(&self.txn, id).await
    }

    /// Says that something happened: makes the event and a delivery for each endpoint that wants it.
    pub async fn emit(&self, kind: &str, object: &Value) -> Result<(), StoreError> {
        self.emit_change(kind, object, Value::Null).await
    }

    /// As [`Work::emit`], with the values that were replaced.
    pub async fn emit_change(&self, kind: &str, object: &Value, before: Value) -> Result<(), StoreError> {
        let endpoints = self.listeners(kind).await?;
        let mut content = json!({ "object": public(object) });
        if !before.is_null() {
            content["previous_attributes"] = before;
        }
        let event = json!({
            "id": ids::new("evt_"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.unix_now(),
            "data": content,
            "livemode": false,
            "pending_webhooks": endpoints.len(),
            "request": { "id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key },
            "type": kind,
        });
        self.put(&event).await?;
        if self.knobs.drop {
            return Ok(());
        }
        for endpoint in &endpoints {
            for _ in 0..=self.knobs.duplicate {
                self.put_delivery(&event, endpoint).await?;
            }
        }
        Ok(())
    }

    async fn listeners(&self, kind: &str) -> Result<Vec<Value>, StoreError> {
        let page = Page { limit: ENDPOINTS_MAX, ..Page::default() };
        let rows = table::page(&self.txn, "webhook_endpoint", &page).await?;
        let mut endpoints = rows.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        endpoints.retain(|endpoint| {
            let wanted = endpoint["enabled_events"].as_array();
            let is_wanted = wanted.is_some_and(|w| w.iter().any(|name| name == "*" || name == kind));
            is_wanted && endpoint["status"] == "enabled"
        });
        Ok(endpoints)
    }

    async fn put_delivery(&self, event: &Value, endpoint: &Value) -> Result<(), StoreError> {
        let version = self.knobs.api_version.clone();
        let delivery = json!({
            "event": event["id"],
            "endpoint": endpoint["id"],
            "api_version": version.map_or(endpoint["api_version"].clone(), Value::from),
            "attempts": 0,
        });
        let row = Model {
            id: ids::new("whd_"),
            kind: DELIVERY.to_owned(),
            parent: None,
            created_at: self.now.micros(),
            due_at: Some(self.now.plus_seconds(i64::from(self.knobs.delay_seconds)).micros()),
            json: delivery.to_string(),
        };
        table::put(&self.txn, row).await
    }
}

/// The object without what only the sandbox knows: members that begin with an underscore.
pub(crate) fn public(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| !name.starts_with('_'));
    }
    object
}

pub(crate) fn parse(row: &Model) -> Result<Value, StoreError> {
    serde_json::from_str(&row.json).map_err(|e| StoreError::Corrupt(format!("{}: {e}", row.id)))
}
