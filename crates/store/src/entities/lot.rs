//! Projection of the journal: the lot that each grant made. What is left of an open one stands
//! in its wallet's row, nothing is left of a closed one.

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
    pub has_remaining: bool,
    pub is_open: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
