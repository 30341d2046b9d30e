use std::cmp::Ordering;

use kernel::Credits;

/// An exact fraction in lowest terms, denominator positive. Every operation is checked:
/// `None` says that the result does not fit, never a wrapped or rounded number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    /// 0
    pub const ZERO: Ratio = Ratio { num: 0, den: 1 };
    /// 1
    pub const ONE: Ratio = Ratio { num: 1, den: 1 };

    /// `num / den`; `None` for a denominator that is not positive.
    #[must_use]
    pub fn new(num: i128, den: i128) -> Option<Ratio> {
        if den <= 0 {
            return None;
        }
        let divisor = gcd(num, den)?;
        Some(Ratio { num: quotient(num, divisor), den: quotient(den, divisor) })
    }

    /// A number counted in millionths, as [`kernel::Amount`] and [`kernel::Credits`] count.
    #[must_use]
    pub fn millionths(millionths: i64) -> Ratio {
        Ratio::new(i128::from(millionths), 1_000_000).unwrap_or(Ratio::ZERO)
    }

    /// `self × other`
    #[must_use]
    pub fn checked_mul(self, other: Ratio) -> Option<Ratio> {
        // Reducing crosswise first keeps the products as small as they can be.
        let left = gcd(self.num, other.den)?;
        let right = gcd(other.num, self.den)?;
        let num = quotient(self.num, left).checked_mul(quotient(other.num, right))?;
        let den = quotient(self.den, right).checked_mul(quotient(other.den, left))?;
        // Both were in lowest terms, and what they shared crosswise is gone.
        Some(Ratio { num, den })
    }

    /// `self + other`
    #[must_use]
    pub fn checked_add(self, other: Ratio) -> Option<Ratio> {
        let shared = gcd(self.den, other.den)?;
        let left = self.num.checked_mul(quotient(other.den, shared))?;
        let right = other.num.checked_mul(quotient(self.den, shared))?;
        Ratio::new(left.checked_add(right)?, self.den.checked_mul(quotient(other.den, shared))?)
    }

    /// `self - other`
    #[must_use]
    pub fn checked_sub(self, other: Ratio) -> Option<Ratio> {
        self.checked_add(Ratio { num: other.num.checked_neg()?, den: other.den })
    }

    /// `self` in units of `1 / units`, rounded down.
    #[must_use]
    pub fn floor_in(self, units: i128) -> Option<i128> {
        let scaled = self.checked_mul(Ratio { num: units, den: 1 })?;
        Some(scaled.num.div_euclid(scaled.den))
    }

    /// The nearest whole number; halves go away from zero.
    #[must_use]
    pub fn round_half_away(self) -> Option<i128> {
        let (whole, rest) = (self.num / self.den, self.num % self.den);
        // rest ≥ den − rest is "at least a half" without doubling, which could overflow.
        let up = rest.unsigned_abs() >= self.den.unsigned_abs() - rest.unsigned_abs();
        if up && rest != 0 { whole.checked_add(self.num.signum()) } else { Some(whole) }
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.num == 0
    }

    #[must_use]
    pub fn is_one(self) -> bool {
        self == Ratio::ONE
    }

    /// How the two compare; `None` when the comparison itself does not fit.
    #[must_use]
    pub fn checked_cmp(self, other: Ratio) -> Option<Ordering> {
        Some(self.checked_sub(other)?.num.cmp(&0))
    }

    /// Decimal text with at most `max_digits` after the point, cut and marked with `…` when there are more.
    #[must_use]
    pub fn decimal(self, max_digits: usize) -> String {
        if let Some(micros) = self.as_millionths().filter(|_| max_digits >= 6) {
            let mut text = String::new();
            Credits::from_micros(micros).push_to(&mut text);
            return text;
        }
        let sign = if self.num < 0 { "-" } else { "" };
        let (num, den) = (self.num.unsigned_abs(), self.den.unsigned_abs());
        let (whole, mut rest) = divided(num, den);
        let mut text = format!("{sign}{whole}");
        let point = text.len();
        for _ in 0..max_digits {
            let Some(next) = rest.checked_mul(10).filter(|next| *next != 0) else { break };
            if text.len() == point {
                text.push('.');
            }
            let (digit, left) = divided(next, den);
            text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
            rest = left;
        }
        if rest != 0 {
            text.push('…');
        }
        text
    }

    /// When six digits after the point are enough, as they are for most prices.
    fn as_millionths(self) -> Option<i64> {
        let den = i64::try_from(self.den).ok()?;
        let scale = (1_000_000 % den == 0).then_some(1_000_000 / den)?;
        i64::try_from(self.num).ok()?.checked_mul(scale)
    }
}

impl Default for Ratio {
    fn default() -> Ratio {
        Ratio::ZERO
    }
}

