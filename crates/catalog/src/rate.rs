use std::collections::BTreeMap;

use kernel::{Amount, Credits, Driver, Quantities};

use crate::{PriceError, Ratio};

/// The options that a price can depend on (rules.md, "Quantities, context, options").
pub const OPTION_NAMES: [&str; 4] = ["codec", "style", "quality", "operation"];

/// One model of a feature and how its price is made: the sum of its rates, times the factors of the
/// options, the prompt's complexity, the plan and the hour, but at least the minimum.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Such as `sdxl`.
    pub id: String,
    pub name: String,
    /// Never empty.
    pub rates: Vec<Rate>,
    /// What a request that leaves a quantity out is taken to mean.
    pub defaults: Quantities,
    /// What a quantity that was left out can grow to; makes `credits_max`.
    pub max: Quantities,
    /// How much dearer than expected a request can become; makes `credits_max`. One or more.
    pub max_factor: Ratio,
    /// The least that a request costs that used anything at all; zero for none.
    pub minimum: Credits,
    /// Option name → value → factor. Values that are not listed are refused; an option without a table
    /// does not change the price.
    pub options: BTreeMap<&'static str, BTreeMap<String, Ratio>>,
    /// (score from which on, factor), ascending; empty when the prompt does not matter.
    pub complexity: Vec<(u8, Ratio)>,
}

/// credits × (driver / per) × factors, in graduated tiers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    pub driver: Driver,
    /// How much of the driver the tiers' credits pay for; positive.
    pub per: Amount,
    /// Ascending, never empty; the last one has no end.
    pub tiers: Vec<Tier>,
    pub factors: Vec<Factor>,
}

/// The part of one request's quantity up to `up_to` costs `credits`, the rest belongs to the next tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    pub up_to: Option<Amount>,
    pub credits: Credits,
}

/// A product of driver / base, such as width/1024 × height/1024. Bases are positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor(pub Vec<(Driver, Amount)>);

impl Model {
    /// All drivers that the price depends on; other quantities of a request do not matter to it.
    pub fn drivers(&self) -> impl Iterator<Item = Driver> + '_ {
        self.rates.iter().flat_map(Rate::drivers)
    }

    /// The quantities that the price is made of, with defaults filled in. Everything else that was
    /// given stays in: usage reports carry more than one price needs, and a receipt shows what was said.
    pub(crate) fn fill(&self, given: &Quantities) -> Result<Quantities, PriceError> {
        self.require_a_charged_driver(given)?;
        let mut filled = given.clone();
        for driver in self.drivers().filter(|d| given.get(*d).is_none()) {
            let missing = || PriceError::MissingQuantity { driver, needed_by: self.id.clone() };
            filled.set(driver, self.default_of(driver).ok_or_else(missing)?);
        }
        Ok(filled)
    }

    /// The quantities at their worst: what was left out is as large as the card says it can be.
    pub(crate) fn fill_worst(&self, given: &Quantities, filled: &Quantities) -> Quantities {
        let mut worst = filled.clone();
        for (driver, max) in self.max.iter().filter(|(d, _)| given.get(*d).is_none()) {
            worst.set(driver, worst.get(driver).map_or(max, |expected| expected.max(max)));
        }
        worst
    }

    /// Defaults alone do not make a price: something that is charged for must have been said.
    fn require_a_charged_driver(&self, given: &Quantities) -> Result<(), PriceError> {
        let is_said = |rate: &Rate| rate.driver == Driver::Requests || given.get(rate.driver).is_some();
        match self.rates.first() {
            Some(first) if !self.rates.iter().any(is_said) => {
                Err(PriceError::MissingQuantity { driver: first.driver, needed_by: self.id.clone() })
            }
            _ => Ok(()),
        }
    }

    /// One ask is one request, so that quantity is known without being said.
    fn default_of(&self, driver: Driver) -> Option<Amount> {
        let implied = if driver == Driver::Requests { Amount::whole(1) } else { None };
        self.defaults.get(driver).or(implied)
    }
}

impl Rate {
    pub fn drivers(&self) -> impl Iterator<Item = Driver> + '_ {
        let factors = self.factors.iter().flat_map(|f| f.0.iter().map(|(driver, _)| *driver));
        std::iter::once(self.driver).chain(factors)
    }

    /// The tiers that `quantity` reaches, each with its part of it. A quantity of zero is in the first.
    pub(crate) fn slices(&self, quantity: Amount) -> impl Iterator<Item = (&Tier, Amount)> {
        let mut start = 0;
        self.tiers.iter().enumerate().filter_map(move |(n, tier)| {
            let end = tier.up_to.map_or(quantity.millionths(), |a| a.millionths().min(quantity.millionths()));
            let part = end - start;
            start = end.max(start);
            (part > 0 || n == 0).then(|| (tier, Amount::from_millionths(part).unwrap_or(Amount::ZERO)))
        })
    }
}

impl Factor {
    /// Whether it measures a picture's area, which reads best beside the base price.
    pub(crate) fn is_size(&self) -> bool {
        matches!(self.0.as_slice(), [(Driver::Width, _), (Driver::Height, _)])
    }

    /// The product; `None` when it does not fit or a quantity is not there.
    pub(crate) fn value(&self, quantities: &Quantities) -> Option<Ratio> {
        self.0.iter().try_fold(Ratio::ONE, |product, (driver, base)| {
            let amount = quantities.get(*driver)?;
            product.checked_mul(amount_ratio(amount, *base)?)
        })
    }
}

pub(crate) fn amount_ratio(amount: Amount, base: Amount) -> Option<Ratio> {
    Ratio::new(i128::from(amount.millionths()), i128::from(base.millionths()))
}
