//! Secrets of the installation that all its processes share.

use sea_orm::DatabaseTransaction;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "secrets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub secret: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The secret of this name: this one, or the one that was there before.
pub async fn insert_once(
    txn: &DatabaseTransaction,
    name: &str,
    secret: [u8; 32],
) -> Result<[u8; 32], StoreError> {
    let row = Model { name: name.to_owned(), secret: secret.to_vec() };
    let once = OnConflict::column(Column::Name).do_nothing().to_owned();
    match Entity::insert(ActiveModel::from(row)).on_conflict(once).exec_without_returning(txn).await {
        Ok(_) | Err(DbErr::RecordNotInserted) => {}
        Err(error) => return Err(error.into()),
    }
    let stored = find(txn, name).await?;
    stored.ok_or_else(|| StoreError::Corrupt(format!("the secret {name} is neither new nor there")))
}

pub async fn find(db: &impl ConnectionTrait, name: &str) -> Result<Option<[u8; 32]>, StoreError> {
    let Some(row) = Entity::find_by_id(name.to_owned()).one(db).await? else { return Ok(None) };
    let unreadable = |_| StoreError::Corrupt(format!("the secret {name} is not 32 bytes"));
    row.secret.try_into().map(Some).map_err(unreadable)
}