/// The greatest common divisor, at least 1; `None` when it does not fit.
fn gcd(a: i128, b: i128) -> Option<i128> {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    if let (Ok(a), Ok(b)) = (u64::try_from(a), u64::try_from(b)) {
        return Some(i128::from(gcd_of_words(a, b)));
    }
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a.max(1)).ok()
}

/// Nearly always numbers are this small. By halving, since a division takes as long as many of these steps.
fn gcd_of_words(mut a: u64, mut b: u64) -> u64 {
    if a == 0 || b == 0 {
        return (a | b).max(1);
    }
    // Whole units and equal denominators end here, and what is left begins small.
    (a, b) = (a.max(b) % a.min(b), a.min(b));
    if a == 0 {
        return b;
    }
    let twos = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        (a, b) = (a.min(b), a.abs_diff(b));
    }
    a << twos
}

/// By a positive number.
fn quotient(number: i128, by: i128) -> i128 {
    match (by, i64::try_from(number), i64::try_from(by)) {
        (1, ..) => number,
        // Dividing 128 bits takes several times as long.
        (_, Ok(number), Ok(by)) => i128::from(number / by),
        _ => number / by,
    }
}

/// Quotient and rest.
fn divided(number: u128, by: u128) -> (u128, u128) {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => (u128::from(number / by), u128::from(number % by)),
        _ => (number / by, number % by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ratio(num: i128, den: i128) -> Ratio {
        Ratio::new(num, den).unwrap()
    }

    #[test]
    fn halves_round_away_from_zero() {
        let cases =
            [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (5, 2, 3), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (4, 2, 2)];
        for (num, den, expected) in cases {
            assert_eq!(ratio(num, den).round_half_away(), Some(expected), "{num}/{den}");
        }
        assert_eq!(ratio(i128::MAX, 2).round_half_away(), Some(i128::MAX / 2 + 1));
    }

    #[test]
    fn decimals_say_when_they_were_cut() {
        assert_eq!(ratio(5, 3).decimal(6), "1.666666…");
        assert_eq!(ratio(6, 5).decimal(6), "1.2");
        assert_eq!(ratio(-1, 8).decimal(6), "-0.125");
        assert_eq!(ratio(1, 10_000_000).decimal(6), "0.000000…");
        assert_eq!(ratio(7, 1).decimal(0), "7");
        assert_eq!(ratio(3, 2).decimal(0), "1…");
        assert_eq!(ratio(-5, 4).decimal(6), "-1.25");
        assert_eq!(ratio(-5, 4).decimal(1), "-1.2…");
        assert_eq!(ratio(i128::MAX, 1).decimal(6), i128::MAX.to_string());
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let huge = ratio(i128::MAX, 1);
        assert_eq!(huge.checked_mul(huge), None);
        assert_eq!(huge.checked_add(Ratio::ONE), None);
        assert_eq!(ratio(1, i128::MAX).checked_add(ratio(1, i128::MAX - 1)), None);
        assert_eq!(Ratio::new(1, 0), None);
        assert_eq!(Ratio::new(1, -1), None);
    }

    fn euclid(a: i128, b: i128) -> i128 {
        if b == 0 { a } else { euclid(b, a % b) }
    }

    proptest! {
        #[test]
        fn fractions_are_in_lowest_terms(a: i64, b in 1..i64::MAX, shared in 1..1_000_000i64) {
            let (num, den) = (i128::from(a) * i128::from(shared), i128::from(b) * i128::from(shared));
            for (num, den) in [(i128::from(a), i128::from(b)), (num, den), (i128::from(shared), 1_000_000)] {
                let lowest = ratio(num, den);
                prop_assert_eq!(euclid(lowest.num.abs(), lowest.den), 1);
                prop_assert_eq!(num * (lowest.den / euclid(lowest.den, den)), lowest.num * (den / euclid(lowest.den, den)));
            }
        }

        #[test]
        fn arithmetic_agrees_with_cross_multiplication(
            a in -1000i128..1000, b in 1i128..1000, c in -1000i128..1000, d in 1i128..1000,
        ) {
            let (x, y) = (ratio(a, b), ratio(c, d));
            prop_assert_eq!(x.checked_add(y), Ratio::new(a * d + c * b, b * d));
            prop_assert_eq!(x.checked_sub(y), Ratio::new(a * d - c * b, b * d));
            prop_assert_eq!(x.checked_mul(y), Ratio::new(a * c, b * d));
            prop_assert_eq!(x.checked_cmp(y), Some((a * d).cmp(&(c * b))));
            prop_assert_eq!(x.floor_in(7), Some((a * 7).div_euclid(b)));
        }

        #[test]
        fn no_input_panics(a: i128, b: i128, c: i128, d: i128) {
            let (Some(x), Some(y)) = (Ratio::new(a, b), Ratio::new(c, d)) else { return Ok(()) };
            let _ = (x.checked_add(y), x.checked_sub(y), x.checked_mul(y), x.checked_cmp(y));
            let _ = (x.floor_in(1_000_000), x.round_half_away(), x.decimal(6));
        }
    }
}
