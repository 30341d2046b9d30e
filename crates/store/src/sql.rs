//! Row lists in statements: a CTE of VALUES, or of arrays where the database has them.

use std::fmt::Write as _;

use sea_orm::sea_query::ArrayType;
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

    /// What follows `JOIN`: the rows of `table` that `on` finds for each row before it. PostgreSQL plans the engine's
    /// statements once, and with a plan that was made while a table was empty it would go on to read all of it and
    /// compare; so it has no other way than one row after the other.
    pub(crate) fn each(self, table: &str, name: &str, on: &str) -> String {
        match self {
            Dialect::Sqlite => format!("{table} {name} ON {on}"),
            Dialect::Postgres => {
                format!("LATERAL (SELECT * FROM {table} {name} WHERE {on} OFFSET 0) {name} ON TRUE")
            }
        }
    }
}

/// Rows per statement so that `columns` values a row stay within the limit.
pub(crate) fn rows_per_statement(columns: usize) -> usize {
    (MAX_VALUES / columns.max(1)).max(1)
}

/// `WITH v(columns) AS (rows) rest`. On PostgreSQL the rows are arrays, one a column, so that the text is the
/// same for any number of rows and a connection plans it once. An empty text is no null: `rest` says
/// `nullif(v.name, '')` where a column may lack a value.
pub(crate) fn with_rows(dialect: Dialect, columns: &[&str], rows: &[Vec<Value>], rest: &str) -> Statement {
    let names = columns.join(", ");
    let arrays = match dialect {
        Dialect::Sqlite => None,
        Dialect::Postgres => arrays(columns.len(), rows),
    };
    if let Some((types, arrays)) = arrays {
        let placeholders: Vec<String> =
            types.iter().enumerate().map(|(n, kind)| format!("${}::{kind}[]", n + 1)).collect();
        let sql = format!("WITH v({names}) AS (SELECT * FROM unnest({})) {rest}", placeholders.join(", "));
        return Statement::from_sql_and_values(dialect.backend(), sql, arrays);
    }
    let values = values(dialect, columns.len(), rows.len());
    let sql = format!("WITH v({names}) AS ({values}) {rest}");
    Statement::from_sql_and_values(dialect.backend(), sql, rows.iter().flatten().cloned())
}

/// The rows by columns, with PostgreSQL's names of their types. `None` when a column has a null or values of
/// two types, which an array cannot hold.
fn arrays(columns: usize, rows: &[Vec<Value>]) -> Option<(Vec<&'static str>, Vec<Value>)> {
    let mut types = Vec::with_capacity(columns);
    let mut arrays = Vec::with_capacity(columns);
    for column in 0..columns {
        let (kind, name) = element(rows.first()?.get(column)?)?;
        let mut elements = Vec::with_capacity(rows.len());
        for row in rows {
            let value = row.get(column).filter(|value| element(value).is_some_and(|of| of.1 == name))?;
            elements.push(value.clone());
        }
        types.push(name);
        arrays.push(Value::Array(kind, Some(Box::new(elements))));
    }
    Some((types, arrays))
}

fn element(value: &Value) -> Option<(ArrayType, &'static str)> {
    match value {
        Value::Bool(Some(_)) => Some((ArrayType::Bool, "boolean")),
        Value::SmallInt(Some(_)) => Some((ArrayType::SmallInt, "smallint")),
        Value::BigInt(Some(_)) => Some((ArrayType::BigInt, "bigint")),
        Value::String(Some(_)) => Some((ArrayType::String, "text")),
        Value::Uuid(Some(_)) => Some((ArrayType::Uuid, "uuid")),
        _ => None,
    }
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
