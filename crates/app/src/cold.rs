//! Idempotency of calls that move no credits: the change and its first answer are one transaction.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::cold::requests;
use store::{DatabaseTransaction, StoreError};

use crate::about::{from_json, to_json};
use crate::{App, AppError, Done, Keyed, Principal};

/// Tries of one call that meets others on the same row; each retry sees what the winner wrote.
const TRIES: u32 = 8;

/// A route of the API: method and path, as keys know it for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route(pub &'static str);

pub(crate) type Change<'a, T> = Pin<Box<dyn Future<Output = Result<T, AppError>> + Send + 'a>>;

/// Runs `change` once per (owner, route, key) and answers its result at every later time. `change` may
/// run again after a lost race, so it must only write through the transaction it gets.
pub(crate) async fn once<T, F>(
    app: &App,
    by: &Principal,
    route: Route,
    keyed: Option<&Keyed>,
    change: F,
) -> Result<Done<T>, AppError>
where
    T: Serialize + DeserializeOwned,
    F: for<'a> Fn(&'a DatabaseTransaction) -> Change<'a, T>,
{
    let mut tries = 0;
    loop {
        let lost = match attempt(app, by, route, keyed, &change).await {
            Err(Attempt::Lost(error)) => error,
            Err(Attempt::Failed(error)) => return first_answer(app, by, route, keyed, error).await,
            Ok(done) => return Ok(done),
        };
        tries += 1;
        if tries == TRIES {
            return Err(lost.into());
        }
    }
}

enum Attempt {
    /// Another process or call wrote first; try again and see.
    Lost(StoreError),
    Failed(AppError),
}

async fn attempt<T, F>(
    app: &App,
    by: &Principal,
    route: Route,
    keyed: Option<&Keyed>,
    change: &F,
) -> Result<Done<T>, Attempt>
where
    T: Serialize + DeserializeOwned,
    F: for<'a> Fn(&'a DatabaseTransaction) -> Change<'a, T>,
{
    let txn = app.store().write().await?;
    if let Some(keyed) = keyed
        && let Some(first) = requests::find(&txn, &by.owner, route.0, keyed.key.as_str()).await?
    {
        return Ok(replay(&first, keyed)?);
    }
    let value = change(&txn).await?;
    if let Some(keyed) = keyed {
        requests::insert(&txn, row(app, by, route, keyed, to_json(&value)?)).await?;
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(Done::now(value))
}

/// What made this try fail may be the work of the same call, sent twice, or of the time that has passed
/// since its first try: then the first answer is ours.
pub(crate) async fn first_answer<T: DeserializeOwned>(
    app: &App,
    by: &Principal,
    route: Route,
    keyed: Option<&Keyed>,
    error: AppError,
) -> Result<Done<T>, AppError> {
    let Some(keyed) = keyed else { return Err(error) };
    let key = keyed.key.as_str();
    match requests::find(app.store().reader(), &by.owner, route.0, key).await? {
        Some(first) => replay(&first, keyed),
        None => Err(error),
    }
}

fn replay<T: DeserializeOwned>(first: &requests::Model, keyed: &Keyed) -> Result<Done<T>, AppError> {
    if first.input_hash != keyed.hash {
        return Err(AppError::KeyReused);
    }
    Ok(Done { value: from_json(&first.body)?, replayed: true })
}

fn row(app: &App, by: &Principal, route: Route, keyed: &Keyed, body: String) -> requests::Model {
    requests::Model {
        owner: by.owner.clone(),
        route: route.0.to_owned(),
        key: keyed.key.as_str().to_owned(),
        input_hash: keyed.hash.to_vec(),
        body,
        created_at: app.now().micros(),
    }
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Attempt {
        if error.is_transient() { Attempt::Lost(error) } else { Attempt::Failed(error.into()) }
    }
}

impl From<AppError> for Attempt {
    fn from(error: AppError) -> Attempt {
        match error {
            AppError::Unavailable { cause: Some(cause), .. } if cause.is::<StoreError>() => {
                match cause.downcast::<StoreError>() {
                    Ok(error) => (*error).into(),
                    Err(cause) => {
                        Attempt::Failed(AppError::Unavailable { retry_after_seconds: 1, cause: Some(cause) })
                    }
                }
            }
            error => Attempt::Failed(error),
        }
    }
}
