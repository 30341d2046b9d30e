use kernel::{Credits, Money};

use crate::{Catalog, Ratio};

/// Credits sold once for a fixed price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    pub id: String,
    pub name: String,
    pub credits: Credits,
    pub price: Money,
    /// Months from purchase to expiry.
    pub expires_after_months: u32,
}

/// The price of a custom amount of at least `from`: every credit of it costs `price / per`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePrice {
    pub from: Credits,
    pub price: Money,
    /// How many credits `price` pays for; positive.
    pub per: Credits,
    /// Months from purchase to expiry.
    pub expires_after_months: u32,
}

/// The price of a custom amount, rounded half away from zero to the minor unit once.
/// `None`: below the smallest volume that is sold, or more money than fits.
pub fn price_of_credits(catalog: &Catalog, credits: Credits) -> Option<Money> {
    let volume = catalog.volume.iter().rfind(|v| v.from <= credits)?;
    let share = Ratio::new(i128::from(credits.micros()), i128::from(volume.per.micros()))?;
    let minor = share.checked_mul(Ratio::new(i128::from(volume.price.amount), 1)?)?.round_half_away()?;
    Some(Money { amount: i64::try_from(minor).ok()?, currency: volume.price.currency })
}
