//! Numbers at the edge: credits as decimal strings, whole numbers within a range, quantities.
//! Each type's schema says exactly what its reader takes.

use std::borrow::Cow;
use std::fmt;

use kernel::{Amount, Credits, Driver, Quantities};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// Credits above zero, such as `"12.5"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositiveCredits(pub Credits);

/// Credits of zero or more, such as `"0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditsInput(pub Credits);

/// For `#[serde(deserialize_with)]` on a member that may be absent but not null.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The schema of credits in an answer, where sums may be large or negative.
pub struct SignedCredits;

/// The schema of an instant in an answer.
pub struct Instant;

/// What a request used, by the closed list of drivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantitiesInput(pub Quantities);

const CREDITS_PATTERN: &str = r"^(?:(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?|1000000000)$";
/// As above without a zero; spelled out because not every validator knows look-ahead.
const POSITIVE_PATTERN: &str = concat!(
    r"^(?:[1-9][0-9]{0,8}(?:\.[0-9]{1,6})?|1000000000|0\.(?:[1-9][0-9]{0,5}|0[1-9][0-9]{0,4}",
    r"|00[1-9][0-9]{0,3}|000[1-9][0-9]{0,2}|0000[1-9][0-9]?|00000[1-9]))$"
);
const SIGNED_PATTERN: &str = r"^-?[0-9]+(?:\.[0-9]{1,6})?$";

impl<'de> Deserialize<'de> for CreditsInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CreditsInput, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        parse_credits(&text).map(CreditsInput).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PositiveCredits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PositiveCredits, D::Error> {
        match CreditsInput::deserialize(deserializer)?.0 {
            zero if zero.is_zero() => Err(de::Error::custom("must be more than 0")),
            credits => Ok(PositiveCredits(credits)),
        }
    }
}

/// One spelling per input: no sign, no leading zeros, at most six digits after the point.
fn parse_credits(text: &str) -> Result<Credits, String> {
    let credits: Credits = text.parse().map_err(|e: kernel::AmountError| e.to_string())?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_padded = whole.len() > 1 && whole.starts_with('0');
    let is_largest_with_fraction = whole.len() > 9 && !part.is_empty();
    if text.starts_with('-') || is_padded || part.len() > 6 || is_largest_with_fraction {
        return Err("is not a decimal number of 0 or more without leading zeros, such as \"12.5\"".to_owned());
    }
    Ok(credits)
}

impl<'de> Deserialize<'de> for QuantitiesInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<QuantitiesInput, D::Error> {
        deserializer.deserialize_map(QuantitiesVisitor)
    }
}

struct QuantitiesVisitor;

impl<'de> Visitor<'de> for QuantitiesVisitor {
    type Value = QuantitiesInput;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of quantities, such as {\"images\": 1}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<QuantitiesInput, A::Error> {
        let mut quantities = Quantities::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            let unknown =
                |error: kernel::QuantityError| de::Error::custom(format!("has {name:?}, which {error}"));
            let driver: Driver = name.parse().map_err(unknown)?;
            let AmountInput(amount) = members.next_value()?;
            if quantities.get(driver).is_some() {
                return Err(de::Error::custom(format!("has the member {name:?} twice")));
            }
            quantities.set(driver, amount);
        }
        Ok(QuantitiesInput(quantities))
    }
}

struct AmountInput(Amount);

impl<'de> Deserialize<'de> for AmountInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AmountInput, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Amount::from_f64(number).map(AmountInput).map_err(de::Error::custom)
    }
}

/// Reads a whole number in a range. JSON knows one kind of number, so `900.0` is 900.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D, min: i64, max: i64) -> Result<i64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    // Every bound of ours is far inside of what an f64 counts exactly.
    #[allow(clippy::cast_possible_truncation, reason = "compared with the bounds right after")]
    let whole = number as i64;
    #[allow(clippy::cast_precision_loss, reason = "as above")]
    if whole as f64 != number || !(min..=max).contains(&whole) {
        return Err(de::Error::custom(format!("must be a whole number from {min} to {max}")));
    }
    Ok(whole)
}

