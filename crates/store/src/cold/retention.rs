//! Forgetting cold rows that nobody may ask for any more, the oldest first and some at a time.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QueryOrder, QuerySelect};

use crate::cold::risk::pages;
use crate::cold::{mailed_links, outbox, quotes, requests, sessions};
use crate::{Store, StoreError};

/// What has a time after which it means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// First answers, by the time of their call.
    Requests,
    /// By the end of their validity.
    Quotes,
    /// By the end of their time.
    Sessions,
    /// By the end of their time.
    MailedLinks,
    /// By the time they were written.
    RiskPages,
    /// Work of this kind that has ended, by its end.
    Work(&'static str),
}

/// Forgets rows whose time is before `before` (microseconds): the oldest `limit`, with what has the very
/// same time as the last of them. Answers how many those were.
pub async fn forget(store: &Store, what: Passing, before: i64, limit: u64) -> Result<u64, StoreError> {
    match what {
        Passing::Requests => {
            oldest::<requests::Entity>(store, requests::Column::CreatedAt, before, limit).await
        }
        Passing::Quotes => oldest::<quotes::Entity>(store, quotes::Column::ValidUntil, before, limit).await,
        Passing::Sessions => {
            oldest::<sessions::Entity>(store, sessions::Column::ExpiresAt, before, limit).await
        }
        Passing::MailedLinks => {
            oldest::<mailed_links::Entity>(store, mailed_links::Column::ExpiresAt, before, limit).await
        }
        Passing::RiskPages => oldest::<pages::Entity>(store, pages::Column::WrittenAt, before, limit).await,
        Passing::Work(kind) => {
            let only = Condition::all().add(outbox::Column::Kind.eq(kind));
            oldest_of::<outbox::Entity>(store, (outbox::Column::DoneAt, only), before, limit).await
        }
    }
}

async fn oldest<E: EntityTrait>(
    store: &Store,
    time: E::Column,
    before: i64,
    limit: u64,
) -> Result<u64, StoreError> {
    oldest_of::<E>(store, (time, Condition::all()), before, limit).await
}

/// Keys of several columns cannot be listed in one portable statement, so a batch is a stretch of time.
async fn oldest_of<E: EntityTrait>(
    store: &Store,
    (time, only): (E::Column, Condition),
    before: i64,
    limit: u64,
) -> Result<u64, StoreError> {
    let last: Option<i64> = E::find()
        .select_only()
        .column(time)
        .filter(only.clone())
        .filter(time.lt(before))
        .order_by_asc(time)
        .offset(limit.saturating_sub(1))
        .limit(1)
        .into_tuple()
        .one(store.reader())
        .await?;
    let until = last.unwrap_or(before - 1);
    Ok(E::delete_many().filter(only).filter(time.lte(until)).exec(store.writer()).await?.rows_affected)
}
