//! What people found about cases, the one that counts and those that were corrected.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use store::cold::risk::cases::{self as rows, CONFIRMED, DISMISSED};
use store::cold::risk::former;
use store::{ConnectionTrait, StoreError, Uuid};

use super::cases::{Case, case};
use crate::AppError;

/// What a person found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is abuse.
    Confirmed,
    /// It is not.
    Dismissed,
}

/// One decision about a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub decision: Decision,
    pub note: Option<String>,
    pub by: String,
    pub at: Timestamp,
}

/// Cases with all that was decided about them.
pub(super) async fn shown(
    db: &impl ConnectionTrait,
    rows: Vec<rows::Model>,
    now: Timestamp,
) -> Result<Vec<Case>, AppError> {
    let decided: Vec<Uuid> = rows.iter().filter(|row| row.decision.is_some()).map(|row| row.id).collect();
    let mut corrected: BTreeMap<Uuid, Vec<Decided>> = BTreeMap::new();
    if !decided.is_empty() {
        for row in former::of_cases(db, decided).await? {
            corrected.entry(row.case_id).or_default().push(of_former(row)?);
        }
    }
    rows.into_iter()
        .map(|row| {
            let before = corrected.remove(&row.id).unwrap_or_default();
            case(row, before, now)
        })
        .collect()
}

/// One of [`shown`].
pub(super) async fn shown_one(
    db: &impl ConnectionTrait,
    row: Option<rows::Model>,
    now: Timestamp,
) -> Result<Case, AppError> {
    let case = shown(db, row.into_iter().collect(), now).await?.pop();
    case.ok_or(AppError::not_found("case"))
}

/// The decision that counts, if there is one.
pub(super) fn newest(row: &rows::Model) -> Result<Option<Decided>, AppError> {
    let Some(decision) = row.decision.as_deref() else { return Ok(None) };
    Ok(Some(Decided {
        decision: parsed(row.id, decision)?,
        note: row.note.clone(),
        by: row.decided_by.clone().unwrap_or_default(),
        at: Timestamp::from_micros_saturating(row.closed_at.unwrap_or_default()),
    }))
}

fn of_former(row: former::Model) -> Result<Decided, AppError> {
    Ok(Decided {
        decision: parsed(row.case_id, &row.decision)?,
        note: row.note,
        by: row.decided_by,
        at: Timestamp::from_micros_saturating(row.decided_at),
    })
}

fn parsed(case: Uuid, decision: &str) -> Result<Decision, StoreError> {
    decision.parse().map_err(|()| StoreError::Corrupt(format!("case {case}: decision")))
}

impl Decision {
    const ALL: [Decision; 2] = [Decision::Confirmed, Decision::Dismissed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Decision::Confirmed => CONFIRMED,
            Decision::Dismissed => DISMISSED,
        }
    }

    /// What a correction of it says.
    #[must_use]
    pub const fn other(self) -> Decision {
        match self {
            Decision::Confirmed => Decision::Dismissed,
            Decision::Dismissed => Decision::Confirmed,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Decision {
    type Err = ();

    fn from_str(text: &str) -> Result<Decision, ()> {
        Decision::ALL.into_iter().find(|decision| decision.as_str() == text).ok_or(())
    }
}
