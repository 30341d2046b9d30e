use sea_orm::{DbErr, RuntimeErr, SqlxError};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused or failed")]
    Db(#[from] DbErr),
    /// A row does not say what we wrote; somebody else did.
    #[error("a stored row is not readable: {0}")]
    Corrupt(String),
    #[error("the database URL {url:?} is neither sqlite:// nor postgres://")]
    UnknownUrl { url: String },
}

impl StoreError {
    /// True when the same transaction may succeed at another try: a serialization failure, a deadlock, a
    /// busy file, a key that another process wrote first, a lost connection.
    pub fn is_transient(&self) -> bool {
        let StoreError::Db(error) = self else { return false };
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                match error.as_database_error() {
                    Some(answer) => answer.code().is_some_and(|code| is_transient_code(&code)),
                    None => is_lost_connection(error),
                }
            }
            _ => false,
        }
        .max(self.is_unique_violation())
    }

    pub fn is_unique_violation(&self) -> bool {
        let StoreError::Db(error) = self else { return false };
        matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)))
    }
}

/// SQLSTATE classes of PostgreSQL and the primary result codes of SQLite: connection (08), resources
/// (53), stopped by an operator (57P0x) or for idling (25P03), internal (XX), serialization, deadlock, lock; busy, locked.
fn is_transient_code(code: &str) -> bool {
    let classes = ["08", "53", "57P0", "25P03", "XX", "40001", "40P01", "55P03"];
    let is_sqlite_busy = code.parse::<u32>().is_ok_and(|n| code.len() < 5 && matches!(n & 0xff, 5 | 6));
    is_sqlite_busy || (code.len() == 5 && classes.iter().any(|class| code.starts_with(class)))
}

/// The server never answered, or the pool had nothing to ask it with.
fn is_lost_connection(error: &SqlxError) -> bool {
    matches!(
        error,
        SqlxError::Io(_)
            | SqlxError::Protocol(_)
            | SqlxError::Tls(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed
    )
}

#[cfg(test)]
mod tests {
    use super::is_transient_code;

    #[test]
    fn what_may_succeed_at_another_try_is_known_by_its_code() {
        for code in ["40001", "40P01", "57P01", "08006", "53300", "XX000", "5", "6", "261", "517"] {
            assert!(is_transient_code(code), "{code}");
        }
        for code in ["23505", "22P02", "42601", "1", "2067", "19"] {
            assert!(!is_transient_code(code), "{code}");
        }
    }
}
