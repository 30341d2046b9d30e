//! Tables that `app` writes inside of [`crate::Store::write`] transactions: one file a table, its entity
//! beside its queries. Instants are in microseconds, credits in micro-credits, UTC and integer only.
//! Every finder takes the owner first: the wallet, the key's owner, or the unique name itself.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    Value,
};

use crate::StoreError;

pub mod api_keys;
pub mod audit;
pub mod catalogues;
pub mod checkouts;
pub mod customers;
pub mod days;
pub mod deliveries;
pub mod inbox;
pub mod mailed_links;
pub mod mails;
pub mod outbox;
pub mod payment_signals;
pub mod problems;
pub mod queue;
pub mod quotes;
pub mod requests;
pub mod retention;
pub mod risk;
pub mod sandbox_objects;
pub mod schedules;
pub mod secrets;
pub mod sessions;
pub mod users;
pub mod verify_runs;

/// Newest first by an id that grows with time, older than `before`, of one state or of all.
async fn newest<E: EntityTrait>(
    db: &impl ConnectionTrait,
    id: (E::Column, Option<impl Into<Value>>),
    (column, state): (E::Column, Option<&str>),
    limit: u64,
) -> Result<Vec<E::Model>, StoreError> {
    let of_state = E::find().apply_if(state, |query, state| query.filter(column.eq(state)));
    newest_of(db, of_state, id, limit).await
}

/// The same of what `query` finds.
async fn newest_of<E: EntityTrait>(
    db: &impl ConnectionTrait,
    query: Select<E>,
    (id, before): (E::Column, Option<impl Into<Value>>),
    limit: u64,
) -> Result<Vec<E::Model>, StoreError> {
    let older = query.apply_if(before, |query, before| query.filter(id.lt(before)));
    Ok(older.order_by_desc(id).limit(limit).all(db).await?)
}
