use kernel::Driver;
use serde::Serialize;

/// One thing wrong with a catalogue document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field} {message}")]
pub struct FieldError {
    /// Where, such as `features.image.generate.models.sdxl.rates[0].credits`.
    pub field: String,
    /// What to do about it; reads on after the field's name.
    pub message: String,
}

/// Why there is no price. Every one of them is the caller's to mend (HTTP 400), and [`PriceError::field`]
/// names the member of the request that it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("is not a feature of this catalogue; known are {}", known.join(", "))]
    UnknownFeature { known: Vec<String> },
    #[error("is not a model of this feature; known are {}", known.join(", "))]
    UnknownModel { known: Vec<String> },
    /// `field` is one of [`crate::OPTION_NAMES`].
    #[error("has no value {value:?} for this model; known are {}", known.join(", "))]
    UnknownOption { field: &'static str, value: String, known: Vec<String> },
    /// `needed_by` is the model whose price cannot be told without the driver.
    #[error("is missing; the price of {needed_by} depends on it")]
    MissingQuantity { driver: Driver, needed_by: String },
    /// Above [`kernel::Credits::INPUT_MAX`], or not to be computed in 128 bits.
    #[error("are too large: the price would exceed a billion credits")]
    TooLarge,
    /// No fault of the request when the plan came from a subscription: the catalogue lost it.
    #[error("is not a plan of this catalogue; known are {}", known.join(", "))]
    UnknownPlan { known: Vec<String> },
}

impl PriceError {
    /// The member of the request, such as `quantities.images`.
    pub fn field(&self) -> String {
        match self {
            PriceError::UnknownFeature { .. } => "feature".to_owned(),
            PriceError::UnknownModel { .. } => "model".to_owned(),
            PriceError::UnknownOption { field, .. } => format!("options.{field}"),
            PriceError::MissingQuantity { driver, .. } => format!("quantities.{driver}"),
            PriceError::TooLarge => "quantities".to_owned(),
            PriceError::UnknownPlan { .. } => "plan".to_owned(),
        }
    }
}
