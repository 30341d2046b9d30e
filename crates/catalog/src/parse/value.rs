//! Readers of single values. An error is what to do, to be read after the field's name.

use std::str::FromStr;

use kernel::{Amount, AmountError, Credits, Currency, Money};
use toml::Value;

use crate::Ratio;

/// The longest name, id or description.
const TEXT_MAX_CHARS: usize = 500;
/// The longest time that packs can live, ten years.
const MONTHS_MAX: u32 = 120;

pub(super) fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("must be text")?;
    if text.trim().is_empty() || text.chars().count() > TEXT_MAX_CHARS {
        return Err(format!("must have 1 to {TEXT_MAX_CHARS} characters"));
    }
    Ok(text.to_owned())
}

pub(super) fn texts(value: &Value) -> Result<Vec<String>, String> {
    value.as_array().ok_or("must be a list of texts")?.iter().map(text).collect()
}

pub(super) fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// Not negative, at most [`Credits::INPUT_MAX`].
pub(super) fn credits(value: &Value) -> Result<Credits, String> {
    let credits: Credits = decimal(value)?;
    if credits.is_negative() { Err("must not be negative".to_owned()) } else { Ok(credits) }
}

pub(super) fn positive_credits(value: &Value) -> Result<Credits, String> {
    credits(value).and_then(|c| if c.is_zero() { Err("must be more than zero".to_owned()) } else { Ok(c) })
}

pub(super) fn amount(value: &Value) -> Result<Amount, String> {
    decimal(value)
}

pub(super) fn positive_amount(value: &Value) -> Result<Amount, String> {
    amount(value)
        .and_then(|a| if a == Amount::ZERO { Err("must be more than zero".to_owned()) } else { Ok(a) })
}

/// Zero makes things free.
pub(super) fn factor(value: &Value) -> Result<Ratio, String> {
    amount(value).map(|a| Ratio::millionths(a.millionths()))
}

/// A positive whole number.
pub(super) fn count(value: &Value) -> Result<u32, String> {
    let number = value.as_integer().and_then(|n| u32::try_from(n).ok());
    number
        .filter(|n| *n > 0)
        .ok_or_else(|| "must be a whole number of 1 or more; leave it out for no limit".to_owned())
}

pub(super) fn months(value: &Value) -> Result<u32, String> {
    let months = value.as_integer().and_then(|n| u32::try_from(n).ok());
    months
        .filter(|n| (1..=MONTHS_MAX).contains(n))
        .ok_or_else(|| format!("must be a whole number of months from 1 to {MONTHS_MAX}"))
}

pub(super) fn hour(value: &Value, min: u8, max: u8) -> Result<u8, String> {
    let hour = value.as_integer().and_then(|n| u8::try_from(n).ok());
    hour.filter(|h| (min..=max).contains(h)).ok_or_else(|| format!("must be an hour from {min} to {max}"))
}

/// `+01:00`, `-05:30`; as minutes.
pub(super) fn utc_offset(value: &Value) -> Result<i16, String> {
    let wrong = || "must be an offset from UTC such as \"+01:00\", at most 14 hours".to_owned();
    let text = value.as_str().filter(|t| t.is_ascii() && t.len() == 6).ok_or_else(wrong)?;
    let sign = match &text[..1] {
        "+" => 1,
        "-" => -1,
        _ => return Err(wrong()),
    };
    let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse::<i16>().map_err(|_| wrong()),
        false => Err(wrong()),
    };
    let (hours, minutes) = (number(&text[1..3])?, number(&text[4..6])?);
    let is_offset = &text[3..4] == ":" && minutes < 60 && hours * 60 + minutes <= 14 * 60;
    if is_offset { Ok(sign * (hours * 60 + minutes)) } else { Err(wrong()) }
}

/// `{ amount = 4500, currency = "usd" }`, amount in minor units and not negative.
pub(super) fn money(value: &Value) -> Result<Money, String> {
    let wrong =
        || "must be money such as { amount = 4500, currency = \"usd\" }, amount in minor units".to_owned();
    let table = value.as_table().filter(|t| t.len() == 2).ok_or_else(wrong)?;
    let amount = table.get("amount").and_then(Value::as_integer).filter(|a| *a >= 0).ok_or_else(wrong)?;
    let currency = table.get("currency").and_then(Value::as_str).ok_or_else(wrong)?;
    Ok(Money { amount, currency: Currency::from_str(currency).map_err(|_| wrong())? })
}

/// Whole numbers may stand bare; a fraction is text, because a TOML float is not exact.
fn decimal<T: FromStr<Err = AmountError>>(value: &Value) -> Result<T, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(_) => return Err("must not be a float; write it as text such as \"0.5\"".to_owned()),
        _ => return Err("must be a number such as 5 or \"0.5\"".to_owned()),
    };
    text.parse().map_err(|error: AmountError| error.to_string())
}
