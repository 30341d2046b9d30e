//! Rows by the UTC day on which they came.

use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::sql::statement;
use crate::{Store, StoreError};

const DAY_MICROS: i64 = 86_400_000_000;

/// What is counted: rows of a table, all of them or those of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Customers,
    OpenProblems,
    OpenCases,
    FailedEvents,
    FailedWork,
    FailedMails,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct OnDay {
    /// Days since 1970.
    pub day: i64,
    pub rows: i64,
}

impl Counted {
    /// (table, when a row came, the state it must be in)
    fn place(self) -> (&'static str, &'static str, Option<&'static str>) {
        use super::{mails, problems, queue, risk};
        match self {
            Counted::Customers => ("customers", "created_at", None),
            Counted::OpenProblems => ("problems", "created_at", Some(problems::OPEN)),
            Counted::OpenCases => ("risk_cases", "opened_at", Some(risk::cases::OPEN)),
            Counted::FailedEvents => ("inbox", "received_at", Some(queue::FAILED)),
            Counted::FailedWork => ("outbox", "created_at", Some(queue::FAILED)),
            Counted::FailedMails => ("mails", "created_at", Some(mails::FAILED)),
        }
    }
}

/// Those that came at `since` or later, oldest day first; days without any are left out.
pub async fn counted(store: &Store, what: Counted, since: i64) -> Result<Vec<OnDay>, StoreError> {
    let (table, at, state) = what.place();
    let mut values: Vec<Value> = vec![since.into()];
    let mut sql =
        format!("SELECT {at} / {DAY_MICROS} AS day, COUNT(*) AS rows FROM {table} WHERE {at} >= $1");
    if let Some(state) = state {
        sql.push_str(" AND state = $2");
        values.push(state.into());
    }
    sql.push_str(" GROUP BY 1 ORDER BY 1");
    let rows = store.reader().query_all_raw(statement(store.dialect(), &sql, values)).await?;
    Ok(rows.iter().map(|row| OnDay::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
