//! A customer's own `ck_` keys. Only a signed-in user makes them: a key makes no keys.

use kernel::{ApiKeyId, CustomerId};
use store::StoreError;
use store::cold::api_keys;

use super::Session;
use crate::keys::{self, ApiKey, CreatedApiKey, NewApiKey};
use crate::{App, AppError, CustomerRef, Done, Keyed, Principal};

/// Valid keys one customer may have.
const KEYS_MAX: u64 = 50;

/// Those that are not revoked, newest first.
pub async fn keys(app: &App, by: &Session) -> Result<Vec<ApiKey>, AppError> {
    let rows = api_keys::of_customer(app.store().reader(), customer(by)?.uuid(), KEYS_MAX).await?;
    Ok(rows.into_iter().map(keys::api_key).collect())
}

pub async fn create_key(
    app: &App,
    by: &Session,
    name: &str,
    keyed: &Keyed,
) -> Result<Done<CreatedApiKey>, AppError> {
    let customer = customer(by)?;
    if api_keys::of_customer(app.store().reader(), customer.uuid(), KEYS_MAX).await?.len() as u64 >= KEYS_MAX
    {
        let detail = format!("There are {KEYS_MAX} keys already; revoke one first.");
        return Err(AppError::Conflict { code: "too_many_keys", detail });
    }
    let new = NewApiKey {
        name: name.to_owned(),
        scopes: Default::default(),
        customer: Some(CustomerRef::Id(customer)),
        livemode: false,
    };
    // The right to make keys is the installation's; the key belongs to the user's own customer.
    let owner = by.user.principal().owner;
    keys::create(app, &Principal { owner, ..Principal::system() }, new, Some(keyed)).await
}

/// Another customer's key is not found.
pub async fn revoke_key(app: &App, by: &Session, id: ApiKeyId) -> Result<(), AppError> {
    let row = api_keys::by_id(app.store().reader(), id.uuid()).await?;
    if row.and_then(|row| row.customer) != Some(customer(by)?.uuid()) {
        return Err(AppError::not_found("API key"));
    }
    let txn = app.store().write().await?;
    api_keys::revoke(&txn, id.uuid(), app.now().micros()).await?;
    txn.commit().await.map_err(StoreError::from)?;
    app.inner.keys.forget();
    Ok(())
}

fn customer(by: &Session) -> Result<CustomerId, AppError> {
    by.user.customer.ok_or(AppError::Forbidden { needs: "a customer" })
}
