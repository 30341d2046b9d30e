use kernel::{Credits, MICROS_PER_CREDIT, Quantities};

use crate::formula;
use crate::multiplier::Multiplier;
use crate::price::fits;
use crate::rate::amount_ratio;
use crate::{PriceError, PriceLine, Rate, Ratio};

/// The running total of a price, exact, with a line for every step.
///
/// Lines are whole micro-credits although steps are exact: a line is the difference between the
/// running total before and after it, each rounded down. So the lines always add up to the exact total
/// rounded down, and the one real rounding is what the last line shows.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    exact: Ratio,
    shown: Credits,
    lines: Vec<PriceLine>,
    pub minimum: Option<Credits>,
    pub total: Credits,
    pub is_rounded: bool,
}

impl Tally {
    /// One line per tier that the quantity reaches. Lines without a quantity are left out.
    pub fn add_rate(&mut self, rate: &Rate, quantities: &Quantities) -> Result<(), PriceError> {
        let quantity = quantities.get(rate.driver).unwrap_or_default();
        for (tier, part) in rate.slices(quantity).filter(|(_, part)| part.millionths() > 0) {
            let mut credits = fits(amount_ratio(part, rate.per))?;
            credits = fits(credits.checked_mul(Ratio::millionths(tier.credits.micros())))?;
            for factor in &rate.factors {
                credits = fits(factor.value(quantities).and_then(|f| credits.checked_mul(f)))?;
            }
            self.add(formula::label(rate, tier), formula::detail(rate, tier, part, quantities), credits)?;
        }
        Ok(())
    }

    /// A line for what the factor adds or takes away.
    pub fn multiply(&mut self, multiplier: &Multiplier) -> Result<(), PriceError> {
        let delta = fits(multiplier.factor.checked_sub(Ratio::ONE))?;
        let delta = fits(self.exact.checked_mul(delta))?;
        let label = format!("{}: {}", multiplier.label, multiplier.short);
        self.add(label, format!("× {}", multiplier.factor.decimal(6)), delta)
    }

    /// Lifts the total to `minimum`, unless nothing at all was used.
    pub fn raise_to(&mut self, minimum: Credits) -> Result<(), PriceError> {
        let missing = fits(Ratio::millionths(minimum.micros()).checked_sub(self.exact))?;
        let is_short = missing.checked_cmp(Ratio::ZERO) == Some(std::cmp::Ordering::Greater);
        if self.exact.is_zero() || !is_short {
            return Ok(());
        }
        self.minimum = Some(minimum);
        self.add("Minimum charge".to_owned(), format!("at least {minimum} per request"), missing)
    }

    /// Rounds the total, half away from zero, to a multiple of `step`; a last line shows what it changed.
    pub fn round(&mut self, step: Credits) -> Result<Credits, PriceError> {
        let too_large = || PriceError::TooLarge;
        let per_credit = i128::from(MICROS_PER_CREDIT);
        let scale = Ratio::new(per_credit, i128::from(step.micros())).ok_or_else(too_large)?;
        let steps = fits(self.exact.checked_mul(scale))?.round_half_away().ok_or_else(too_large)?;
        let micros = steps.checked_mul(i128::from(step.micros())).ok_or_else(too_large)?;
        self.total = Credits::from_micros(i64::try_from(micros).map_err(|_| too_large())?);
        if self.total > Credits::INPUT_MAX {
            return Err(too_large());
        }
        self.is_rounded = self.exact != Ratio::millionths(self.total.micros());
        if self.is_rounded {
            self.push_rounding(step)?;
        }
        Ok(self.total)
    }

    pub fn into_lines(self) -> Vec<PriceLine> {
        self.lines
    }

    fn add(&mut self, label: String, detail: String, credits: Ratio) -> Result<(), PriceError> {
        self.exact = fits(self.exact.checked_add(credits))?;
        let micros = self.exact.floor_in(i128::from(MICROS_PER_CREDIT)).ok_or(PriceError::TooLarge)?;
        let reached = Credits::from_micros(i64::try_from(micros).map_err(|_| PriceError::TooLarge)?);
        let credits = reached.checked_sub(self.shown).ok_or(PriceError::TooLarge)?;
        self.shown = reached;
        self.lines.push(PriceLine { label, detail, credits });
        Ok(())
    }

    fn push_rounding(&mut self, step: Credits) -> Result<(), PriceError> {
        let credits = self.total.checked_sub(self.shown).ok_or(PriceError::TooLarge)?;
        let detail = format!("{} to the nearest {step}", self.exact.decimal(9));
        self.lines.push(PriceLine { label: "Rounding".to_owned(), detail, credits });
        Ok(())
    }
}
