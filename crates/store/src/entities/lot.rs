//! Projection of the journal: what remains of each grant.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub kind: String,
    pub granted: i64,
    pub priority: i16,
    pub expires_at: Option<i64>,
    pub paid_minor: Option<i64>,
    pub currency: Option<String>,
    pub clawed_back: i64,
    pub voided: bool,
    pub remaining: i64,
    pub held: i64,
    pub is_open: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
