//! The journal: one row per command, lot and movement. Never edited.
//! Key, hash, terms and facts of the command sit on line 0. Times in microseconds, amounts in
//! micro-credits.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "postings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub line: i16,
    pub kind: String,
    pub recorded_at: i64,
    pub effective_at: i64,
    pub from_account: String,
    pub to_account: String,
    pub amount: i64,
    pub lot: Option<i64>,
    pub lot_remaining: Option<i64>,
    pub balance_after: i64,
    pub held_after: i64,
    pub debt_after: i64,
    pub hold: Option<i64>,
    pub idempotency_key: Option<String>,
    pub input_hash: Option<Vec<u8>>,
    pub terms: Option<String>,
    pub about: Option<String>,
    /// On line 0, over all rows of the entry.
    pub digest: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
