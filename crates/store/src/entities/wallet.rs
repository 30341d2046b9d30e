//! Projection of the journal: the wallet after its entry `seq`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    pub seq: i64,
    pub recorded_at: i64,
    pub posting_rows: i64,
    pub available: i64,
    pub held: i64,
    pub debt: i64,
    pub calls: String,
    /// What is left of each open lot, in micro-credits: JSON, `[[seq, remaining, held], …]` by seq.
    pub lots: String,
    /// JSON; none for a wallet that never was restricted or was released.
    pub restriction: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
