//! API keys: `sk_test_…`, `sk_live_…` of the merchant, `ck_…` of one customer.

use std::collections::BTreeSet;
use std::str::FromStr;

use kernel::{ApiKeyId, CustomerId, Timestamp, new_uuid};
use serde::{Deserialize, Serialize};
use store::cold::api_keys;

use crate::cold::{Route, once};
use crate::text::{Checks, NAME_MAX_CHARS};
use crate::{
    App, AppError, CustomerRef, Done, Keyed, Page, PageRequest, Principal, Scope, customers, secret,
};

const CREATE: Route = Route("POST /v1/api-keys");
/// Longer texts are no key of ours and are not even hashed.
const SECRET_MAX_BYTES: usize = 128;

#[derive(Clone, Debug)]
pub struct NewApiKey {
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    /// Makes a `ck_` key: reads, quotes and jobs of this customer, whatever the scopes.
    pub customer: Option<CustomerRef>,
    pub livemode: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<String>,
    pub customer: Option<CustomerId>,
    pub livemode: bool,
    pub created_at: Timestamp,
}

/// A key with its secret, which is shown once: a replay has `None`.
#[derive(Clone, Debug)]
pub struct CreatedApiKey {
    pub key: ApiKey,
    pub secret: Option<String>,
}

/// Who the secret belongs to. Errors: `Unauthenticated` for anything that is no valid key.
pub async fn authenticate(app: &App, secret: &str) -> Result<Principal, AppError> {
    if secret.len() > SECRET_MAX_BYTES
        || !["sk_test_", "sk_live_", "ck_"].iter().any(|p| secret.starts_with(p))
    {
        return Err(AppError::Unauthenticated);
    }
    let hash = secret::hash(secret);
    if let Some(principal) = app.inner.keys.get(&hash) {
        return Ok(principal);
    }
    let row = api_keys::valid_by_hash(app.store().reader(), &hash).await?;
    let principal = principal(&row.ok_or(AppError::Unauthenticated)?);
    app.inner.keys.set(hash, principal.clone());
    Ok(principal)
}

pub async fn create(
    app: &App,
    by: &Principal,
    new: NewApiKey,
    keyed: Option<&Keyed>,
) -> Result<Done<CreatedApiKey>, AppError> {
    by.require(Scope::Admin)?;
    let mut checks = Checks::default();
    checks.text("name", &new.name, NAME_MAX_CHARS);
    match new.customer {
        None => checks.ensure(!new.scopes.is_empty(), "scopes", "must name at least one scope"),
        Some(_) => {
            let why = "must be left out for a customer's key: it may read and quote, and no more";
            checks.ensure(new.scopes.is_empty(), "scopes", why);
        }
    }
    checks.done()?;
    let customer = match &new.customer {
        Some(customer) => Some(customers::in_body(app, by, customer).await?.id),
        None => None,
    };
    let secret = secret::new_secret(prefix(customer.is_some(), new.livemode))?;
    let key = ApiKey {
        id: ApiKeyId::from_uuid(new_uuid()),
        name: new.name,
        scopes: new.scopes.iter().map(Scope::to_string).collect(),
        customer,
        livemode: new.livemode,
        created_at: app.now(),
    };
    let stored = (row(&key, &secret), key);
    let done = once(app, by, CREATE, keyed, move |txn| {
        let (row, key) = stored.clone();
        Box::pin(async move {
            api_keys::insert(txn, row).await?;
            Ok(key)
        })
    })
    .await?;
    let secret = (!done.replayed).then_some(secret);
    Ok(Done { value: CreatedApiKey { key: done.value, secret }, replayed: done.replayed })
}

/// A key in a list.
#[derive(Clone, Debug)]
pub struct ListedApiKey {
    pub key: ApiKey,
    /// `None` while it works.
    pub revoked_at: Option<Timestamp>,
}

/// Every key, oldest first.
pub async fn list(app: &App, by: &Principal) -> Result<Vec<ListedApiKey>, AppError> {
    by.require(Scope::Admin)?;
    Ok(api_keys::all(app.store().reader()).await?.into_iter().map(listed).collect())
}

/// Newest first, revoked ones too.
pub async fn page(app: &App, by: &Principal, page: &PageRequest) -> Result<Page<ListedApiKey>, AppError> {
    by.require(Scope::Read)?;
    let limit = page.limit()?;
    let before = page.after(|cursor| cursor.parse::<ApiKeyId>().ok())?;
    let rows = api_keys::page(app.store().reader(), before.map(ApiKeyId::uuid), limit + 1).await?;
    Ok(Page::cut(rows.into_iter().map(listed).collect(), limit, |listed| listed.key.id.to_string()))
}

fn listed(row: api_keys::Model) -> ListedApiKey {
    ListedApiKey { revoked_at: row.revoked_at.map(Timestamp::from_micros_saturating), key: api_key(row) }
}

/// Takes effect in this process at once, in others within a second. Revoking twice is one revocation.
pub async fn revoke(app: &App, by: &Principal, id: ApiKeyId) -> Result<(), AppError> {
    by.require(Scope::Admin)?;
    if api_keys::by_id(app.store().reader(), id.uuid()).await?.is_none() {
        return Err(AppError::not_found("API key"));
    }
    let txn = app.store().write().await?;
    api_keys::revoke(&txn, id.uuid(), app.now().micros()).await?;
    txn.commit().await.map_err(store::StoreError::from)?;
    app.inner.keys.forget();
    Ok(())
}

pub(crate) fn api_key(row: api_keys::Model) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_uuid(row.id),
        name: row.name,
        scopes: row.scopes.split_whitespace().map(str::to_owned).collect(),
        customer: row.customer.map(CustomerId::from_uuid),
        livemode: row.livemode,
        created_at: Timestamp::from_micros_saturating(row.created_at),
    }
}

fn prefix(is_customers: bool, livemode: bool) -> &'static str {
    match (is_customers, livemode) {
        (true, _) => "ck_",
        (false, true) => "sk_live_",
        (false, false) => "sk_test_",
    }
}

fn principal(row: &api_keys::Model) -> Principal {
    // A scope that this version does not know gives no right.
    let scopes = row.scopes.split_whitespace().filter_map(|name| Scope::from_str(name).ok()).collect();
    let customer = row.customer.map(CustomerId::from_uuid);
    Principal::of_key(ApiKeyId::from_uuid(row.id), scopes, customer)
}

fn row(key: &ApiKey, secret: &str) -> api_keys::Model {
    api_keys::Model {
        id: key.id.uuid(),
        secret_hash: secret::hash(secret).to_vec(),
        name: key.name.clone(),
        scopes: key.scopes.join(" "),
        customer: key.customer.map(CustomerId::uuid),
        livemode: key.livemode,
        created_at: key.created_at.micros(),
        revoked_at: None,
    }
}
