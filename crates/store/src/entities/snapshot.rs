//! The wallet (JSON) every thousand journal rows; bounds a read of the past.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "snapshots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub recorded_at: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub state: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
