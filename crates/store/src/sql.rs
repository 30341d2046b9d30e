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
    let values = values(dialect, columns.len(), rows.len());
    let sql = format!("WITH v({}) AS ({values}) {rest}", columns.join(", "));
    Statement::from_sql_and_values(dialect.backend(), sql, rows.iter().flatten().cloned())
}

/// `VALUES (…), (…)` with a placeholder for each value. On SQLite they have no numbers: it would look up
/// every name in a list of all the others.
pub(crate) fn values(dialect: Dialect, columns: usize, rows: usize) -> String {
    let mut sql = String::from("VALUES ");
    for n in 0..rows * columns {
        sql.push_str(match (n, n % columns) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        });
        match dialect {
            Dialect::Sqlite => sql.push('?'),
            Dialect::Postgres => {
                let _ = write!(sql, "${}", n + 1);
            }
        }
    }
    sql.push(')');
    sql
}

pub(crate) fn statement(dialect: Dialect, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(dialect.backend(), sql, values)
}
