//! Models that need no labels: how unusual is a row among the rows the model was fitted on?

mod columns;
mod ecod;
mod ensemble;
mod forest;
mod hbos;
mod mixture;
mod principal;
mod seed;

pub use columns::Columns;
pub use ecod::Ecod;
pub use ensemble::Ensemble;
pub use forest::Forest;
pub use hbos::Hbos;
pub use mixture::Mixture;
pub use principal::Principal;
pub use seed::Seed;

/// Fewer rows than this say nothing about what is usual.
pub const MIN_ROWS: usize = 16;

/// Why a model could not be fitted. The model in use stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error(
        "a model needs at least {MIN_ROWS} rows, there are {rows}; keep the old model until there are more"
    )]
    TooFewRows { rows: usize },
    #[error("no column varies over the {rows} rows, so no row is unusual; keep the old model")]
    NothingVaries { rows: usize },
    #[error("the mixture failed with every regularisation and number of components; last: {last}")]
    Mixture { last: String },
    #[error("the principal components failed: {0}")]
    Principal(String),
    #[error("the logistic regression failed: {0}")]
    Logistic(String),
}
