use kernel::{Credits, MICROS_PER_CREDIT, Quantities};

use crate::formula;
use crate::multiplier::Multiplier;
use crate::price::fits;
use crate::rate::amount_ratio;
use crate::{PriceError, PriceLine, Rate, Ratio};

/// The running total of a price, exact, with a line for every step if somebody reads them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    exact: Ratio,
    lines: Option<Lines>,
    pub minimum: Option<Credits>,
    pub total: Credits,
    pub is_rounded: bool,
}

/// Lines are whole micro-credits although steps are exact: a line is the difference between the
/// running total before and after it, each rounded down. So the lines always add up to the exact total
/// rounded down, and the one real rounding is what the last line shows.
#[derive(Debug, Default)]
struct Lines {
    all: Vec<PriceLine>,
    shown: Credits,
}

/// Label and detail of a line.
type Words = (String, String);

impl Tally {
    pub fn with_lines() -> Tally {
        Tally { lines: Some(Lines::default()), ..Tally::default() }
    }

    /// One line per tier that the quantity reaches. Lines without a quantity are left out.
    pub fn add_rate(&mut self, rate: &Rate, quantities: &Quantities) -> Result<(), PriceError> {
        let quantity = quantities.get(rate.driver).unwrap_or_default();
        for (tier, part) in rate.slices(quantity).filter(|(_, part)| part.millionths() > 0) {
            let mut credits = fits(amount_ratio(part, rate.per))?;
            credits = fits(credits.checked_mul(Ratio::millionths(tier.credits.micros())))?;
            for factor in &rate.factors {
                credits = fits(factor.value(quantities).and_then(|f| credits.checked_mul(f)))?;
            }
            self.add(credits, || {
                (formula::label(rate, tier), formula::detail(rate, tier, part, quantities))
            })?;
        }
        Ok(())
    }

    /// A line for what the factor adds or takes away.
    pub fn multiply(&mut self, multiplier: &Multiplier) -> Result<(), PriceError> {
        let delta = fits(multiplier.factor.checked_sub(Ratio::ONE))?;
        let delta = fits(self.exact.checked_mul(delta))?;
        self.add(delta, || {
            let label = format!("{}: {}", multiplier.label, multiplier.short);
            (label, format!("× {}", multiplier.factor.decimal(6)))
        })
    }

    /// Multiplies the total without a line for it.
    pub fn scale(&mut self, factor: Ratio) -> Result<(), PriceError> {
        if !factor.is_one() {
            self.exact = fits(self.exact.checked_mul(factor))?;
        }
        Ok(())
    }

    /// Lifts the total to `minimum`, unless nothing at all was used.
    pub fn raise_to(&mut self, minimum: Credits) -> Result<(), PriceError> {
        if minimum.is_zero() || self.exact.is_zero() {
            return Ok(());
        }
        let missing = fits(Ratio::millionths(minimum.micros()).checked_sub(self.exact))?;
        if missing.checked_cmp(Ratio::ZERO) != Some(std::cmp::Ordering::Greater) {
            return Ok(());
        }
        self.minimum = Some(minimum);
        self.add(missing, || ("Minimum charge".to_owned(), format!("at least {minimum} per request")))
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
        if let Some(lines) = self.lines.as_mut().filter(|_| self.is_rounded) {
            lines.reach(self.total, || {
                ("Rounding".to_owned(), format!("{} to the nearest {step}", self.exact.decimal(9)))
            })?;
        }
        Ok(self.total)
    }

    pub fn into_lines(self) -> Vec<PriceLine> {
        self.lines.unwrap_or_default().all
    }

    fn add(&mut self, credits: Ratio, words: impl FnOnce() -> Words) -> Result<(), PriceError> {
        self.exact = fits(self.exact.checked_add(credits))?;
        let Some(lines) = &mut self.lines else { return Ok(()) };
        let micros = self.exact.floor_in(i128::from(MICROS_PER_CREDIT)).ok_or(PriceError::TooLarge)?;
        lines.reach(Credits::from_micros(i64::try_from(micros).map_err(|_| PriceError::TooLarge)?), words)
    }
}

impl Lines {
    /// A line for the way to this total.
    fn reach(&mut self, total: Credits, words: impl FnOnce() -> Words) -> Result<(), PriceError> {
        let credits = total.checked_sub(self.shown).ok_or(PriceError::TooLarge)?;
        self.shown = total;
        let (label, detail) = words();
        self.all.push(PriceLine { label, detail, credits });
        Ok(())
    }
}
