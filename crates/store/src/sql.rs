//! Row lists in statements: the portable shape on SQLite and the PostgreSQL family is a CTE of VALUES.

use std::fmt::Write as _;

use sea_orm::{DbBackend, Statement, Value};

use crate::connect::Dialect;

/// Bound values one statement may carry: SQLite allows 32,766, PostgreSQL 65,535.
const MAX_VALUES: usize = 30_000;

impl Dialect {
    pub(crate) fn backend(self) -> DbBackend {
        match self {
            Dialect::Sqlite => DbBackend::Sqlite,
            Dialect::Postgres => DbBackend::Postgres,
        }
    }
}

impl Dialect {
    /// The text at a path of names in a column of JSON; NULL where there is none.
    pub(crate) fn json_text(self, column: &str, path: &[&str]) -> String {
        match self {
            Dialect::Sqlite => format!("json_extract({column}, '$.{}')", path.join(".")),
            Dialect::Postgres => format!("CAST({column} AS json) #>> '{{{}}}'", path.join(",")),
        }
    }
}

/// Rows per statement so that `columns` values a row stay within the limit.
pub(crate) fn rows_per_statement(columns: usize) -> usize {
    (MAX_VALUES / columns.max(1)).max(1)
}

/// `WITH v(columns) AS (VALUES …) rest`, one row of values each.
pub(crate) fn with_rows(dialect: Dialect, columns: &[&str], rows: &[Vec<Value>], rest: &str) -> Statement {
    let mut sql = format!("WITH v({}) AS (VALUES ", columns.join(", "));
    let mut n = 0;
    for (i, row) in rows.iter().enumerate() {
        sql.push_str(if i == 0 { "(" } else { ", (" });
        for j in 0..row.len() {
            n += 1;
            let _ = write!(sql, "{}${n}", if j == 0 { "" } else { ", " });
        }
        sql.push(')');
    }
    sql.push_str(") ");
    sql.push_str(rest);
    let values: Vec<Value> = rows.iter().flatten().cloned().collect();
    Statement::from_sql_and_values(dialect.backend(), sql, values)
}

pub(crate) fn statement(dialect: Dialect, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(dialect.backend(), sql, values)
}
