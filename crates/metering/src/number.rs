use kernel::{Amount, AmountError};
use serde_json::Value;

/// Digits after the point that an [`Amount`] holds.
const AMOUNT_DIGITS: usize = 6;

/// A quantity as reporters write it: a JSON number, or the same as text, which OpenMeter's clients send.
///
/// What is finer than a millionth is cut off, in the customer's favour: measured seconds arrive with
/// all the digits that the reporter's clock has.
pub(crate) fn read_amount(value: &Value) -> Result<Amount, AmountError> {
    match value {
        Value::String(text) => cut(text.trim()).parse(),
        Value::Number(number) => match number.as_f64() {
            // Integers keep their own text; floats their shortest, without an exponent.
            Some(float) if number.is_f64() => cut(&format!("{float}")).parse(),
            _ => number.to_string().parse(),
        },
        _ => Err(AmountError::NotDecimal),
    }
}

fn cut(text: &str) -> &str {
    let end = text.find('.').map_or(text.len(), |point| point + 1 + AMOUNT_DIGITS);
    let is_digits = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit());
    match text.get(end..) {
        Some(rest) if is_digits(rest) => &text[..end],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn numbers_and_numeric_texts_mean_the_same() {
        let cases = [
            (json!(0), "0"),
            (json!("0"), "0"),
            (json!(12), "12"),
            (json!("12"), "12"),
            (json!(" 12 "), "12"),
            (json!(12.0), "12"),
            (json!("12.50"), "12.5"),
            (json!(0.1), "0.1"),
            (json!(1.23456789), "1.234567"),
            (json!("1.2345679999"), "1.234567"),
            (json!(1e-9), "0"),
            (json!(1e12), "1000000000000"),
        ];
        for (value, amount) in cases {
            assert_eq!(read_amount(&value).map(|a| a.to_string()), Ok(amount.to_owned()), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for value in [
            json!("12 tokens"),
            json!(""),
            json!("1e3"),
            json!("1.2345678x"),
            json!("1."),
            json!(true),
            json!([1]),
        ] {
            assert_eq!(read_amount(&value), Err(AmountError::NotDecimal), "{value}");
        }
        assert_eq!(read_amount(&json!(-1)), Err(AmountError::Negative));
        assert_eq!(read_amount(&json!("-0.5")), Err(AmountError::Negative));
        for value in [json!(1e13), json!(u64::MAX), json!(1e300), json!("99999999999999999999999")] {
            assert!(matches!(read_amount(&value), Err(AmountError::TooLarge(_))), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,20}", number: f64) {
            let _ = (read_amount(&json!(text)), read_amount(&json!(number)));
        }
    }
}
