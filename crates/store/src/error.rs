use sea_orm::DbErr;

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
        if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
            return true;
        }
        let text = error.to_string();
        ["40001", "40P01", "55P03", "57P0", "database is locked", "database table is locked", "connection"]
            .iter()
            .any(|mark| text.contains(mark))
            || self.is_unique_violation()
    }

    pub fn is_unique_violation(&self) -> bool {
        let StoreError::Db(error) = self else { return false };
        matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)))
    }
}