macro_rules! whole_number {
    ($(#[doc = $doc:literal])* $name:ident, $min:expr, $max:expr) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub i64);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                whole(deserializer, $min, $max).map($name)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::Integer))
                    .minimum(Some($min))
                    .maximum(Some($max))
                    .description(Some(concat!($($doc),*).trim()))
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}

whole_number!(/// Seconds that a hold lives.
    TtlSeconds, 1i64, 86_400i64);
whole_number!(/// How many packs.
    PackQuantity, 1i64, 1_000i64);
whole_number!(/// An amount in the currency's minor unit, such as cents.
    MinorAmount, 0i64, 1_000_000_000_000i64);
whole_number!(/// Which lots pay first: smaller burns first, 50 when absent.
    Priority, -32_768i64, 32_767i64);

/// A string schema with a pattern.
pub fn text_schema(description: &str, pattern: &str, examples: &[&str]) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .pattern(Some(pattern))
        .examples(examples.iter().map(|e| serde_json::Value::from(*e)))
        .into()
}

impl PartialSchema for PositiveCredits {
    fn schema() -> RefOr<Schema> {
        text_schema("Credits above 0, as a decimal string; at most 1000000000.", POSITIVE_PATTERN, &["12.5"])
    }
}

impl PartialSchema for CreditsInput {
    fn schema() -> RefOr<Schema> {
        text_schema(
            "Credits of 0 or more, as a decimal string; at most 1000000000.",
            CREDITS_PATTERN,
            &["12.5"],
        )
    }
}

impl PartialSchema for SignedCredits {
    fn schema() -> RefOr<Schema> {
        text_schema("Credits as a decimal string, exact to a millionth.", SIGNED_PATTERN, &["12.5"])
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)))
            .description(Some("An instant, RFC 3339, between the years 1970 and 9999; answers are in UTC."))
            .into()
    }
}

impl PartialSchema for QuantitiesInput {
    fn schema() -> RefOr<Schema> {
        let number = || {
            ObjectBuilder::new()
                .schema_type(SchemaType::new(Type::Number))
                .minimum(Some(0))
                .maximum(Some(1_000_000_000_000i64))
        };
        let object = ObjectBuilder::new()
            .description(Some(
                "What the request uses, by name. At most six digits after the point. `input_tokens` are \
                 without cached ones.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        Driver::ALL.iter().fold(object, |object, driver| object.property(driver.name(), number())).into()
    }
}

impl ToSchema for PositiveCredits {}
impl ToSchema for CreditsInput {
    fn name() -> Cow<'static, str> {
        "NonNegativeCredits".into()
    }
}
impl ToSchema for SignedCredits {
    fn name() -> Cow<'static, str> {
        "Credits".into()
    }
}
impl ToSchema for Instant {}
impl ToSchema for QuantitiesInput {
    fn name() -> Cow<'static, str> {
        "Quantities".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(json: &str) -> Option<String> {
        serde_json::from_str::<CreditsInput>(json).ok().map(|c| c.0.to_string())
    }

    #[test]
    fn credits_have_one_spelling() {
        for (json, read) in [("\"12.50\"", "12.5"), ("\"0\"", "0"), ("\"1000000000\"", "1000000000")] {
            assert_eq!(credits(json).as_deref(), Some(read));
        }
        for json in
            ["12.5", "\"-1\"", "\"-0\"", "\"007\"", "\"1e3\"", "\"0.1234567\"", "\"1000000000.0\"", "\"\""]
        {
            assert_eq!(credits(json), None, "{json}");
        }
        assert!(serde_json::from_str::<PositiveCredits>("\"0.000\"").is_err());
        assert!(serde_json::from_str::<PositiveCredits>("\"0.000001\"").is_ok());
    }

    #[test]
    fn whole_numbers_stay_in_their_range() {
        for (json, read) in
            [("900", Some(900)), ("900.0", Some(900)), ("0", None), ("86401", None), ("1.5", None)]
        {
            assert_eq!(serde_json::from_str::<TtlSeconds>(json).ok().map(|t| t.0), read, "{json}");
        }
        for json in ["\"900\"", "true", "1e300", "null"] {
            assert!(serde_json::from_str::<TtlSeconds>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn quantities_are_numbers_of_known_names() {
        let read = |json| serde_json::from_str::<QuantitiesInput>(json);
        assert!(read(r#"{"images": 1, "seconds": 7.1}"#).is_ok());
        for json in
            [r#"{"images": "1"}"#, r#"{"images": -1}"#, r#"{"tokens": 1}"#, "[1]", r#"{"images": 1e13}"#]
        {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
